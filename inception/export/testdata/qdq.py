#!/usr/bin/env python3
"""qdq.py FLOAT.onnx INT8.onnx: a static-QDQ int8 copy of a network of convolutions, for timing only.

Weights are int8 per output channel, biases int32, activations uint8 per tensor with zero point 0 (the input: 128), with a
quantize-dequantize pair after the input and after every ReLU, pool and concatenation: what ONNX Runtime's own quantizer writes. The
scales of activations are made up, which changes no time. A Pad before an AveragePool becomes the pool's own padding.
Needs the packages onnx and numpy. FLOAT.onnx has batch norm folded, as exporters of torchvision's InceptionV3 write it.
"""
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper

model = onnx.load(sys.argv[1])
graph = model.graph
tensors = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
scale = 1 / 32  # of every activation

nodes, extra, alias, pads = [], [], {}, {}


def constant(name, array):
    extra.append(numpy_helper.from_array(np.asarray(array), name))
    return name


def pair(value, zero):
    """adds a quantize-dequantize pair behind value and returns the name of what it gives."""
    s, z = constant(value + "_scale", np.float32(scale)), constant(value + "_zero", np.uint8(zero))
    nodes.append(helper.make_node("QuantizeLinear", [value, s, z], [value + "_q"]))
    nodes.append(helper.make_node("DequantizeLinear", [value + "_q", s, z], [value + "_d"]))
    return value + "_d"


def weights(name, bias):
    """adds the dequantized weights and bias of a convolution and returns their names."""
    w = tensors[name]
    step = np.maximum(np.abs(w).reshape(w.shape[0], -1).max(1), 1e-8).astype(np.float32) / 127
    q = np.rint(w / step.reshape(-1, 1, 1, 1)).astype(np.int8)
    out = []
    for kind, values, steps, zero in (
        ("w", q, step, np.int8), ("b", np.rint(tensors[bias] / (step * scale)).astype(np.int32), step * np.float32(scale), np.int32)):
        base = f"{len(nodes)}_{kind}"
        names = [constant(base, values), constant(base + "_scale", steps.astype(np.float32)), constant(base + "_zero", np.zeros(len(step), zero))]
        nodes.append(helper.make_node("DequantizeLinear", names, [base + "_d"], axis=0))
        out.append(base + "_d")
    return out


for node in graph.node:
    if node.op_type == "Identity" and node.input[0] in tensors:
        tensors[node.output[0]] = tensors[node.input[0]]
    elif node.op_type == "Constant":
        tensors[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)

alias[graph.input[0].name] = pair(graph.input[0].name, 128)
for node in graph.node:
    if node.op_type in ("Identity", "Constant"):
        continue
    ins = [alias.get(i, i) for i in node.input]
    if node.op_type == "Pad":  # constant 0, one pixel all around
        alias[node.output[0]] = ins[0]
        pads[node.output[0]] = [int(v) for v in tensors[node.input[1]][[2, 3, 6, 7]]]
        continue
    new = helper.make_node(node.op_type, ins, node.output, node.name)
    new.attribute.extend(node.attribute)
    if node.op_type == "Conv":
        new.input[1], new.input[2] = weights(node.input[1], node.input[2])
    if node.op_type == "AveragePool" and node.input[0] in pads:
        kept = [a for a in node.attribute if a.name not in ("pads", "count_include_pad")]
        del new.attribute[:]
        new.attribute.extend(kept + [helper.make_attribute("pads", pads[node.input[0]]), helper.make_attribute("count_include_pad", 1)])
    nodes.append(new)
    if node.op_type in ("Relu", "MaxPool", "AveragePool", "Concat"):
        alias[node.output[0]] = pair(node.output[0], 0)

used = {i for n in nodes for i in n.input}
out = helper.make_graph(nodes, "int8", graph.input, graph.output, [t for t in extra] + [
    numpy_helper.from_array(v, k) for k, v in tensors.items() if k in used])
made = helper.make_model(out, opset_imports=[helper.make_opsetid("", 13)])
made.ir_version = 8
onnx.checker.check_model(made)
onnx.save(made, sys.argv[2])
