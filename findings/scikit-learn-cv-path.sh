#!/usr/bin/env bash
# scikit-learn 1.9.1: LogisticRegressionCV scores values of C that it never solved for.
#
# Behaviour: each C begins at the solution of the one before, and lbfgs stops at once when the gradient
# there is below tol (1e-4). At weak penalties the next C's gradient always is, so that from some C on
# the coefficients, and with them the scores, are the previous ones to the last digit. The tables that
# come back don't tell: converged, no warning.
# Expected: the score that LogisticRegression itself has at that C, to a few digits.
# Seen 2026-11-30, log loss of held-out rows at C = 1e5: 0.4125 from the search (the same number to the
# last digit at 1e3 and 1e4), 0.6326 when solved
# What follows: the curve looks flat where the model overfits, and the choice among weak penalties is by
# rounding and order. Give tol=1e-8 or less, or distrust equal scores.
set -euo pipefail
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT; cd "$d"
export PIP_QUIET=1 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
python3 -m venv v && v/bin/pip install scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1
v/bin/python - <<'E'
import warnings
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.metrics import log_loss
from sklearn.model_selection import PredefinedSplit

rng = np.random.default_rng(0)
centres = 3 * rng.normal(size=(3, 100)) / np.sqrt(100)
label = rng.integers(0, 3, 400)
data = centres[label] + rng.normal(size=(400, 100))
train, held = slice(0, 300), slice(300, 400)
grid = np.logspace(0, 5, 6)
split = PredefinedSplit(np.r_[np.full(300, -1), np.zeros(100, int)])

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)
    warnings.simplefilter("error", ConvergenceWarning)
    search = LogisticRegressionCV(Cs=grid, cv=split, scoring="neg_log_loss", max_iter=1000, refit=False,
                                  use_legacy_attributes=False).fit(data, label)
searched = -np.ravel(search.scores_)
solved = []
for c in grid:
    fit = LogisticRegression(C=c, tol=1e-8, solver="newton-cg", max_iter=10000).fit(data[train], label[train])
    solved.append(log_loss(label[held], fit.predict_proba(data[held])))
print("C      by the search   solved")
for c, a, b in zip(grid, searched, solved):
    print(f"{c:.0e}  {a:.10f}    {b:.4f}")
assert len(set(searched[3:])) == 1, "the behaviour has changed: these differ"
assert abs(solved[-1] - 0.6326) < 1e-3 and searched[-1] < 0.5, "the behaviour has changed"
E
