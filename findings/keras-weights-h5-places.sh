#!/usr/bin/env bash
# keras 3.15.1: the number in a .weights.h5 group is not the layer's number.
#
# Behaviour: groups are named after the layer's class and counted in the order of model.layers, which is
# by depth in the graph. Layer names are counted in the order of making. With a short branch made before
# a long one, as in every Inception block, group conv2d holds layer conv2d_1 and so on; shapes may agree.
# Expected: group conv2d_2 holds the layer that is called conv2d_2.
# Seen 2026-11-30: conv2d: conv2d_1, conv2d_1: conv2d_2, conv2d_2: conv2d, conv2d_3: conv2d_3
# What follows: weights read by the group's name land in other layers without an error. Go by the
# attribute "name" of the group vars, or, where there is none, by the order of model.layers.
set -euo pipefail
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"
export PIP_QUIET=1 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
python3 -m venv v && v/bin/pip install keras==3.15.1 jax==0.10.2 h5py==3.16.0 numpy==2.4.6
KERAS_HOME=$d KERAS_BACKEND=numpy v/bin/python - <<'E'
import h5py
import keras
import numpy as np
from keras.layers import Concatenate, Conv2D

x = keras.Input((8, 8, 3))
short = Conv2D(3, 1)(x)
long = Conv2D(3, 1)(x)
long = Conv2D(3, 1)(long)
long = Conv2D(3, 1)(long)
model = keras.Model(x, Concatenate()([short, long]))
print("model.layers:", [layer.name for layer in model.layers])
model.save_weights("m.weights.h5")
kernels = {layer.name: np.asarray(layer.kernel) for layer in model.layers if layer.name.startswith("conv2d")}
seen = {}
with h5py.File("m.weights.h5") as file:
    for group in file["layers"]:
        if group.startswith("conv2d"):
            variables = file["layers"][group]["vars"]
            seen[group] = [name for name, kernel in kernels.items() if np.array_equal(kernel, variables["0"])]
            print(f"layers/{group}/vars/0 is the kernel of {seen[group]}, attribute name {variables.attrs['name']}")
            assert seen[group] == [variables.attrs["name"]], "the behaviour has changed"
assert seen == {"conv2d": ["conv2d_1"], "conv2d_1": ["conv2d_2"], "conv2d_2": ["conv2d"],
                "conv2d_3": ["conv2d_3"]}, "the behaviour has changed"
E
