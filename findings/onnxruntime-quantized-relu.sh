#!/usr/bin/env bash
# onnxruntime 1.32.0, quantize_static: the ReLUs are gone from the graph, and only a zero point is left
# of them.
#
# Behaviour: a Relu behind a Conv is removed in both formats, QDQ and QOperator. What clips negative
# values is the output's zero point, -128, the smallest int8. No node and no name tells it.
# Expected: a Relu node, or a fused operator that names its activation.
# Seen 2026-11-30: float Conv 2, Relu 2; QDQ Conv 2, Relu 0; QOperator QLinearConv 2, Relu 0; zero
# points behind the convolutions -128
# What follows: who takes the network back to float by dropping the Q/DQ pairs gets one without
# activations; deep ones still give plausible shapes and sums to 1. A zero point of -128 (0 in uint8)
# behind a Conv has to become a Relu.
set -euo pipefail
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"
export PIP_QUIET=1 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
python3 -m venv v && v/bin/pip install onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
v/bin/python - 2>log <<'E' || { tail -5 log; exit 1; }
import collections
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

rng = np.random.default_rng(1)
w1 = rng.normal(size=(8, 3, 3, 3)).astype(np.float32)
w2 = rng.normal(size=(8, 8, 3, 3)).astype(np.float32)
nodes = [
    helper.make_node("Conv", ["x", "w1"], ["a"]),
    helper.make_node("Relu", ["a"], ["b"]),
    helper.make_node("Conv", ["b", "w2"], ["c"]),
    helper.make_node("Relu", ["c"], ["y"]),
]
graph = helper.make_graph(
    nodes,
    "two",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, 4, 4])],
    [numpy_helper.from_array(w1, "w1"), numpy_helper.from_array(w2, "w2")],
)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), "m.onnx")
picture = rng.normal(size=(1, 3, 8, 8)).astype(np.float32)

class Pictures(CalibrationDataReader):
    def __init__(self):
        self.left = [{"x": picture}]

    def get_next(self):
        return self.left.pop() if self.left else None

print("float     Conv 2, Relu 2")
for kind, conv in ((QuantFormat.QDQ, "Conv"), (QuantFormat.QOperator, "QLinearConv")):
    quantize_static("m.onnx", "q.onnx", Pictures(), quant_format=kind)
    model = onnx.load("q.onnx")
    count = collections.Counter(n.op_type for n in model.graph.node)
    values = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    points = {int(values[name]) for n in model.graph.node for name in n.input
              if name.endswith("zero_point") and name[0] in "abcy" and values[name].shape == ()}
    answer = ort.InferenceSession("q.onnx", providers=["CPUExecutionProvider"]).run(None, {"x": picture})[0]
    print(f"{kind.name:9} {conv} {count[conv]}, Relu {count['Relu']}, zero points behind them {points}, "
          f"smallest output {answer.min()}")
    assert count[conv] == 2 and count["Relu"] == 0 and points == {-128}, "the behaviour has changed"
    assert answer.min() == 0, "the behaviour has changed"
E
