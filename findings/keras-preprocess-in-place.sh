#!/usr/bin/env bash
# keras 3.15.1: inception_v3.preprocess_input overwrites float arrays, and leaves integer ones alone.
#
# Behaviour: for a NumPy array of float32 the scaling to -1..1 is done in the caller's own array, which
# is also what is returned. An array of uint8 is copied first. Nothing guards against a second call.
# Expected: the argument is left as it was, whatever its type.
# Seen 2026-11-30, 255 everywhere: uint8 stays 255; float32 becomes 1, and -0.992 after a second call
# What follows: an array that is shown, stored or given to two models after the call is no longer a
# picture, and a cell that is run twice feeds the network an almost black one. Pass a copy.
set -euo pipefail
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"
export PIP_QUIET=1 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
python3 -m venv v && v/bin/pip install keras==3.15.1 jax==0.10.2 numpy==2.4.6
KERAS_HOME=$d KERAS_BACKEND=numpy v/bin/python - <<'E'
import numpy as np
from keras.applications.inception_v3 import preprocess_input

integers = np.full((1, 2, 2, 3), 255, np.uint8)
floats = integers.astype(np.float32)
preprocess_input(integers)
returned = preprocess_input(floats)
once = float(floats.max())
preprocess_input(floats)
twice = float(floats.max())
print("uint8 after the call:", integers.max())
print(f"float32 after one call: {once}, the same array returned: {returned is floats}; after two: {twice:.4f}")
assert integers.max() == 255 and once == 1 and returned is floats, "the behaviour has changed"
assert abs(twice - (1 / 127.5 - 1)) < 1e-6, "the behaviour has changed"
E
