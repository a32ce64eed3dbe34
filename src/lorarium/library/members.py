"""The files of one family that may have to do with one, as rows, sketches and weights."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lorarium import formats
from lorarium.adapter import Array
from lorarium.descriptors.sketch import Sketch
from lorarium.errors import LorariumError
from lorarium.library.compare import CUT, NEAR, NEAR_COSINE, SAME, Relation, Weights, compare
from lorarium.library.factored import Factored
from lorarium.library.held import HeldWeights
from lorarium.library.snapshot import FamilySpace, Snapshot
from lorarium.library.spaces import BUILT_IN

SCREENED = 2000  # adapters nearest in either sense, among which relatives are looked for
ONE_SIZE = 0.08  # by how much a sketch may miss the energy that a cut has in common with its whole
KEPT = 64  # files whose factors are kept


@dataclass(frozen=True, eq=False)
class Member:
    """One file: its row and its sketch."""

    row: Mapping[str, Any]
    sketch: Sketch

    @property
    def path(self) -> str:
        return str(self.row["path"])

    @property
    def key(self) -> str:
        """One for files of the same bytes."""
        return str(self.row["id"] or self.path)

    @functools.cached_property
    def norm(self) -> float:
        return float(np.linalg.norm(self.sketch.product.astype(np.float64)))

    @functools.cached_property
    def unit(self) -> Array:
        return (self.sketch.product.astype(np.float64) / (self.norm or 1)).astype(np.float32)

    @property
    def rank(self) -> float:
        return np.inf if self.row["rank"] is None else float(self.row["rank"])

    def cosine(self, other: Member) -> float:
        return float(self.unit @ other.unit)


class Members:
    """All of one family, or those around the one that is asked about when there are very many."""

    def __init__(self, snapshot: Snapshot, family: str) -> None:
        self.snapshot, self.family = snapshot, family
        self.product = snapshot.space(BUILT_IN["product"], family)
        self.held = HeldWeights()
        self._all: list[Member] | None = None
        self._factored: dict[str, Factored] = {}
        self._relations: dict[tuple[str, str], Relation | None] = {}

    def around(self, asked: Member) -> list[Member]:
        """The others; the nearest in either sense, of very many."""
        if self.product.count <= SCREENED:
            if self._all is None:
                self._all = self.of_ids(self.product.ids)
            members = self._all
        else:
            like = self.snapshot.space(BUILT_IN["input"], self.family)
            near = [*_near(self.product, asked.sketch), *_near(like, asked.sketch)]
            members = self.of_ids(list(dict.fromkeys(near)))
        return [m for m in members if m.path != asked.path]

    def of_ids(self, ids: Sequence[str]) -> list[Member]:
        sketches = self.snapshot.sketches(ids)
        files = zip(ids, self.snapshot.rows(ids), strict=True)
        return [Member(row, sketches[id]) for id, rows in files if id in sketches for row in rows]

    def with_print(self, fingerprint: str) -> list[Member]:
        """The files of one fingerprint, the shortest path first."""
        column = self.snapshot.files["fingerprint"].to_pylist()
        ids = self.snapshot.files["id"].to_pylist()
        same = {i for i, mark in zip(ids, column, strict=True) if i and mark == fingerprint}
        members = [m for m in self.of_ids(sorted(same)) if m.row["family"] == self.family]
        return sorted(members, key=lambda m: (len(m.path), m.path))

    def weights(self, member: Member) -> Weights | None:
        """None when the file is gone or is not what it was."""
        if "inode" in member.row:
            return self.held.weights(member.row)
        try:  # a folder that was asked about
            return Weights(formats.read(member.path))
        except (LorariumError, OSError):
            return None

    def factored(self, member: Member) -> Factored | None:
        key = member.key
        if key not in self._factored:
            weights = self.weights(member)
            if weights is None:
                return None
            if len(self._factored) >= KEPT:
                self._factored.pop(next(iter(self._factored)))
            self._factored[key] = Factored(weights.adapter)
        return self._factored[key]

    def copies(self, member: Member) -> list[tuple[Member, Relation]]:
        """Everything that is one adapter with it, or nearly, and what that is to it."""
        relations = [(other, self.relation(member, other)) for other in self.around(member)]
        return [(other, relation) for other, relation in relations if relation is not None]

    def relation(self, a: Member, b: Member) -> Relation | None:
        """What `b` is to `a` by the weights of both; by the sketches where a file is gone."""
        one, two = a.key, b.key
        if (one, two) not in self._relations:
            self._relations[one, two] = relation = self._relation(a, b)
            self._relations[two, one] = None if relation is None else turned(relation)
        return self._relations[one, two]

    def _relation(self, a: Member, b: Member) -> Relation | None:
        if a.row["id"] and a.row["id"] == b.row["id"]:
            return Relation(SAME, 1.0, 0.0)
        if a.row["fingerprint"] and a.row["fingerprint"] == b.row["fingerprint"]:
            return Relation(SAME, 1.0, 0.0)
        if not _worth_comparing(a, b):
            return None
        first, second = self.weights(a), self.weights(b)
        if first is not None and second is not None:
            return compare(first, second)
        c = a.cosine(b)
        if abs(c) < NEAR_COSINE:
            return None
        error = float(np.sqrt(max(0.0, 1 - c * c)))
        return Relation(NEAR, float(np.copysign(b.norm / a.norm, c)), error, checked=False)


def turned(relation: Relation) -> Relation:
    """The same, seen from the other side."""
    cut = {"a": "b", "b": "a", "": ""}[relation.cut]
    factor = 1 / relation.factor if relation.factor else 0.0
    return Relation(relation.name, factor, relation.error, cut, relation.checked)


def _worth_comparing(a: Member, b: Member) -> bool:
    """Near ones; and those of which one can have been cut from the other at its own strength."""
    c = abs(a.cosine(b))
    if c >= NEAR_COSINE - 0.005:
        return True
    small, large = sorted((a, b), key=lambda m: m.norm)
    smaller = small.rank < large.rank or small.row["modules"] < large.row["modules"]
    common = c * large.norm / small.norm if small.norm else 0.0
    return smaller and abs(common - 1) <= ONE_SIZE


def _near(space: FamilySpace, sketch: Sketch) -> Iterable[str]:
    """Ids that are far from having nothing in common, in either sign."""
    full = space.encoder.full(sketch)
    if full is None:  # a bias alone has no input side
        return []
    return [id for q in (full, -full) for id in space.nearest(q, SCREENED // 2).ids]


__all__ = ["CUT", "NEAR", "SAME", "Member", "Members", "turned"]
