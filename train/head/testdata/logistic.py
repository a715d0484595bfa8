"""Writes logistic.json: small classification problems, solved by scikit-learn far beyond what the tests ask for.

    python3 logistic.py        (Debian: apt-get install python3-sklearn)

Objective, as in package train: mean cross entropy + l2/2 |W|^2 on standardised features, the bias free. scikit-learn
minimises C * (sum of cross entropies) + 1/2 |W|^2, so C = 1 / (l2 * n).
"""
import json
import os
import warnings

import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression


def problem(seed, n, features, classes, l2, flat=False):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    centres = rng.normal(size=(classes, features))
    x = np.maximum(0, centres[y] * 0.7 + rng.normal(size=(n, features)) + 0.3)
    x = (x * rng.uniform(0.1, 4, size=features)).round(3).astype(np.float32)
    if flat:
        x[:, 2] = 0.625
    x64 = x.astype(np.float64)
    std = x64.std(0)
    z = (x64 - x64.mean(0)) / np.where(std > 0, std, 1)
    fit = LogisticRegression(C=1 / (l2 * n), tol=1e-9, max_iter=100000, solver="newton-cg").fit(z, y)
    w, b = fit.coef_, fit.intercept_  # classes > 2: of two classes scikit-learn keeps the difference alone
    logits = z @ w.T + b
    top = logits.max(1, keepdims=True)
    logp = logits - top - np.log(np.exp(logits - top).sum(1, keepdims=True))
    d = (np.exp(logp) - np.eye(classes)[y]) / n
    gradient = np.abs(np.concatenate([d.T @ z + l2 * w, d.sum(0)[:, None]], 1)).max()
    assert gradient < 1e-9, gradient
    loss = -logp[np.arange(n), y].mean() + l2 / 2 * (w ** 2).sum()
    return {
        "classes": classes, "l2": l2, "rows": [[round(float(v), 3) for v in r] for r in x], "labels": y.tolist(),
        "loss": loss, "probabilities": np.exp(logp).round(8).tolist(),
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # of line searches that end at rounding errors; the assertion decides
    problems = [
        problem(1, 60, 7, 3, 0.05),
        problem(2, 91, 13, 5, 0.3),
        problem(3, 40, 50, 4, 0.01, flat=True),
    ]
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "logistic.json")
    with open(path, "w") as f:
        json.dump({"made_by": "logistic.py, scikit-learn " + sklearn.__version__, "problems": problems}, f)
        f.write("\n")
