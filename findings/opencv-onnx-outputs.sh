#!/usr/bin/env bash
# opencv-python-headless 4.14.0.94 and 5.0.0.93: forward() of one ONNX file answers with another of its
# outputs.
#
# Behaviour: for a model of two outputs, Net.forward() without a name gives in OpenCV 4 the one that the
# file declares last, in OpenCV 5 the one declared first. getUnconnectedOutLayersNames of OpenCV 4 lists
# them in the order of their nodes, whatever the file declares, so that its last need not be forward()'s.
# Expected: the same tensor from the same file, and names in the order that the file declares.
# Seen 2026-11-30, declared [features, probs]: 4.14.0 probs, 5.0.0 features; declared [probs, features]:
# 4.14.0 features, 5.0.0 probs; 4.14.0 lists [features, probs] both times
# What follows: an upgrade turns probabilities into features. Name the output in forward(); an exporter
# that can't expect that should declare one output, or the main one first and a copy of it last.
set -euo pipefail
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"
export PIP_QUIET=1 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
for version in 4.14.0.94 5.0.0.93; do
	python3 -m venv "$version"
	"$version/bin/pip" install "opencv-python-headless==$version" numpy==2.4.6
done
4.14.0.94/bin/pip install onnx==1.23.2
4.14.0.94/bin/python - <<'E'
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

nodes = [helper.make_node("MatMul", ["x", "w"], ["features"]), helper.make_node("Softmax", ["features"], ["probs"])]
for order in (["features", "probs"], ["probs", "features"]):
    graph = helper.make_graph(
        nodes,
        "head",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in order],
        [numpy_helper.from_array(np.arange(16, dtype=np.float32).reshape(4, 4), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, "-".join(order) + ".onnx")
E
cat > ask.py <<'E'
import sys
import numpy as np
import cv2

for name, answer, listed in (entry.split(":") for entry in sys.argv[1:]):
    net = cv2.dnn.readNetFromONNX(name + ".onnx")
    net.setInput(np.array([[0, 1, 0, 0]], np.float32))
    out = net.forward()
    got = "probs" if abs(out.sum() - 1) < 1e-5 else "features"
    names = "-".join(net.getUnconnectedOutLayersNames())
    print(f"OpenCV {cv2.__version__}, declared {name}: forward() gives {got} {out.ravel()}, lists {names}")
    assert (got, names) == (answer, listed), "the behaviour has changed"
E
4.14.0.94/bin/python ask.py features-probs:probs:features-probs probs-features:features:features-probs
5.0.0.93/bin/python ask.py features-probs:features:features-probs probs-features:probs:probs-features
