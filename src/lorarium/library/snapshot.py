"""One state of a library, read into memory as far as questions need it."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa

from lorarium.adapter import Array
from lorarium.descriptors.sketch import Sketch
from lorarium.errors import LorariumError
from lorarium.library.calibrate import ROW, TABLE, Calibration, from_rows
from lorarium.library.exact import GLANCED, SCREENED, Exact
from lorarium.library.file_rows import read_files
from lorarium.library.schema import FACTS
from lorarium.library.spaces import (
    APPROXIMATE,
    AT_ONCE,
    FILES,
    FINE,
    TOGETHER,
    VectorSpace,
    batches,
    decode_sketch,
)
from lorarium.library.store import PLACE, VECTOR, Store, vectors_of
from lorarium.library.text_index import TextIndex
from lorarium.library.where import Mask, as_mask

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
            yield from self._vectors(chosen).values()

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
        near = self._roughly(query, max(k, FINE) if self.longer else k, allowed, SCREENED)
        ids, scores = near.ids, near.scores
        if self.longer and self.count <= WHOLE:
            return Near(ids[:k], scores[:k], self.in_full.vectors(ids[:k]))
        if not self.longer:
            return Near(ids, scores, self._vectors(ids))
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

    def _vectors(self, ids: Sequence[str]) -> dict[str, Array]:
        if not self.large:
            return self.stored.vectors(ids)
        rows = self.snapshot.store.pick(self.name, "id", ids, ["id", VECTOR])
        return dict(zip(rows["id"].to_pylist(), matrix(rows).astype(np.float32), strict=True))


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


class Snapshot:
    """Files and vector spaces as they were when they were first asked for."""

    def __init__(self, store: Store, encoders: Mapping[str, VectorSpace]) -> None:
        self.store, self.encoders = store, encoders
        self.tables = store.names()
        self._spaces: dict[str, FamilySpace] = {}
        self.searchers: dict[str, Any] = {}  # of `lineage`, by family; they go when this goes

    @functools.cached_property
    def texts(self) -> TextIndex:
        if FILES not in self.tables:
            self._empty()
        return TextIndex(self.store)

    @functools.cached_property
    def _files(self) -> pa.Table:
        if FILES not in self.tables:
            self._empty()
        return read_files(self.store).sort_by("path")

    @functools.cached_property
    def files(self) -> pa.Table:
        """One row for each file, by path."""
        return self._files.select(FACTS)

    @functools.cached_property
    def calibrations(self) -> dict[str, Calibration]:
        if TABLE not in self.tables:
            return {}
        return from_rows(self.store.read(TABLE, ROW.names))

    def _empty(self) -> NoReturn:
        hint = "lorarium index FOLDER puts files into it"
        raise LorariumError("the library is empty", where=str(self.store.home), hint=hint)

    @functools.cached_property
    def of_content(self) -> dict[str, list[int]]:
        """Rows of `files` by content id."""
        rows_of_id: dict[str, list[int]] = {}
        for row, id in enumerate(self.files["id"].to_pylist()):
            if id:
                rows_of_id.setdefault(id, []).append(row)
        return rows_of_id

    def families(self) -> Counter[str]:
        columns = self.files.select(["family", "described"]).to_pydict()
        pairs = zip(columns["family"], columns["described"], strict=True)
        return Counter(family for family, described in pairs if described)

    def mask(self, where: str | Mask) -> pa.Array:
        return pa.array(as_mask(where)(self.files))

    def allowed(self, where: str | Mask | None) -> set[str] | None:
        """The contents that a filter lets through."""
        if where is None:
            return None
        return set(self.files["id"].filter(self.mask(where)).to_pylist()) - {""}

    def rows(
        self, ids: Sequence[str], columns: Sequence[str] = FACTS
    ) -> list[list[dict[str, Any]]]:
        """For each content the rows of its files; none for one that is in no file any more."""
        rows_of_ids = [self.of_content.get(id, []) for id in ids]
        flat = pa.array([row for rows in rows_of_ids for row in rows], pa.int64())
        facts = iter(self.files.select(list(columns)).take(flat).to_pylist())
        return [[next(facts) for _ in rows] for rows in rows_of_ids]

    def space(self, encoder: VectorSpace, family: str) -> FamilySpace:
        """The vectors of a family; `index` must have filled them."""
        name = encoder.table(family)
        if name not in self.tables:
            raise LorariumError(
                f"nothing of the family {family} has {encoder.name} vectors yet",
                where=str(self.store.home),
                hint="run `lorarium index` again on a folder of it",
            )
        if name not in self._spaces:
            self._spaces[name] = FamilySpace(self, encoder, family)
        return self._spaces[name]

    def need_family(self, family: str) -> None:
        """Refuse a family that the library has nothing of."""
        known = self.families()
        if not known:
            self._empty()
        if family not in known:
            have = ", ".join(f"{count} {name}" for name, count in known.most_common())
            raise LorariumError(
                f"this is of the family {family}, of which the library has nothing",
                hint=f"it has {have}; adapters of different base models do not compare",
            )

    def sketches(self, ids: Sequence[str]) -> dict[str, Sketch]:
        """The sketches of some contents; those without a usable one are left out."""
        return dict(self.each_sketch(ids))

    def each_sketch(self, ids: Iterable[str]) -> Iterator[tuple[str, Sketch]]:
        """The same one by one, where all together would be too many."""
        for id, data in self.sketch_bytes(ids):
            sketch = decode_sketch(data)
            if sketch is not None:
                yield id, sketch

    def sketch_bytes(self, ids: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """As they are stored, a few at a time."""
        known = (id for id in dict.fromkeys(ids) if id in self.of_content)
        for some in batches(known, AT_ONCE):
            rows = pa.array([self.of_content[id][0] for id in some], pa.int64())
            places = self._files[PLACE].take(rows).to_pylist()
            column = self.store.at(FILES, places, ["sketch"])["sketch"]
            for id, data in zip(some, column, strict=True):
                if data.is_valid:
                    yield id, data.as_py()
