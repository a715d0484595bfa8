#!/usr/bin/env bash
# onnxruntime 1.32.0: a model saved with all optimisations holds Conv weights in another order under
# the same shape.
#
# Behaviour: with optimized_model_filepath and the level ORT_ENABLE_ALL, convolutions become nodes of
# type Conv in the domain com.microsoft.nchwc. Their weights keep the dimensions O, I, H, W, but the
# numbers stand in blocks of this processor's vector width. onnx.checker finds nothing wrong, and at
# every level, ORT_ENABLE_BASIC too, the file imports the same nine domains.
# Expected: other dimensions for another order, or another operator's name.
# Seen 2026-11-30: [16, 3, 3, 3] before and after, the same 432 numbers, not in the same places
# What follows: a reader that goes by op_type and shape loads a scrambled network without an error. Look
# at every node's domain, and save with ORT_ENABLE_BASIC what others are to read.
set -euo pipefail
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"
export PIP_QUIET=1 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
python3 -m venv v && v/bin/pip install onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
v/bin/python - <<'E'
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

weight = np.random.default_rng(1).normal(size=(16, 3, 3, 3)).astype(np.float32)
graph = helper.make_graph(
    [helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])],
    "one",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 16, 8, 8])],
    [numpy_helper.from_array(weight, "w")],
)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), "m.onnx")

def saved(level):
    options = ort.SessionOptions()
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    options.optimized_model_filepath = level + ".onnx"
    options.log_severity_level = 3
    ort.InferenceSession("m.onnx", options, providers=["CPUExecutionProvider"])
    model = onnx.load(level + ".onnx")
    onnx.checker.check_model(model)
    conv = next(n for n in model.graph.node if n.op_type == "Conv")
    array = next(numpy_helper.to_array(i) for i in model.graph.initializer if i.name == conv.input[1])
    same = np.array_equal(array, weight)
    sorted_same = array.shape == weight.shape and np.array_equal(np.sort(array, None), np.sort(weight, None))
    domains = {o.domain for o in model.opset_import}
    print(f"{level}: Conv of domain {conv.domain!r}, weight {array.shape}, equal {same}, "
          f"equal when sorted {sorted_same}, {len(domains)} domains imported")
    return conv.domain, same, sorted_same, domains

basic, everything = saved("ORT_ENABLE_BASIC"), saved("ORT_ENABLE_ALL")
assert basic[:3] == ("", True, True), "the behaviour has changed"
assert everything[:3] == ("com.microsoft.nchwc", False, True), "the behaviour has changed"
assert basic[3] == everything[3] and len(basic[3]) == 9, "the behaviour has changed"
E
