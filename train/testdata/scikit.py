"""scikit-learn's logistic regression on what rehead's trunk says of label folders: accuracy and log
loss in five folds, standardised, the best of four C.

    python scikit.py REHEAD WEIGHTS DIR...      (numpy 2.4, scikit-learn 1.9)
"""
import subprocess
import sys
import tempfile
import time

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler

rehead, weights, *folders = sys.argv[1:]
for folder in folders:
    for features in ("last", "all"):
        with tempfile.TemporaryDirectory() as scratch:
            out = scratch + "/f.npy"
            subprocess.run([rehead, "embed", folder, "--weights", weights, "--features", features, "-o", out],
                           check=True, capture_output=True)
            x = StandardScaler().fit_transform(np.load(out))
            rows = open(scratch + "/f.csv").read().splitlines()[-len(x):]
        y = np.array([r.replace('"', "").split("/")[-2].split(",")[-1] for r in rows])
        began, tried = time.time(), []
        for c in (1e-3, 1e-2, 1e-1, 1):
            p = np.zeros((len(y), len(set(y))))
            for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(x, y):
                model = LogisticRegression(C=c, max_iter=300).fit(x[train], y[train])
                p[test] = model.predict_proba(x[test])
            tried.append((log_loss(y, p / p.sum(1, keepdims=True)), c, (model.classes_[p.argmax(1)] == y).mean()))
        loss, c, accuracy = min(tried)
        print(f"{folder} {features}: {100 * accuracy:.1f} %, log loss {loss:.3f} (C {c}), "
              f"{time.time() - began:.1f} s for {len(tried)} C and 5 folds", flush=True)
