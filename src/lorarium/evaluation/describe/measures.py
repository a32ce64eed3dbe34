"""Figures of vectors: retrieval, clusters, and whether two maps have the same structure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lorarium.adapter import Array
from lorarium.descriptors.gram import Axes, centred, unit
from lorarium.descriptors.styles import centroids
from lorarium.errors import LorariumError
from lorarium.evaluation.describe.rows import Placed
from lorarium.evaluation.statistics import average_precision

NEIGHBOURS = 10


class Retrieval(NamedTuple):
    """One number a query: was the nearest of its artist, the average precision, was the nearest
    few-shot centroid its artist's, was the nearest of its own group its artist's (nan where the
    group has one artist). `nearest` (queries, artists) are the best scores of each artist."""

    hit: Array
    precision: Array
    centroid: Array
    within: Array
    nearest: Array


def retrieval(placed: Placed, gallery: Array, truth: Array, groups: Array, count: int) -> Retrieval:
    """`gallery` (n,) and `truth` (q,) are artists below `count`; `groups` (count,) theirs."""
    scores, tags = placed.scores(), gallery[placed.members]
    best = np.full((len(truth), count), -np.inf)
    for artist in np.unique(tags):
        best[:, artist] = scores[:, tags == artist].max(1)
    names, means = centroids(placed.gallery, tags.tolist())
    near = np.array(names)[(unit(placed.queries) @ means.T).argmax(1)]
    same = groups[None] == groups[truth][:, None]
    inside = np.where(same, best, -np.inf)
    rivals = (same & np.isin(np.arange(count), tags)).sum(1) > 1
    within = np.where(rivals, inside.argmax(1) == truth, np.nan)
    return Retrieval(
        (best.argmax(1) == truth).astype(float),
        average_precision(scores, tags[None] == truth[:, None]),
        (near == truth).astype(float),
        within,
        best,
    )


def distances(placed: Placed) -> Array:
    """(n, n) of the gallery: 1 - cosine, or Euclidean."""
    if placed.metric == "cosine":
        X = unit(placed.gallery).astype(np.float64)
        matrix = 1 - X @ X.T
    else:
        X = placed.gallery.astype(np.float64)
        squares = np.square(X).sum(1)
        matrix = np.sqrt(np.maximum(squares[:, None] + squares - 2 * X @ X.T, 0))
    matrix = np.maximum(matrix, 0)
    np.fill_diagonal(matrix, 0)
    return matrix


def clusters(placed: Placed, labels: Array, *, seed: int) -> dict[str, float]:
    """Agreement of k-means and of average-linkage clusters with labels, k known; silhouette."""
    from sklearn.cluster import AgglomerativeClustering, KMeans
    from sklearn.metrics import (
        adjusted_rand_score,
        normalized_mutual_info_score,
        silhouette_score,
    )

    k, n = len(np.unique(labels)), len(labels)
    if not 2 <= k < n:
        return {}
    X = unit(placed.gallery) if placed.metric == "cosine" else placed.gallery
    X = X.astype(np.float64)
    if X.shape[1] > n:  # the same distances in fewer numbers
        X = Axes.fit(X @ X.T).coordinates
    if len(np.unique(X, axis=0)) < k:
        return {}
    apart = distances(placed)
    means = KMeans(k, n_init=10, random_state=seed).fit_predict(X)
    linked = AgglomerativeClustering(k, metric="precomputed", linkage="average").fit_predict(apart)
    figures = {"silhouette": float(silhouette_score(apart, labels, metric="precomputed"))}
    for name, assignment in (("k-means", means), ("linkage", linked)):
        figures[f"ari {name}"] = float(adjusted_rand_score(labels, assignment))
        figures[f"nmi {name}"] = float(normalized_mutual_info_score(labels, assignment))
    return figures


def structure(a: Placed, b: Placed, *, seed: int, rounds: int = 499) -> dict[str, float]:
    """How alike two maps of the same adapters are: Mantel's correlation of their distances and
    its p value, linear CKA, and the share of nearest neighbours that they have in common."""
    if len(a.gallery) != len(b.gallery):
        raise LorariumError("two maps of different adapters do not compare")
    first, second = distances(a), distances(b)
    correlation, p = mantel(first, second, seed=seed, rounds=rounds)
    count = min(NEIGHBOURS, (len(first) - 1) // 2)
    return {
        "mantel": correlation,
        "mantel p": p,
        "cka": linear_cka(a.gallery, b.gallery),
        "neighbours": overlap(first, second, count),
        "neighbours by chance": count / (len(first) - 1),
    }


def mantel(a: Array, b: Array, *, seed: int, rounds: int = 499) -> tuple[float, float]:
    """Correlation of the entries above the diagonals, and its p value under relabelling."""
    random = np.random.default_rng(seed)
    upper = np.triu_indices(len(a), 1)
    x = _standard(a[upper])
    real = float(x @ _standard(b[upper]))
    null = []
    for _ in range(rounds):
        order = random.permutation(len(b))
        null.append(float(x @ _standard(b[np.ix_(order, order)][upper])))
    return real, (1 + sum(value >= real for value in null)) / (1 + rounds)


def linear_cka(X: Array, Y: Array) -> float:
    """Centred kernel alignment (Kornblith et al. 2019, arXiv 1905.00414) of linear kernels."""
    K, L = (centred(Z @ Z.T) for Z in (X.astype(np.float64), Y.astype(np.float64)))
    size = np.linalg.norm(K) * np.linalg.norm(L)
    return float((K * L).sum() / size) if size else 0.0


def overlap(a: Array, b: Array, count: int) -> float:
    """Share of each adapter's nearest `count` others that both distances name."""
    hits = 0
    near = [np.argsort(d + np.diag(np.full(len(d), np.inf)), axis=1)[:, :count] for d in (a, b)]
    for first, second in zip(*near, strict=True):
        hits += len(set(first.tolist()) & set(second.tolist()))
    return hits / (len(a) * count) if count else 0.0


def _standard(x: Array) -> Array:
    x = x - x.mean()
    size = np.linalg.norm(x)
    return x / size if size else x
