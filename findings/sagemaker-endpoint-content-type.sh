#!/usr/bin/env bash
# sagemaker-core 2.27.0 (of sagemaker 3.27.0), Endpoint.invoke: an endpoint with a serializer sends no content type.
#
# Behaviour: Endpoint(serializer=NumpySerializer(), deserializer=...).invoke(body=array) serialises the body, but
# not the serializer's CONTENT_TYPE nor the deserializer's ACCEPT into the call: the request has neither header
# unless invoke is given content_type= and accept=. The Predictor of the SDK's second version sent both.
# Expected: Content-Type: application/x-npy, Accept: application/x-npy.
# Seen 2026-12-01: no Content-Type and no Accept; with content_type= and accept= both are there.
# What follows: name both in every call; a server meant for this client has to tell bodies by their first bytes,
# and NumpyDeserializer fails on the JSON that most servers answer by default.
set -euo pipefail
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"
export PIP_QUIET=1 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
python3 -m venv v && v/bin/pip install sagemaker-core==2.27.0 numpy
v/bin/python - 2>log <<'P' || { tail -5 log; exit 1; }
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

class Server(BaseHTTPRequestHandler):
    seen = []

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.headers.get("Content-Type"), self.headers.get("Accept")))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args):
        pass

server = HTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ.update(AWS_DEFAULT_REGION="eu-central-1", AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="y",
                  AWS_EC2_METADATA_DISABLED="true", AWS_ENDPOINT_URL=f"http://127.0.0.1:{server.server_port}")
import numpy as np
from sagemaker.core.deserializers import JSONDeserializer
from sagemaker.core.resources import Endpoint
from sagemaker.core.serializers import NumpySerializer

s, d = NumpySerializer(), JSONDeserializer()
e = Endpoint(endpoint_name="e", serializer=s, deserializer=d)
e.invoke(body=np.zeros((2, 2)))
e.invoke(body=np.zeros((2, 2)), content_type=s.CONTENT_TYPE, accept="application/json")
print("the serializer's type:", s.CONTENT_TYPE, "- sent (Content-Type, Accept):", Server.seen)
assert s.CONTENT_TYPE == "application/x-npy"
assert Server.seen == [(None, None), ("application/x-npy", "application/json")], "the behaviour has changed"
P
