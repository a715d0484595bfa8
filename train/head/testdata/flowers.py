"""Trains heads on stored bottlenecks by scikit-learn and by retrain.py's recipe, and leaves rows and results for
TestHeadsAgainstPeers.

    python3 flowers.py DIR BOTTLENECKS.npy LIST.csv        (Debian: apt-get install python3-sklearn)
    REHEAD_HEADS=DIR go test ./train/head -run TestHeadsAgainstPeers -v

The list has the columns row, label, file. The split is retrain.py's, by the SHA-1 of the file's name: 10 % validation, 10 %
test. scikit-learn's LogisticRegression gets standardised rows and the C of six that does best on the validation part (its
time is that of all six, and of the default C = 1 alone); retrain.py's recipe is 4,000 steps of gradient descent, rate
0.01, batches of 100 drawn with replacement (a label, then one of its pictures) from raw rows, in float32 numpy.
"""
import csv
import hashlib
import json
import os
import sys
import time

import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression


def part(name):
    most = 2 ** 27 - 1
    percent = int(hashlib.sha1(name.encode()).hexdigest(), 16) % (most + 1) * (100.0 / most)
    return 1 if percent < 10 else 2 if percent < 20 else 0


def retrain(x, y, classes):
    rng = np.random.default_rng(0)
    w = np.clip(rng.standard_normal((x.shape[1], classes)), -2, 2).astype(np.float32) * np.float32(0.001)
    b = np.zeros(classes, np.float32)
    by_label = [np.flatnonzero(y == k) for k in range(classes)]
    for _ in range(4000):
        labels = rng.integers(0, classes, 100)
        rows = np.array([by_label[k][rng.integers(len(by_label[k]))] for k in labels])
        xb = x[rows]
        z = xb @ w + b
        z -= z.max(1, keepdims=True)
        p = np.exp(z)
        p /= p.sum(1, keepdims=True)
        p[np.arange(100), labels] -= 1
        p /= 100
        w -= np.float32(0.01) * (xb.T @ p)
        b -= np.float32(0.01) * p.sum(0)
    return w, b


def main(folder, rows, listing):
    os.makedirs(folder, exist_ok=True)
    x = np.load(rows).astype(np.float32)
    with open(listing) as f:
        records = list(csv.reader(f))[1:]
    names = sorted({r[1] for r in records})
    y, split = np.empty(len(x), np.int32), np.empty(len(x), np.int32)
    for r in records:
        y[int(r[0])], split[int(r[0])] = names.index(r[1]), part(r[2])
    train, valid, test = (split == i for i in range(3))
    result = {"sklearn": sklearn.__version__, "features": int(x.shape[1]), "classes": len(names)}

    began = time.time()
    mean, deviation = x[train].mean(0), x[train].std(0)
    z = (x - mean) / np.where(deviation > 0, deviation, 1)
    result["sklearn_default_seconds"] = 0.0
    best = -1.0
    for c in (1.0, 1e-4, 3e-4, 1e-3, 1e-2, 1e-1):
        one = time.time()
        fit = LogisticRegression(C=c, max_iter=1000).fit(z[train], y[train])
        score = fit.score(z[valid], y[valid])
        if c == 1.0:
            result["sklearn_default_seconds"] = time.time() - one
            result["sklearn_default_correct"] = int((fit.predict(z[test]) == y[test]).sum())
        if score > best:
            best = score
            result["sklearn_c"] = c
            result["sklearn_correct"] = int((fit.predict(z[test]) == y[test]).sum())
    result["sklearn_seconds"] = time.time() - began

    began = time.time()
    w, b = retrain(x[train], y[train], len(names))
    result["retrain_seconds"] = time.time() - began
    result["retrain_correct"] = int(((x[test] @ w + b).argmax(1) == y[test]).sum())
    result["test"] = int(test.sum())
    x.astype("<f4").tofile(os.path.join(folder, "rows.f32"))
    y.astype("<i4").tofile(os.path.join(folder, "labels.i32"))
    split.astype("<i4").tofile(os.path.join(folder, "split.i32"))
    with open(os.path.join(folder, "heads.json"), "w") as f:
        json.dump(result, f)
        f.write("\n")
    print(result)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
