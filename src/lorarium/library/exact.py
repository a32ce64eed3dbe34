"""Exact search over unit vectors in memory.

Few vectors are all compared. Of many, the signs of their coordinates are compared first (the
Hamming distance of sign vectors falls as the cosine grows), and only the best by that in full.
"""

from __future__ import annotations

import numpy as np

from lorarium.adapter import Array

AT_ONCE = 2**24  # coordinates that are compared in full anyway: a few milliseconds
ROWS = 2**12  # that are looked at together, where all are
STANDING_FOR_ALL = 1000  # vectors whose mean is taken for that of all
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
        step = max(1, n // STANDING_FOR_ALL)
        # vectors that all lean to one side would otherwise share most signs
        self._middle = vectors[::step].astype(np.float32).mean(axis=0)
        parts = [packed_signs(vectors[i : i + ROWS], self._middle) for i in range(0, n, ROWS)]
        self._signs = np.ascontiguousarray(np.concatenate(parts).T)

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
        best = best_rows(scores, k)
        return rows[best], scores[best]

    def _screen(self, query: Array, count: int, rows: Array | None) -> Array:
        distance = np.zeros(len(self), np.uint16)
        signs = packed_signs(query[None], self._middle)[0]
        for column, word in zip(self._signs, signs, strict=True):
            distance += np.bitwise_count(column ^ word)
        if rows is None:
            return np.argpartition(distance, count)[:count]
        return rows[np.argpartition(distance[rows], count)[:count]]


def packed_signs(vectors: Array, middle: Array) -> Array:
    """On which side of the middle the coordinates of vectors (n, d) are, as (n, d / 64) words."""
    signs = np.packbits(vectors > middle.astype(vectors.dtype), axis=1)
    padded = np.zeros((len(vectors), -(-vectors.shape[1] // 64) * 8), np.uint8)
    padded[:, : signs.shape[1]] = signs
    return padded.view(np.uint64)


def best_rows(scores: Array, k: int) -> Array:
    """The `k` best, or all, best first."""
    if len(scores) <= k:
        return np.argsort(-scores, kind="stable")
    best = np.argpartition(-scores, k)[:k]
    return best[np.argsort(-scores[best], kind="stable")]
