"""Figures and how sure they are: error rates, retrieval, paired differences, distances.

Those that scikit-learn or scipy have are theirs (extra `library`), imported when asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


def equal_error_rate(positive: Array, negative: Array) -> float:
    """Where as many true pairs are refused as false ones accepted; scores, higher is nearer."""
    thresholds = np.unique(np.concatenate([positive, negative]))
    refused = np.searchsorted(np.sort(positive), thresholds, side="left") / len(positive)
    accepted = 1 - np.searchsorted(np.sort(negative), thresholds, side="left") / len(negative)
    i = int(np.argmin(np.abs(refused - accepted)))
    return float((refused[i] + accepted[i]) / 2)


def threshold_at(negative: Array, false_accepts: float = 0.05) -> float:
    """The lowest score that at most this share of the negatives reaches."""
    ordered = np.sort(negative)[::-1]
    allowed = int(np.floor(false_accepts * len(ordered)))
    return (
        float(np.nextafter(ordered[allowed], np.inf))
        if allowed < len(ordered)
        else float(ordered[-1])
    )


def recall_at_1(scores: Array, truth: Array) -> float:
    """Share of queries (rows) whose nearest candidate (columns) is the true one."""
    return float((scores.argmax(1) == truth).mean())


def mean_average_precision(scores: Array, relevant: Array) -> float:
    """Mean over queries of the average precision of their ranking; `relevant` is bool (q, c).
    Queries to which nothing is relevant do not count."""
    from sklearn.metrics import label_ranking_average_precision_score

    asked = relevant.any(1)
    if not asked.any():
        return float("nan")
    return float(label_ranking_average_precision_score(relevant[asked], scores[asked]))


def average_precision(scores: Array, relevant: Array) -> Array:
    """Of each query's ranking (q,); nan where nothing is relevant."""
    from sklearn.metrics import average_precision_score

    return np.array([
        average_precision_score(wanted, row) if wanted.any() else np.nan
        for wanted, row in zip(relevant, scores, strict=True)
    ])  # fmt: skip


@dataclass(frozen=True)
class Interval:
    mean: float
    low: float
    high: float


def two_way_bootstrap(
    differences: Array, *, seed: int, rounds: int = 4000, level: float = 0.95
) -> Interval:
    """Mean of paired differences (subjects, styles[, repeats]), both axes drawn anew each round.

    Cells may be missing (nan): a round's mean is over the cells that are there.
    """
    cells = differences
    if cells.ndim > 2:
        cells = np.nanmean(cells.reshape(*cells.shape[:2], -1), axis=2)
    there = ~np.isnan(cells)
    values = np.where(there, cells, 0.0)
    random = np.random.default_rng(seed)
    rows, columns = cells.shape
    u = random.multinomial(rows, np.full(rows, 1 / rows), rounds).astype(float)
    v = random.multinomial(columns, np.full(columns, 1 / columns), rounds).astype(float)
    total = np.einsum("ri,ij,rj->r", u, values, v, optimize=True)
    weight = np.einsum("ri,ij,rj->r", u, there.astype(float), v, optimize=True)
    means = total[weight > 0] / weight[weight > 0]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.sum() / there.sum()), float(low), float(high))


def permutation_null(
    scores: Array, truth: Array, *, seed: int, rounds: int = 1000
) -> tuple[float, float]:
    """Chance level of R@1 (mean over shuffled labels) and the p value of the true labels."""
    random = np.random.default_rng(seed)
    nearest = scores.argmax(1)
    real = float((nearest == truth).mean())
    null = np.array([(nearest == random.permutation(truth)).mean() for _ in range(rounds)])
    return float(null.mean()), float((1 + (null >= real).sum()) / (1 + rounds))


def spearman(a: Array, b: Array) -> float:
    """Correlation of the ranks of two rows; equals share the mean of their ranks."""
    from scipy.stats import spearmanr

    if np.ptp(a) == 0 or np.ptp(b) == 0:  # nothing is in any order
        return float("nan")
    return float(spearmanr(a, b).statistic)


def unbiased_mmd2(x: Array, y: Array, *, bandwidth: float | None = None) -> float:
    """Squared maximum mean discrepancy of two samples of vectors, Gaussian kernel, unbiased
    (Gretton et al. 2012); the default bandwidth is the median distance within y."""
    xx, yy, xy = _squares(x, x), _squares(y, y), _squares(x, y)
    if bandwidth is None:
        bandwidth = float(np.sqrt(np.median(yy[~np.eye(len(y), dtype=bool)])))
    kxx, kyy, kxy = (np.exp(-d / (2 * bandwidth**2)) for d in (xx, yy, xy))
    n, m = len(x), len(y)
    within_x = (kxx.sum() - np.trace(kxx)) / (n * (n - 1))
    within_y = (kyy.sum() - np.trace(kyy)) / (m * (m - 1))
    return float(within_x + within_y - 2 * kxy.mean())


def _squares(x: Array, y: Array) -> Array:
    d = (x**2).sum(1)[:, None] + (y**2).sum(1)[None] - 2 * x @ y.T
    return np.maximum(d, 0)
