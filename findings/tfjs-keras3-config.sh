#!/usr/bin/env bash
# @tensorflow/tfjs 4.22.0: refuses the configuration of every Keras 3 model.
#
# Behaviour: Keras 3 writes an InputLayer's shape as batch_shape and data types as objects; tfjs reads
# Keras 2's batch_input_shape only. modelFromJSON ends with "An InputLayer should be passed either a
# `batchInputShape` or an `inputShape`", which says nothing of versions. With the key renamed the same
# Sequential model loads.
# Expected: the newest release of one reads what the newest release of the other writes, or says which
# versions it reads.
# Seen 2026-11-30, keras 3.15.1, Sequential and functional: refused; batch_input_shape: Sequential loads
# What follows: a model.json around a Keras 3 configuration exists and cannot be loaded by tfjs. Bring
# such a network over as a graph model.
set -euo pipefail
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"
export PIP_QUIET=1 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
python3 -m venv v && v/bin/pip install keras==3.15.1 jax==0.10.2 numpy==2.4.6
KERAS_HOME=$d KERAS_BACKEND=numpy v/bin/python - <<'E'
import keras
from keras.layers import Dense

x = keras.Input((4,))
open("functional.json", "w").write(keras.Model(x, Dense(2)(x)).to_json())
text = keras.Sequential([keras.Input((4,)), Dense(2)]).to_json()
open("sequential.json", "w").write(text)
open("renamed.json", "w").write(text.replace('"batch_shape"', '"batch_input_shape"'))
E
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @tensorflow/tfjs@4.22.0 >/dev/null 2>&1
cat > load.js <<'E'
const fs = require('fs');
const tf = require('@tensorflow/tfjs');

const refusal = 'An InputLayer should be passed either a `batchInputShape` or an `inputShape`.';
(async () => {
  for (const [name, want] of [['functional', refusal], ['sequential', refusal], ['renamed', 'loads']]) {
    let got = 'loads';
    try {
      await tf.models.modelFromJSON(JSON.parse(fs.readFileSync(name + '.json')));
    } catch (error) {
      got = error.message;
    }
    console.log(`${name}: ${got}`);
    if (got !== want) throw new Error('the behaviour has changed');
  }
})().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
E
node load.js | grep ': '
