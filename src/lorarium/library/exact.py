"""Exact search over unit vectors in memory.

Few vectors are all compared. Of many, the signs of their coordinates are compared first (the
Hamming distance of sign vectors falls as the cosine grows), and only the best by that in full.
"""

from __future__ import annotations

import numpy as np

from lorarium.adapter import Array

AT_ONCE = 2**24  # coordinates that are compared in full anyway: a few milliseconds
ROWS = 2**12  # that are looked at together, where all are
SCREENED = 2000  # candidates of the screening for up to a hundred results
GLANCED = 300  # where a few near ones will do, be they the nearest or not


class Exact:
    """Unit vectors (n, d), in any precision."""

    def __init__(self, vectors: Array) -> None:
        self.vectors = vectors
        self.small = vectors.size <= AT_ONCE
        if self.small:
            self._full = vectors.astype(np.float32, copy=False)
            return
        n = len(vectors)
        self._middle = vectors[:: max(1, n // 1000)].astype(np.float32).mean(axis=0)
        # vectors that all lean to one side would otherwise share most signs
        middle = self._middle.astype(vectors.dtype)
        padded = np.zeros((n, -(-vectors.shape[1] // 64) * 8), np.uint8)
        for i in range(0, n, ROWS):
            signs = np.packbits(vectors[i : i + ROWS] > middle, axis=1)
            padded[i : i + ROWS, : signs.shape[1]] = signs
        self._signs = np.ascontiguousarray(padded.view(np.uint64).T)

    def __len__(self) -> int:
        return len(self.vectors)

    def scores(self, query: Array, rows: Array | None = None) -> Array:
        """Cosines with all vectors, or with those rows."""
        if rows is not None:
            return self.vectors[rows].astype(np.float32) @ query
        if self.small:
            return self._full @ query
        parts = [self.vectors[i : i + ROWS] for i in range(0, len(self), ROWS)]
        return np.concatenate([part.astype(np.float32) @ query for part in parts])

    def nearest(
        self, query: Array, k: int, allowed: Array | None = None, screened: int = SCREENED
    ) -> tuple[Array, Array]:
        """Rows and cosines of the `k` nearest, best first; `allowed` (n,) bool limits them."""
        rows = None if allowed is None else np.flatnonzero(allowed)
        screen_size = max(screened, 20 * k)
        few = self.small or 4 * screen_size > len(self)
        if not few and (rows is None or len(rows) > screen_size):
            rows = self._screen(query, screen_size, rows)
        scores = self.scores(query, rows)
        if rows is None:
            rows = np.arange(len(self))
        best = np.argsort(-scores, kind="stable") if len(rows) <= k else _top(scores, k)
        return rows[best], scores[best]

    def _screen(self, query: Array, count: int, rows: Array | None) -> Array:
        signs = np.zeros(8 * len(self._signs), np.uint8)
        packed = np.packbits(query > self._middle)
        signs[: len(packed)] = packed
        distance = np.zeros(len(self), np.uint16)
        for column, word in zip(self._signs, signs.view(np.uint64), strict=True):
            distance += np.bitwise_count(column ^ word)
        if rows is None:
            return np.argpartition(distance, count)[:count]
        return rows[np.argpartition(distance[rows], count)[:count]]


def _top(scores: Array, k: int) -> Array:
    best = np.argpartition(-scores, k)[:k]
    return best[np.argsort(-scores[best], kind="stable")]
