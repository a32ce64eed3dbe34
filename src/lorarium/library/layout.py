"""Places in the plane: near ones together, each family in a square of its own.

Only within a family do distances mean anything.
"""

from __future__ import annotations

import importlib.util
import logging
import math
import warnings
from collections.abc import Sequence

import numpy as np

from lorarium.adapter import Array

FEWEST = 200  # points from which PaCMAP, which takes its time to start, is worth it
MOST = 50_000  # points that are laid out; others stand between their neighbours
GAP = 0.12


def places(vectors: Array, seed: int = 0) -> tuple[Array, str]:
    """Unit vectors (n, d) -> (n, 2) within [0, 1], and how: PaCMAP where installed, or PCA."""
    n = len(vectors)
    if n < 3:
        return np.array([[0.5, 0.5], [0.3, 0.5]])[:n], "by hand"
    if n >= FEWEST and importlib.util.find_spec("pacmap"):
        return _fitted(_pacmap(vectors, seed)), "PaCMAP"
    centred = vectors - vectors.mean(axis=0)
    U, S, _ = np.linalg.svd(centred, full_matrices=False)
    axes = U[:, :2] * S[:2]
    axes *= np.where(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])] < 0, -1, 1)
    return _fitted(axes), "PCA"


def _pacmap(vectors: Array, seed: int) -> Array:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own and numba's, about threads and seeds
        import pacmap

        logging.getLogger("pacmap").setLevel(logging.ERROR)  # it warns that there is a seed
        rng = np.random.default_rng(seed)
        n = len(vectors)
        some = np.sort(rng.choice(n, MOST, replace=False)) if n > MOST else np.arange(n)
        model = pacmap.PaCMAP(n_components=2, random_state=seed, apply_pca=True, verbose=False)
        positions = np.asarray(model.fit_transform(vectors[some]), np.float64)
    placed = np.zeros((n, 2))
    placed[some] = positions
    rest = np.setdiff1d(np.arange(n), some)
    for start in range(0, len(rest), 512):
        part = rest[start : start + 512]
        scores = vectors[part] @ vectors[some].T
        near = np.argpartition(-scores, 3, axis=1)[:, :3]
        placed[part] = positions[near].mean(axis=1)
    return placed


def _fitted(points: Array) -> Array:
    """Into the unit square, one scale for both axes."""
    low, high = points.min(axis=0), points.max(axis=0)
    size = float((high - low).max()) or 1.0
    return 0.5 + (points - (low + high) / 2) / size


def squares(counts: Sequence[int]) -> list[tuple[float, float, float]]:
    """Corner and side of a square for each family, in rows, sides as the root of the counts."""
    sides = [math.sqrt(count) for count in counts]
    width = 1.6 * math.sqrt(sum(side**2 for side in sides))
    corners = []
    x = y = height = 0.0
    for side in sides:
        if x and x + side > width:
            x, y, height = 0.0, y + height, 0.0
        corners.append((x, y, side * (1 - GAP)))
        x, height = x + side, max(height, side * (1 + GAP))
    return corners
