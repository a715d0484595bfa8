#!/usr/bin/env bash
# keras 3.15.1 on tensorflow-cpu 2.21.0: export() writes every variable twice, in files and under names.
#
# Behaviour: the checkpoint inside the SavedModel has each variable under variables/N and again under
# _all_variables/M, and the data file holds both copies. tf.saved_model.save of the same model holds
# each once.
# Expected: one copy, however many names lead to it.
# Seen 2026-11-30, two Dense layers of 53,264 bytes: export() 8 tensors and 107,494 bytes; save() 4
# tensors
# What follows: an exported model takes twice its size on disk, and a reader that counts tensors or
# matches them by shape finds two candidates for each. Take one prefix and leave the other.
set -euo pipefail
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"
export PIP_QUIET=1 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
python3 -m venv v && v/bin/pip install tensorflow-cpu==2.21.0 keras==3.15.1
KERAS_HOME=$d KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 v/bin/python - 2>log <<'E' || { tail -5 log; exit 1; }
import os
import keras
import numpy as np
import tensorflow as tf
from keras.layers import Dense

x = keras.Input((8,))
model = keras.Model(x, Dense(4)(Dense(1024)(x)))
size = sum(4 * int(np.prod(w.shape)) for w in model.weights)
model.export("exported", verbose=False)
tf.saved_model.save(model, "saved")

def variables(folder):
    prefix = folder + "/variables/variables"
    reader = tf.train.load_checkpoint(prefix)
    names = sorted(n for n, shape in tf.train.list_variables(prefix) if shape)
    written = os.path.getsize(prefix + ".data-00000-of-00001")
    print(f"{folder}: {len(names)} tensors, {written} bytes of data for {size} bytes of variables")
    return names, reader, written

names, reader, written = variables("exported")
for name in names:
    print("  ", name)
once, _, small = variables("saved")
assert len(once) == 4 and size <= small < 1.5 * size, "the behaviour has changed"
assert len(names) == 8 and 2 * size <= written < 2.5 * size, "the behaviour has changed"
for prefix in ("variables", "_all_variables"):
    mine = [reader.get_tensor(n) for n in names if n.startswith(prefix + "/")]
    assert sum(any(np.array_equal(a, w) for a in mine) for w in model.get_weights()) == 4, "the behaviour has changed"
E
