"""Makes a seeded problem of any size, solves it with scikit-learn, and leaves both for TestFitAgainstPeer.

    python3 peer.py DIR [ROWS FEATURES CLASSES [L2]]        (Debian: apt-get install python3-sklearn)
    REHEAD_PEER=DIR go test ./train/head -run TestFitAgainstPeer -v

Defaults: 3000 256 20 0.01, some seconds. The size of Caltech-256 is 30607 2048 257: minutes, and 2 GB of memory.

Rows look like bottlenecks: not negative, correlated through a few hidden directions. Classes overlap in these, and one
label in ten is wrong, so that no head separates them. Objective: see logistic.py.
"""
import json
import os
import sys
import time

import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression

HIDDEN = 64
PART = 2048  # rows at a time, to bound memory


def problem(rows, features, classes):
    rng = np.random.default_rng([rows, features, classes])
    mix = rng.standard_normal((HIDDEN, features), dtype=np.float32) / np.float32(HIDDEN ** 0.5)
    centre = rng.standard_normal((classes, HIDDEN), dtype=np.float32)
    y = (np.arange(rows) % classes).astype(np.int32)
    x = np.empty((rows, features), np.float32)
    for lo in range(0, rows, PART):
        c = y[lo:lo + PART]
        hidden = np.float32(0.6) * centre[c] + rng.standard_normal((len(c), HIDDEN), dtype=np.float32)
        noise = rng.standard_normal((len(c), features), dtype=np.float32)
        x[lo:lo + PART] = np.maximum(0, 0.3 + 0.3 * noise + 0.4 * (hidden @ mix))
    wrong = rng.random(rows) < 0.1
    wrong[:classes] = False  # every class keeps a row
    y[wrong] = rng.integers(0, classes, wrong.sum())
    return x, y


def loss(z, y, w, b, l2):
    total = 0.0
    for lo in range(0, len(z), PART):
        logits = z[lo:lo + PART].astype(np.float64) @ w.T + b
        logits -= logits.max(1, keepdims=True)
        logp = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        total -= logp[np.arange(len(logp)), y[lo:lo + PART]].sum()
    return total / len(z) + l2 / 2 * (w ** 2).sum()


def main(folder, rows=3000, features=256, classes=20, l2=0.01):
    rows, features, classes, l2 = int(rows), int(features), int(classes), float(l2)
    os.makedirs(folder, exist_ok=True)
    x, y = problem(rows, features, classes)
    x.astype("<f4").tofile(os.path.join(folder, "rows.f32"))
    y.astype("<i4").tofile(os.path.join(folder, "labels.i32"))
    x -= x.mean(0, dtype=np.float64).astype(np.float32)
    x /= np.sqrt((x ** 2).mean(0, dtype=np.float64)).astype(np.float32)
    began = time.time()
    fit = LogisticRegression(C=1 / (l2 * rows), tol=1e-5, max_iter=1000).fit(x, y)
    seconds = time.time() - began
    w, b = fit.coef_.astype(np.float64), fit.intercept_.astype(np.float64)
    result = {
        "made_by": "peer.py, scikit-learn " + sklearn.__version__, "features": features, "classes": classes, "l2": l2,
        "loss": loss(x, y, w, b, l2), "iterations": int(fit.n_iter_[0]), "seconds": seconds,
    }
    with open(os.path.join(folder, "result.json"), "w") as f:
        json.dump(result, f)
        f.write("\n")
    print(result)


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 6:
        sys.exit(__doc__)
    main(*sys.argv[1:])
