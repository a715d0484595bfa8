#!/usr/bin/env bash
# coremltools 9.0: an ML program that it converts holds and computes float16, whatever the network's type, unless it
# is asked for float32.
#
# Behaviour: ct.convert with convert_to="mlprogram" and nothing else turns float32 weights into float16: they keep
# three digits, and what is smaller than 2^-24 becomes that, however small it was. Only where one is too large for float16 the operation stays
# float32. The outputs say float32 all the same, and no warning comes.
# Expected: float32 from float32, as with convert_to="neuralnetwork", or a word that numbers were lost.
# Seen 2026-12-01: the weights 0.1 and 1e-9 are stored as 0.09998 and 5.96e-8; with 1e5 among them, or
# with compute_precision=FLOAT32, as they were
# What follows: give compute_precision, and look at the stored weights of files from elsewhere before measuring them.
set -euo pipefail
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"
export PIP_QUIET=1 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
python3 -m venv v && v/bin/pip install coremltools==9.0 numpy==2.4.6
v/bin/python - 2>/dev/null <<'E'
import coremltools as ct
import numpy as np
from coremltools.converters.mil import Builder as mb

FLOAT32 = ct.proto.FeatureTypes_pb2.ArrayFeatureType.FLOAT32
small, large = np.array([0.1, 1e-9, 0.5], np.float32), np.array([1e5, 1e-9, 0.5], np.float32)


def stored(given, **precision):
    @mb.program(input_specs=[mb.TensorSpec(shape=(3,))])
    def program(x):
        return mb.mul(x=x, y=given)

    model = ct.convert(program, convert_to="mlprogram", skip_model_load=True, **precision)
    constants = [op.outputs[0].val for op in model._mil_program.functions["main"].operations if op.op_type == "const"]
    weight = next(c for c in constants if getattr(c, "shape", None) == (3,))
    output = model.get_spec().description.output[0].type.multiArrayType.dataType
    print(precision, given, "stored as", weight.dtype, weight, "output float32:", output == FLOAT32)
    return weight, output


half, output = stored(small)
assert half.dtype == np.float16 and half[1] == 2**-24 and half[0] != small[0], "the behaviour has changed"
assert output == FLOAT32, "the behaviour has changed"
for weight, given in (stored(large)[0], large), (stored(small, compute_precision=ct.precision.FLOAT32)[0], small):
    assert weight.dtype == np.float32 and np.array_equal(weight, given), "the behaviour has changed"
E
