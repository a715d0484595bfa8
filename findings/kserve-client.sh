#!/usr/bin/env bash
# kserve 0.21.0, InferenceRESTClient: fails on the empty 200 with which a server says that it is ready,
# and drops error texts whose content type has a parameter.
#
# Behaviour: is_server_ready parses the body of /v2/health/ready as JSON. By the V2 protocol the status
# code alone may tell; then it raises JSONDecodeError, while is_model_ready of the same client takes such
# an answer. A failed infer shows the server's text only if Content-Type is application/json to the
# letter; with "; charset=utf-8" behind it the message begins with a comma.
# Expected: 200 means ready; a media type's parameter does not change the type.
# Seen 2026-11-30: is_server_ready JSONDecodeError on an empty body, True on {"ready": true};
# is_model_ready True on both; "no such label, '400 ..." for the bare type, ", '400 ..." with the parameter
# What follows: a server meant for this client must answer health checks with a JSON body, and errors
# with the bare type.
set -euo pipefail
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"
export PIP_QUIET=1 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
python3 -m venv v && v/bin/pip install kserve==0.21.0
v/bin/python - 2>log <<'E' || { tail -5 log; exit 1; }
import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from kserve import InferenceRESTClient, RESTConfig

class Server(BaseHTTPRequestHandler):
    body, kind = b"", "application/json"

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", self.kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(200, self.body)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(400, json.dumps({"error": "no such label"}).encode())

    def log_message(self, *args):
        pass

server = HTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_port}"

async def ask():
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
    answers = []
    for Server.body in (b'{"ready": true}', b""):
        try:
            answers.append(await client.is_server_ready(address))
        except Exception as error:
            answers.append(type(error).__name__)
        print(f"is_server_ready, 200 with {Server.body!r}: {answers[-1]}")
        answers.append(await client.is_model_ready(address, "m"))
        print(f"is_model_ready, 200 with {Server.body!r}: {answers[-1]}")
    for Server.kind in ("application/json", "application/json; charset=utf-8"):
        try:
            await client.infer(address, {"inputs": []}, model_name="m")
        except Exception as error:
            answers.append(str(error).split(" for url")[0])
        print(f"infer, 400 as {Server.kind}: {answers[-1]}")
    await client.close()
    return answers

answers = asyncio.run(ask())
texts = ["no such label, '400 Bad Request'", ", '400 Bad Request'"]
assert answers == [True, True, "JSONDecodeError", True, *texts], "the behaviour has changed"
E
