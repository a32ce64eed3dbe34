"""The files of one family that may have to do with one, as rows, sketches and weights."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lorarium import formats
from lorarium.adapter import Array
from lorarium.errors import LorariumError
from lorarium.library.arrow import pc
from lorarium.library.calibrate import FEWEST, chance
from lorarium.library.compare import CUT, NEAR, NEAR_COSINE, SAME, Relation, Weights, compare
from lorarium.library.factored import Factored
from lorarium.library.family_space import FamilySpace
from lorarium.library.held import HeldWeights
from lorarium.library.member_sketches import MemberSketch, MemberSketches, member_sketch
from lorarium.library.recent import Recent
from lorarium.library.schema import SIGNATURE
from lorarium.library.snapshot import Snapshot
from lorarium.library.spaces import BUILT_IN, unit

SCREENED = 2000  # adapters nearest in either sense, by weights and by their start, that are seen
SKETCHES = 3 * SCREENED  # that are held: those around one file, and around one of them
ONE_SIZE = 0.08  # by how much a sketch may miss the energy that a cut has in common with its whole
KEPT, NUMBERS = 64, 2**26  # files whose factors are kept, and what these hold: 256 MB
NEIGHBOURHOODS, COPIES, RELATIONS = 4, 4000, 100_000  # answers that are remembered
# what descent asks of a row; words and tags are most of it and are left in the table
COLUMNS = (
    *("path", "id", "family", "fingerprint", "payload_sha256", *SIGNATURE),
    *("dialect", "dtype", "modules", "rank", "steps"),
)


@dataclass(frozen=True, eq=False)
class Member:
    """One file: its row, and its sketch, which is held elsewhere: there are many of them."""

    row: Mapping[str, Any]
    find_sketch: Callable[[], MemberSketch]

    @property
    def path(self) -> str:
        return str(self.row["path"])

    @property
    def key(self) -> str:
        """One for files of the same bytes."""
        return str(self.row["id"] or self.path)

    @property
    def sketch(self) -> MemberSketch:
        return self.find_sketch()

    @property
    def norm(self) -> float:
        return self.sketch.norm

    @property
    def unit(self) -> Array:
        return self.sketch.unit

    @property
    def rank(self) -> float:
        return np.inf if self.row["rank"] is None else float(self.row["rank"])

    def cosine(self, other: Member) -> float:
        return self.sketch.cosine(other.sketch)

    def start_cosine(self, other: Member) -> float:
        return self.sketch.start_cosine(other.sketch)


class Members:
    """All of one family, or those around the one that is asked about when there are very many."""

    def __init__(self, snapshot: Snapshot, family: str) -> None:
        self.snapshot, self.family = snapshot, family
        self.product = snapshot.space(BUILT_IN["product"], family)
        self.held = HeldWeights()
        self.sketches = MemberSketches(snapshot, SKETCHES)
        self._around: Recent[tuple[str, str], list[Member]] = Recent(NEIGHBOURHOODS)
        self._copies: Recent[tuple[str, str], list[tuple[Member, Relation]]]
        self._copies = Recent(COPIES)
        self._factored: Recent[str, Factored] = Recent(KEPT)
        self._relations: Recent[tuple[str, str], Relation | None] = Recent(RELATIONS)

    def outside(self, row: Mapping[str, Any]) -> Member:
        """A file that is asked about, in the library or not, by a row with its sketch."""
        sketch = member_sketch(row["sketch"])
        return Member(row, lambda: sketch)

    def around(self, asked: Member) -> list[Member]:
        """The others; the nearest in either sense, of very many."""
        few = self.product.count <= SCREENED
        key = ("", "") if few else (asked.path, asked.key)
        if key not in self._around:
            self._around[key] = self.of_ids(self.product.ids if few else self._near(asked))
        return [m for m in self._around[key] if m.path != asked.path]

    def _near(self, asked: Member) -> list[str]:
        like = self.snapshot.space(BUILT_IN["input"], self.family)
        start = unit(asked.sketch.start.astype(np.float32))
        near = [*_near(self.product, unit(asked.unit)), *_near(like, start)]
        return list(dict.fromkeys(near))

    def of_ids(self, ids: Sequence[str]) -> list[Member]:
        usable = self.sketches.load(ids)
        known = [id for id in ids if id in usable]
        rows_of_ids = zip(known, self.snapshot.rows(known, COLUMNS), strict=True)
        return [
            Member(row, functools.partial(self.sketches.__getitem__, id))
            for id, rows in rows_of_ids
            for row in rows
        ]

    def with_print(self, fingerprint: str) -> list[Member]:
        """The files of one fingerprint, the shortest path first."""
        files = self.snapshot.files
        same = files["id"].filter(
            pc.and_(
                pc.equal(files["fingerprint"], fingerprint), pc.equal(files["family"], self.family)
            )
        )
        members = self.of_ids(sorted(set(same.to_pylist()) - {""}))
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
            self._factored[key] = Factored(weights.adapter)
            while sum(known.numbers for known in self._factored.values()) > NUMBERS:
                self._factored.popitem(last=False)
        return self._factored[key]

    def common(self, member: Member) -> float:
        """The mean cosine of a member with the library; where few are here, nothing is common."""
        known = self.product.calibration
        if known is None or known.count < FEWEST or not member.norm:
            return 0.0
        return max(0.0, float(known.mean @ member.unit))

    def chance(self, a: Member, b: Member) -> float:
        """The cosine that two strangers hardly have: of very many some come near each other."""
        known = self.product.calibration
        if known is None:
            return 0.0
        return chance(a.unit, b.unit, known.mean, self.product.count) or 0.0

    def copies(self, member: Member) -> list[tuple[Member, Relation]]:
        """Everything that is one adapter with it, or nearly, and what that is to it."""
        key = member.path, member.key
        if key not in self._copies:
            pairs = ((other, self.relation(member, other)) for other in self.around(member))
            self._copies[key] = [(m, r) for m, r in pairs if r is not None]
        return self._copies[key]

    def relation(self, a: Member, b: Member) -> Relation | None:
        """What `b` is to `a` by the weights of both; by the sketches where a file is gone."""
        if _is_same(a, b):
            return Relation(SAME, 1.0, 0.0)
        if not _worth_comparing(a, b):
            return None
        one, two = a.key, b.key
        if (one, two) not in self._relations:
            self._relations[one, two] = relation = self._relation(a, b)
            self._relations[two, one] = None if relation is None else turned(relation)
        return self._relations[one, two]

    def _relation(self, a: Member, b: Member) -> Relation | None:
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


def _is_same(a: Member, b: Member) -> bool:
    return any(a.row[name] and a.row[name] == b.row[name] for name in ("id", "fingerprint"))


def _worth_comparing(a: Member, b: Member) -> bool:
    """Near ones; and those of which one can have been cut from the other at its own strength."""
    c = abs(a.cosine(b))
    if c >= NEAR_COSINE - 0.005:
        return True
    small, large = sorted((a, b), key=lambda m: m.norm)
    smaller = small.rank < large.rank or small.row["modules"] < large.row["modules"]
    common = c * large.norm / small.norm if small.norm else 0.0
    return smaller and abs(common - 1) <= ONE_SIZE


def _near(space: FamilySpace, vector: Array | None) -> Iterable[str]:
    """Ids that are far from having nothing in common, in either sign."""
    if vector is None:  # a bias alone has no input side
        return []
    return [id for q in (vector, -vector) for id in space.screened(q, SCREENED // 2)]


__all__ = ["CUT", "NEAR", "SAME", "Member", "Members", "turned"]
