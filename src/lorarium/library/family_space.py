"""The vectors of one family under one encoder, as searches read them."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from lorarium.adapter import Array
from lorarium.library.calibrate import Calibration
from lorarium.library.exact import GLANCED, SCREENED, Exact
from lorarium.library.spaces import APPROXIMATE, FINE, TOGETHER, VectorSpace, batches
from lorarium.library.store import VECTOR, vectors_of
from lorarium.library.streamed import Found, Streamed

if TYPE_CHECKING:
    from lorarium.library.snapshot import Snapshot

SAMPLE = 1000  # adapters that stand for all of a space
WHOLE = 1000  # adapters up to which all are compared in full


@dataclass(frozen=True)
class Near:
    """Ids and cosines, best first, and the full vectors behind them."""

    ids: list[str]
    scores: Array
    vectors: Mapping[str, Array]


class FamilySpace:
    """The vectors of one family under one encoder: ids and unit vectors in the same order."""

    def __init__(self, snapshot: Snapshot, encoder: VectorSpace, family: str) -> None:
        self.snapshot, self.encoder = snapshot, encoder
        self.name = encoder.table(family)
        self.count = snapshot.store.count(self.name)
        self.large = self.count >= APPROXIMATE

    @functools.cached_property
    def ids(self) -> list[str]:
        return self.snapshot.store.read(self.name, ["id"])["id"].to_pylist()

    @functools.cached_property
    def stored(self) -> VectorTable:
        """All stored vectors."""
        ids, vectors = self.snapshot.store.vectors(self.name, "id")
        return VectorTable(ids, Exact(vectors))

    @functools.cached_property
    def in_full(self) -> VectorTable:
        """All full vectors."""
        ids: list[str] = []
        vectors = np.zeros((0, 0), np.float32)
        for id, vector in self.each_full(self.ids):
            if not ids:
                vectors = np.empty((self.count, vector.size), np.float32)
            vectors[len(ids)] = vector
            ids.append(id)
        return VectorTable(ids, Exact(vectors[: len(ids)]))

    @property
    def calibration(self) -> Calibration | None:
        return self.snapshot.calibrations.get(self.name)

    @functools.cached_property
    def longer(self) -> bool:
        """Whether full vectors are longer than the stored ones."""
        stored = self.snapshot.store.pick(self.name, "id", self.ids[:1], [VECTOR])
        size = matrix(stored).shape[1]
        return any(vector.size > size for vector in self.full(self.ids[:1]).values())

    def sample(self) -> Iterator[Array]:
        """Full vectors of some adapters, or of all of a small space, in an order at random."""
        ids = sorted(self.ids)
        order = np.random.default_rng(len(ids)).permutation(len(ids))[:SAMPLE]
        chosen = [ids[i] for i in order]
        if self.longer:
            yield from (vector for _, vector in self.each_full(chosen))
        else:
            vectors = self._picked(chosen)
            yield from (vectors[id] for id in chosen)

    def full(self, ids: Sequence[str]) -> dict[str, Array]:
        """The vectors of some adapters in full, from their sketches."""
        return dict(self.each_full(ids))

    def each_full(self, ids: Sequence[str]) -> Iterator[tuple[str, Array]]:
        for some in batches(self.snapshot.each_sketch(ids), TOGETHER):
            vectors = self.encoder.fulls([sketch for _, sketch in some])
            for (id, _), vector in zip(some, vectors, strict=True):
                if vector is not None:
                    yield id, vector

    def nearest(self, query: Array, k: int, allowed: set[str] | None = None) -> Near:
        """The `k` nearest to a full vector."""
        return self._finely(query, k, self._roughly(query, self._first(k), allowed, SCREENED))

    def nearest_of_each(self, queries: Sequence[Array], k: int) -> Iterator[Near]:
        """The same of many, for which stored vectors are read through together and not held."""
        rough = self._roughly_of_each(queries, self._first(k), SCREENED)
        for query, near in zip(queries, rough, strict=True):
            yield self._finely(query, k, near)

    def glance_of_each(self, queries: Sequence[Array], k: int) -> Iterator[Near]:
        """Some of the nearest of many."""
        return self._roughly_of_each(queries, k, GLANCED)

    def _first(self, k: int) -> int:
        return max(k, FINE) if self.longer else k

    def _finely(self, query: Array, k: int, near: Near) -> Near:
        """What was found roughly, in full."""
        ids, scores = near.ids, near.scores
        if self.longer and self.count <= WHOLE:
            return Near(ids[:k], scores[:k], self.in_full.vectors(ids[:k]))
        if not self.longer:
            return Near(ids, scores, near.vectors or self._vectors(ids))
        full = self.full(ids)
        ids = [id for id in ids if id in full]
        scores = np.array([full[id] @ query for id in ids], np.float32)
        order = np.argsort(-scores, kind="stable")[:k]
        return Near([ids[i] for i in order], scores[order], full)

    def screened(self, query: Array, k: int) -> list[str]:
        """Ids of the `k` nearest to a full vector, as far as stored vectors tell."""
        return self._roughly(query, k, None, SCREENED).ids

    def glance(self, query: Array, k: int) -> Near:
        """Some of the nearest, fast."""
        return self._roughly(query, k, None, GLANCED)

    def _roughly(self, query: Array, k: int, allowed: set[str] | None, screened: int) -> Near:
        """The nearest by stored vectors alone, without vectors; in full in a small space."""
        if self.longer and self.count <= WHOLE:
            return Near(*self.in_full.nearest(query, k, allowed), {})
        short = self.encoder.short(query)
        if short is None:
            return Near([], np.zeros(0, np.float32), {})
        if self.large and allowed is None:
            return Near(*self.snapshot.store.nearest(self.name, "id", short, k), {})
        return Near(*self.stored.nearest(short, k, allowed, screened), {})

    def _roughly_of_each(self, queries: Sequence[Array], k: int, screened: int) -> Iterator[Near]:
        if self.large or (self.longer and self.count <= WHOLE):
            yield from (self._roughly(query, k, None, screened) for query in queries)
            return
        shorts = [self.encoder.short(query) for query in queries]
        known = [short for short in shorts if short is not None]
        nearest = iter(self._streamed.nearest(np.stack(known), k, screened) if known else ())
        for short in shorts:
            yield Near([], np.zeros(0, np.float32), {}) if short is None else _near(next(nearest))

    @functools.cached_property
    def _streamed(self) -> Streamed:
        return Streamed(self._blocks, self.count)

    def _blocks(self) -> Iterator[tuple[list[str], Array]]:
        for batch in self.snapshot.store.each(self.name, ["id", VECTOR]):
            yield batch["id"].to_pylist(), vectors_of(batch[VECTOR])

    def _vectors(self, ids: Sequence[str]) -> dict[str, Array]:
        return self._picked(ids) if self.large else self.stored.vectors(ids)

    def _picked(self, ids: Sequence[str]) -> dict[str, Array]:
        rows = self.snapshot.store.pick(self.name, "id", ids, ["id", VECTOR])
        return dict(zip(rows["id"].to_pylist(), matrix(rows).astype(np.float32), strict=True))


def _near(nearest: Found) -> Near:
    return Near(nearest.ids, nearest.scores, dict(zip(nearest.ids, nearest.vectors, strict=True)))


class VectorTable:
    """Vectors in memory, by id."""

    def __init__(self, ids: list[str], exact: Exact) -> None:
        self.ids, self.exact = ids, exact
        self.position = {id: i for i, id in enumerate(ids)}

    def nearest(
        self, query: Array, k: int, allowed: set[str] | None, screened: int = SCREENED
    ) -> tuple[list[str], Array]:
        mask = None if allowed is None else np.array([id in allowed for id in self.ids], bool)
        rows, scores = self.exact.nearest(query, k, mask, screened)
        return [self.ids[row] for row in rows], scores

    def vectors(self, ids: Sequence[str]) -> dict[str, Array]:
        rows = self.exact.vectors[[self.position[id] for id in ids]].astype(np.float32)
        return dict(zip(ids, rows, strict=True))


def matrix(table: pa.Table) -> Array:
    """The vectors of a table (n, d), in half precision."""
    return vectors_of(table[VECTOR])
