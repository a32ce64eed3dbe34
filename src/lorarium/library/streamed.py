"""Exact search for many queries at once in vectors that are read block by block: none are held but
the best. What it finds is what `Exact` finds."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from lorarium.adapter import Array
from lorarium.library.exact import AT_ONCE, SCREENED, STANDING_FOR_ALL, best_rows, packed_signs

Block = tuple[Sequence[str], Array]  # ids and their unit vectors (n, d)


@dataclass
class Found:
    """The nearest of one query so far, best first."""

    ids: list[str] = field(default_factory=list)
    scores: Array = field(default_factory=lambda: np.zeros(0, np.float32))
    vectors: list[Array] = field(default_factory=list)

    def add(self, ids: Sequence[str], vectors: Array, scores: Array, k: int) -> None:
        best = best_rows(scores, k)
        ids = [*self.ids, *(ids[row] for row in best)]
        rows = [*self.vectors, *(vectors[row].copy() for row in best)]
        scores = np.concatenate([self.scores, scores[best]])
        order = np.argsort(-scores, kind="stable")[:k]
        self.ids, self.vectors = [ids[i] for i in order], [rows[i] for i in order]
        self.scores = scores[order]


class Streamed:
    """`count` unit vectors that `blocks` reads from the start each time, in one order."""

    def __init__(self, blocks: Callable[[], Iterator[Block]], count: int) -> None:
        self.blocks, self.count = blocks, count

    def nearest(self, queries: Array, k: int, screened: int = SCREENED) -> list[Found]:
        """Of each of the queries (q, d)."""
        nearest = [Found() for _ in queries]
        size = max(screened, 20 * k)
        few = self.count * queries.shape[1] <= AT_ONCE or 4 * size > self.count
        rows_of_queries = None if few else self._screen(queries, size)
        start = 0
        for ids, vectors in self.blocks():
            wide = vectors.astype(np.float32)
            for i, query in enumerate(queries):
                if rows_of_queries is None:
                    nearest[i].add(ids, wide, wide @ query, k)
                    continue
                low, high = np.searchsorted(rows_of_queries[i], [start, start + len(ids)])
                rows = rows_of_queries[i][low:high] - start
                some = wide[rows]
                nearest[i].add([ids[row] for row in rows], some, some @ query, k)
            start += len(ids)
        return nearest

    @functools.cached_property
    def _middle(self) -> Array:
        step = max(1, self.count // STANDING_FOR_ALL)
        some, start = [], 0
        for ids, vectors in self.blocks():
            some.append(vectors[-start % step :: step].copy())
            start += len(ids)
        return np.concatenate(some).astype(np.float32).mean(axis=0)

    def _screen(self, queries: Array, size: int) -> list[Array]:
        """Of each query the rows that share most signs with it, in order."""
        signs = packed_signs(queries, self._middle)
        kept = [(np.zeros(0, np.uint16), np.zeros(0, np.int64)) for _ in queries]
        start = 0
        for ids, vectors in self.blocks():
            theirs = packed_signs(vectors, self._middle)
            rows = np.arange(start, start + len(ids))
            for i, ours in enumerate(signs):
                distance = np.bitwise_count(theirs ^ ours).sum(axis=1, dtype=np.uint16)
                distances = np.concatenate([kept[i][0], distance])
                all_rows = np.concatenate([kept[i][1], rows])
                if len(all_rows) > size:
                    best = np.argpartition(distances, size)[:size]
                    distances, all_rows = distances[best], all_rows[best]
                kept[i] = distances, all_rows
            start += len(ids)
        return [np.sort(rows) for _, rows in kept]
