"""Can the number of pictures and of steps be read from weights? They are nuisances: what a
descriptor of content should forget (DSiRe shows that they leak)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lorarium.adapter import Array
from lorarium.evaluation.describe.zoo import Corpus

FOLDS = 5
RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # of the mean square of a reading


def traces(corpus: Corpus, readings: Mapping[str, Array]) -> dict[str, dict[str, float]]:
    """R² of ridge regression on artists left out, per reading (n, d) and number; below 0 is worse
    than the mean. Numbers that do not vary are left out."""
    numbers = {
        "log2 pictures": np.log2([len(e.pictures) for e in corpus.entries]),
        "log2 steps": np.log2([e.numbers.steps for e in corpus.entries]),
        "log2 rank": np.log2([e.numbers.rank for e in corpus.entries]),
        "log2 rate": np.log2([e.numbers.lr for e in corpus.entries]),
    }
    return {
        name: {what: r_squared(X, y, corpus.artist) for what, y in numbers.items() if np.ptp(y) > 0}
        for name, X in readings.items()
    }


def r_squared(X: Array, y: Array, groups: Array) -> float:
    """Of predictions for groups that the fit did not see."""
    prediction = cross_predictions(X, y, groups)
    return float(1 - np.square(y - prediction).sum() / np.square(y - y.mean()).sum())


def cross_predictions(X: Array, y: Array, groups: Array) -> Array:
    """Predictions of y (n,) or (n, k) for groups that the fit did not see; the ridge is chosen
    inside each fit. Not a number where there is one group alone."""
    prediction = np.full(y.shape, np.nan)
    fold = groups % FOLDS
    for part in np.unique(fold):
        out = fold == part
        if not out.all():
            prediction[out] = _predict(X[~out], y[~out], groups[~out], X[out])
    return prediction


def compact(X: Array) -> Array:
    """As few numbers as there are rows (n, n), with the same products: all that a ridge sees."""
    if X.shape[1] <= len(X):
        return X
    values, vectors = np.linalg.eigh(X.astype(np.float64) @ X.T)
    return vectors * np.sqrt(values.clip(0))


def _predict(X: Array, y: Array, groups: Array, asked: Array) -> Array:
    inner = (groups // FOLDS) % 2 == 0
    if inner.all() or not inner.any():
        return _ridge(X, y, asked, RIDGES[2])
    errors = [np.square(_ridge(X[inner], y[inner], X[~inner], r) - y[~inner]).sum() for r in RIDGES]
    return _ridge(X, y, asked, RIDGES[int(np.argmin(errors))])


def _ridge(X: Array, y: Array, asked: Array, ridge: float) -> Array:
    mean = X.mean(0)
    spread = np.sqrt(np.square(X - mean).sum(1).mean()) or 1.0
    known, new = ((Z - mean).astype(np.float64) / spread for Z in (X, asked))
    K = known @ known.T + ridge * np.eye(len(known))
    return new @ (known.T @ np.linalg.solve(K, y - y.mean(0))) + y.mean(0)
