#!/usr/bin/env bash
# onnxconverter-common 1.16.0: converting to float16 with keep_io_types breaks a model one of whose
# outputs is used inside.
#
# Behaviour: convert_float_to_float16 puts a Cast to float32 in front of each output and gives the
# Cast's result the output's old name. Other nodes that read that name now get float32 beside float16
# weights. The converter reports nothing; ONNX Runtime refuses the file when it is loaded.
# Expected: readers inside the graph keep the float16 value.
# Seen 2026-11-30: "Type Error: Type parameter (T) of Optype (MatMul) bound to different types
# (tensor(float) and tensor(float16)"; with an Identity in front of the output it loads
# What follows: a classifier that also gives out its features, or its logits beside its probabilities,
# cannot be converted. Exporters do well to put an Identity in front of such outputs.
set -euo pipefail
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"
export PIP_QUIET=1 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
python3 -m venv v
v/bin/pip install onnx==1.23.2 onnxruntime==1.32.0 onnxconverter-common==1.16.0 numpy==2.4.6
v/bin/python - <<'E'
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxconverter_common import float16

def model(identity):
    inner = "inner" if identity else "features"
    nodes = [helper.make_node("MatMul", ["x", "w"], [inner]), helper.make_node("MatMul", [inner, "v"], ["logits"])]
    if identity:
        nodes.append(helper.make_node("Identity", [inner], ["features"]))
    square = np.eye(4, dtype=np.float32)
    graph = helper.make_graph(
        nodes,
        "head",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("features", "logits")],
        [numpy_helper.from_array(square, "w"), numpy_helper.from_array(square, "v")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(made, full_check=True)
    return made

def load(made):
    try:
        ort.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
        return "loads"
    except Exception as error:
        return str(error)

answers = {}
for identity in (True, False):
    name = "an Identity before the output" if identity else "the output used inside"
    made = model(identity)
    answers[identity] = load(made), load(float16.convert_float_to_float16(made, keep_io_types=True))
    print(f"{name}: float32 {answers[identity][0]}; float16: {answers[identity][1]}")
assert answers[True] == ("loads", "loads"), "the behaviour has changed"
assert answers[False][0] == "loads", "the behaviour has changed"
assert "bound to different types (tensor(float) and tensor(float16)" in answers[False][1], "the behaviour has changed"
E
