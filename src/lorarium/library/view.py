"""One state of a library, read into memory as far as questions need it."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from lorarium.adapter import Array
from lorarium.describe.sketch import Sketch
from lorarium.errors import LorariumError
from lorarium.library.calibrate import Calibration, calibrate
from lorarium.library.exact import Exact
from lorarium.library.schema import FACTS
from lorarium.library.spaces import APPROXIMATE, FILES, Encoder, read_sketches
from lorarium.library.store import VECTOR, Store
from lorarium.library.where import where as parse

SAMPLE = 2000  # rows that stand for all of a space in statistics


class Space:
    """The vectors of one family under one encoder: ids and unit vectors in the same order."""

    def __init__(self, store: Store, name: str) -> None:
        self.store, self.name = store, name
        self.count = store.count(name)
        self.large = self.count >= APPROXIMATE

    @functools.cached_property
    def _table(self) -> pa.Table:
        return self.store.read(self.name, ["id", VECTOR])

    @functools.cached_property
    def ids(self) -> list[str]:
        return self._table["id"].to_pylist()

    @functools.cached_property
    def position(self) -> dict[str, int]:
        return {id: i for i, id in enumerate(self.ids)}

    @functools.cached_property
    def exact(self) -> Exact:
        return Exact(matrix(self._table))

    @functools.cached_property
    def calibration(self) -> Calibration:
        return calibrate(self.sample, self.count, self.nearest)

    @functools.cached_property
    def sample(self) -> Array:
        """Rows at random, or all of a small space, in an order at random; single precision."""
        size = min(self.count, SAMPLE)
        rows = np.random.default_rng(self.count).permutation(self.count)[:size]
        if self.large:
            table = self.store.sample(self.name, rows.tolist(), [VECTOR])
            return matrix(table).astype(np.float32)
        return self.exact.vectors[rows].astype(np.float32)

    @functools.cached_property
    def mean(self) -> Array:
        return self.sample.mean(axis=0)

    def vector(self, id: str) -> Array:
        """One of the vectors."""
        if self.large:
            return matrix(self.store.pick(self.name, "id", [id], [VECTOR]))[0].astype(np.float32)
        return self.exact.vectors[self.position[id]].astype(np.float32)

    def nearest(
        self, query: Array, k: int, allowed: set[str] | None = None
    ) -> tuple[list[str], Array]:
        """Ids and cosines of the `k` nearest, best first."""
        if self.large and allowed is None:
            return self.store.nearest(self.name, "id", query, k)
        mask = None if allowed is None else np.array([id in allowed for id in self.ids], bool)
        rows, scores = self.exact.nearest(query, k, mask)
        return [self.ids[row] for row in rows], scores


def matrix(table: pa.Table) -> Array:
    """The vectors of a table (n, d), in half precision."""
    column = table[VECTOR].combine_chunks()
    return column.flatten().to_numpy(zero_copy_only=False).reshape(len(table), -1)


class View:
    """Files and vector spaces as they were when they were first asked for."""

    def __init__(self, store: Store, encoders: Mapping[str, Encoder]) -> None:
        self.store, self.encoders = store, encoders
        self.tables = store.names()
        self._spaces: dict[str, Space] = {}

    @functools.cached_property
    def files(self) -> pa.Table:
        """One row for each file, by path."""
        if FILES not in self.tables:
            return self._empty()
        return self.store.read(FILES, FACTS).sort_by("path")

    def _empty(self) -> pa.Table:
        hint = "lorarium index FOLDER puts files into it"
        raise LorariumError("the library is empty", where=str(self.store.folder.parent), hint=hint)

    @functools.cached_property
    def of_content(self) -> dict[str, list[int]]:
        """Rows of `files` by content id."""
        found: dict[str, list[int]] = {}
        for row, id in enumerate(self.files["id"].to_pylist()):
            if id:
                found.setdefault(id, []).append(row)
        return found

    def families(self) -> Counter[str]:
        columns = self.files.select(["family", "described"]).to_pydict()
        pairs = zip(columns["family"], columns["described"], strict=True)
        return Counter(family for family, described in pairs if described)

    def mask(self, expression: str) -> pa.Array:
        return pa.array(parse(expression)(self.files))

    def allowed(self, expression: str | None) -> set[str] | None:
        """The contents that a filter lets through."""
        if expression is None:
            return None
        return set(self.files["id"].filter(self.mask(expression)).to_pylist()) - {""}

    def rows(self, ids: Sequence[str]) -> list[list[dict[str, Any]]]:
        """For each content the rows of its files; none for one that is in no file any more."""
        wanted = [self.of_content.get(id, []) for id in ids]
        flat = pa.array([row for rows in wanted for row in rows], pa.int64())
        facts = iter(self.files.take(flat).to_pylist())
        return [[next(facts) for _ in rows] for rows in wanted]

    def space(self, encoder: Encoder, family: str) -> Space:
        """The vectors of a family; `index` must have filled them."""
        name = encoder.table(family)
        if name not in self.tables:
            raise LorariumError(
                f"nothing of the family {family} has {encoder.name} vectors yet",
                where=str(self.store.folder.parent),
                hint="run `lorarium index` again on a folder of it",
            )
        if name not in self._spaces:
            self._spaces[name] = Space(self.store, name)
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
        return dict(read_sketches(self.store, ids))
