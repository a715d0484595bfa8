#!/usr/bin/env bash
# opencv-python-headless 4.14.0.94: an average pool of an ONNX file that counts its border is computed
# as one that leaves it out.
#
# Versions: opencv-python-headless 4.14.0.94 and 5.0.0.93, onnx 1.23.2, onnxruntime 1.32.0.
# Behaviour: OpenCV 4's DNN module divides AveragePool with pads by the pixels under the window whether
# count_include_pad is 0 or 1; it reads no such attribute and says nothing.
# Expected: with count_include_pad=1, which PyTorch's exporter writes for nn.AvgPool2d(padding=1), ones
# under a 3x3 window at the corner of a map have the average 4/9, as in ONNX Runtime and OpenCV 5.
# Seen 2026-11-30, the first row of a 4x4 map of ones: onnxruntime 1.32.0 and OpenCV 5.0.0
# 0.444 0.667 0.667 0.444; OpenCV 4.14.0 1 1 1 1
# What follows: networks of torchvision (InceptionV3 has nine such pools) answer with other numbers, at
# the borders of every map, and no error. Write the border as a Pad of its own in front of a pool
# without pads, which OpenCV 4 computes as it should.
set -euo pipefail
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"
export PIP_QUIET=1 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
for version in 4.14.0.94 5.0.0.93; do
	python3 -m venv "$version"
	"$version/bin/pip" install "opencv-python-headless==$version" numpy==2.4.6
done
4.14.0.94/bin/pip install onnx==1.23.2 onnxruntime==1.32.0
4.14.0.94/bin/python - <<'P'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

ones = np.ones((1, 1, 4, 4), np.float32)


def pool(name, source, pads):
    return helper.make_node("AveragePool", [source], [name], kernel_shape=[3, 3], pads=pads, count_include_pad=1)


for name, nodes in (
    ("counted", [pool("y", "x", [1, 1, 1, 1])]),
    ("padded", [helper.make_node("Pad", ["x", "pads"], ["wide"]), pool("y", "wide", [0, 0, 0, 0])]),
):
    shape = [1, 1, 4, 4]
    graph = helper.make_graph(
        nodes,
        "pool",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.array([0, 0, 1, 1, 0, 0, 1, 1]), "pads")] if name == "padded" else [],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, name + ".onnx")
    session = onnxruntime.InferenceSession(name + ".onnx", providers=["CPUExecutionProvider"])
    row = session.run(None, {"x": ones})[0][0, 0, 0]
    print(f"onnxruntime {onnxruntime.__version__}, {name}: {row}")
    assert np.allclose(row, [4 / 9, 6 / 9, 6 / 9, 4 / 9]), "the behaviour has changed"
P
cat > ask.py <<'P'
import sys
import numpy as np
import cv2

border = [4 / 9, 6 / 9, 6 / 9, 4 / 9]
for name, want in (("counted", [1, 1, 1, 1] if sys.argv[1] == "ignored" else border), ("padded", border)):
    net = cv2.dnn.readNetFromONNX(name + ".onnx")
    net.setInput(np.ones((1, 1, 4, 4), np.float32))
    row = net.forward()[0, 0, 0]
    print(f"OpenCV {cv2.__version__}, {name}: {row}")
    assert np.allclose(row, want), "the behaviour has changed"
P
4.14.0.94/bin/python ask.py ignored
5.0.0.93/bin/python ask.py counted
