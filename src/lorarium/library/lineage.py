"""Where an adapter comes from: copies, its run, what it was merged from, what shares its start.

Copies are decided by `compare`, merges by `origins`; the rest by cosines of sketches. The input
side says what the random start was: A begins at random and moves little, so a common row space
means the same trainer and seed, whatever was learned.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lorarium.descriptors.sketch import Sketch, input_similarity
from lorarium.library.calibrate import FEWEST
from lorarium.library.compare import CUT, NEAR, Relation
from lorarium.library.duplicates import changes_between
from lorarium.library.members import Member, Members, turned
from lorarium.library.origin import Origin, Origins
from lorarium.library.origins import Searcher
from lorarium.library.parents import LIKELY, ROUNDING, SURE, UNKNOWN
from lorarium.library.possible import COUNTS
from lorarium.library.snapshot import Snapshot
from lorarium.library.subject import subject
from lorarium.remote import RemotePath

RELATED = 0.3  # least cosine of ΔW of one run, above what all of the library has in common
LEAST = 0.04  # cosine with a merge of what went into it
SAME_START = 0.6  # least cosine on the input side
MOST = 20  # listed of each sort
CHILDREN = 40  # candidates that may be merges of this one
ONE_RATIO = 0.02  # by how much the weights of a whole may differ for it to be a part

_SEARCHERS: weakref.WeakKeyDictionary[Snapshot, dict[str, Searcher]] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class Relative:
    path: str
    cosine: float  # of ΔW
    start: float  # cosine on the input side
    note: str = ""
    relation: str = ""  # of a copy: one of the classes of `duplicates`

    def to_json(self) -> dict[str, Any]:
        numbers = {"cosine": round(self.cosine, 4), "start": round(self.start, 4)}
        relation = {"class": self.relation} if self.relation else {}
        return {"path": self.path, **numbers, **relation, "note": self.note}


@dataclass(frozen=True)
class Parent:
    """`weight` lies between `low` and `high`; None where only the parent is known. `verdict` is
    "sure", "likely" or "cannot be told"."""

    path: str
    weight: float | None
    low: float
    high: float
    share: float  # of the energy of the merge
    verdict: str
    said_by_file: bool = False  # by the file itself
    also: tuple[str, ...] = ()  # equal files, which it may have been as well
    instead: tuple[str, ...] = ()  # other files that explain the merge as well

    def to_json(self) -> dict[str, Any]:
        bounds = (self.low, self.high)
        known = all(map(math.isfinite, bounds)) and self.weight is not None
        return {
            "path": self.path,
            "weight": None if self.weight is None else round(self.weight, 4),
            "interval": [round(x, 4) for x in bounds] if known else None,
            "share": round(self.share, 4),
            "verdict": self.verdict,
            "said_by_file": self.said_by_file,
            "also": list(self.also),
            "instead": list(self.instead),
        }


@dataclass(frozen=True)
class Merge:
    """`explained` is the share of its energy; `exact` when it was decided on the files and not on
    sketches of them; `cut` the share of the sum's energy that truncation took; `via` a file that
    this one was cut from, and has its parents through."""

    parents: tuple[Parent, ...]
    verdict: str
    explained: float
    exact: bool
    cut: float
    by_module: bool = False  # weights differ between modules
    via: str = ""

    @property
    def complete(self) -> bool:
        return 1 - self.explained <= ROUNDING * 1.01

    def to_json(self) -> dict[str, Any]:
        return {
            "parents": [parent.to_json() for parent in self.parents],
            "verdict": self.verdict,
            "explained": round(self.explained, 5),
            "whole": self.complete,
            "exact": self.exact,
            "cut": round(self.cut, 5),
            "weights_by_module": self.by_module,
            "via": self.via or None,
        }


@dataclass(frozen=True)
class HeaderStatement:
    """What the file says of its making. `agrees` is None where the weights cannot tell; `absent`
    counts the inputs that the library has not."""

    method: str
    inputs: tuple[str, ...]
    agrees: bool | None
    absent: int

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "inputs": list(self.inputs)}


@dataclass(frozen=True)
class Lineage:
    path: str
    family: str
    copies: tuple[Relative, ...]
    run: tuple[Relative, ...]  # other checkpoints, continued or repeated training
    merge: Merge | None
    children: tuple[Parent, ...]  # merges of which this is a parent, with its weight there
    start: tuple[Relative, ...]  # same trainer and seed, another subject
    said_by_file: HeaderStatement | None = None

    def to_json(self) -> dict[str, Any]:
        lists = ("copies", "run", "start", "children")
        return {
            "path": self.path,
            "family": self.family,
            **{name: [item.to_json() for item in getattr(self, name)] for name in lists},
            "merge": self.merge.to_json() if self.merge else None,
            "said_by_file": self.said_by_file.to_json() if self.said_by_file else None,
        }


def lineage(snapshot: Snapshot, path: Path | RemotePath) -> Lineage:
    """Everything that the library can say about the descent of a file, indexed or not."""
    row = subject(path)
    family = str(row["family"])
    snapshot.need_family(family)
    searchers = _SEARCHERS.setdefault(snapshot, {})
    searcher = searchers.setdefault(family, Searcher(Members(snapshot, family)))
    return _Question(searcher, Member(row, Sketch.from_bytes(row["sketch"]))).answer()


class _Question:
    """One file and its searcher."""

    def __init__(self, searcher: Searcher, asked: Member) -> None:
        self.searcher, self.asked = searcher, asked
        self.members = searcher.members

    def answer(self) -> Lineage:
        origins = self.searcher.origins(self.asked)
        relations = dict((o.path, (o, r)) for o, r in self.members.copies(self.asked))
        children = self._children(relations, origins)
        certain = [o for o in origins.origins if o.verdict != UNKNOWN] if origins else []
        known = {m.path for o in certain for m in o.files}
        known |= {child.path for child in children if child.verdict != UNKNOWN}
        if origins is not None and origins.via is not None:
            known -= {origins.via.path}
        near = {path for path, (_, r) in relations.items() if r.name == NEAR}
        copies = [self._copy(o, r) for o, r in relations.values() if o.path not in known & near]
        listed = known | {copy.path for copy in copies}
        run, start = [], []
        for other in self.members.around(self.asked):
            c = self.asked.cosine(other)
            s = input_similarity(self.asked.sketch, other.sketch)
            if other.path in listed:
                continue
            if abs(c) - self._common(other) >= RELATED:
                run.append(Relative(other.path, c, s, _run_note(self.asked.row, other.row, s)))
            elif s >= SAME_START:
                start.append(Relative(other.path, c, s))
        return Lineage(
            self.asked.path,
            str(self.asked.row["family"]),
            tuple(sorted(copies, key=lambda r: -abs(r.cosine))[:MOST]),
            tuple(sorted(run, key=lambda r: -abs(r.cosine))[:MOST]),
            _merge(origins),
            tuple(children),
            tuple(sorted(start, key=lambda r: -r.start)[:MOST]),
            _header_statement(origins),
        )

    def _copy(self, other: Member, relation: Relation) -> Relative:
        cosine = self.asked.cosine(other)
        start = input_similarity(self.asked.sketch, other.sketch)
        if other.row["id"] and other.row["id"] == self.asked.row["id"]:
            return Relative(other.path, cosine, start, "identical file", "identical bytes")
        rows = dict(self.asked.row), dict(other.row)
        if relation.cut == "a":
            words = ["this was cut from it", *changes_between(*rows[::-1], turned(relation))]
        else:
            cut = ["cut from this"] if relation.name == CUT else []
            words = [*cut, *changes_between(*rows, relation)]
        return Relative(other.path, cosine, start, ", ".join(words), relation.name)

    def _common(self, member: Member) -> float:
        """The mean cosine of a member with the library; where few are here, nothing is common."""
        known = self.members.product.calibration
        if known is None or known.count < FEWEST or not member.norm:
            return 0.0
        return max(0.0, float(known.mean @ member.unit))

    def _children(
        self, copies: dict[str, tuple[Member, Relation]], own: Origins | None
    ) -> list[Parent]:
        """Files of which this one is a parent; not those that it was cut from, or that were cut
        from it."""
        others = [(abs(self.asked.cosine(m)), m) for m in self.members.around(self.asked)]
        able = [
            (c, m)
            for c, m in others
            if c >= LEAST and (m.path not in copies or copies[m.path][1].name == NEAR)
        ]
        able.sort(key=lambda item: -item[0])
        children = []
        certain = [o for o in own.origins if o.verdict != UNKNOWN] if own is not None else []
        made_of = {m.path for o in certain for m in o.files}  # others may be either
        for cosine, member in able[:CHILDREN]:
            theirs = self.searcher.origins(member)
            if theirs is None:
                continue
            same = [o for o in theirs.origins if self.asked.path in {m.path for m in o.files}]
            if same:
                children.append(_parent(member.path, same[0]))
            elif (part := _as_a_part(own, theirs)) is not None:
                children.append(_parent(member.path, part))
            elif (
                _is_open(theirs)
                and member.path not in made_of
                and cosine - self._common(member) >= COUNTS
            ):
                unknown = Origin((), None, -math.inf, math.inf, cosine**2, UNKNOWN)
                children.append(_parent(member.path, unknown))
        return children


def _is_open(theirs: Origins) -> bool:
    """Whether other files than those that are told may have gone into it."""
    if theirs.claim is not None and len(theirs.claim.inputs) > 1 and theirs.agrees is not False:
        return theirs.absent > 0
    return theirs.verdict == UNKNOWN or theirs.rest > ROUNDING


def _as_a_part(own: Origins | None, theirs: Origins) -> Origin | None:
    """A merge that is in another one with all of its parents, in their proportions."""
    if own is None or own.verdict != SURE or own.via is not None or theirs.verdict != SURE:
        return None
    weights = {o.files[0].path: o.weight for o in theirs.origins}
    ratios = []
    for origin in own.origins:
        there = weights.get(origin.files[0].path)
        if there is None or not origin.weight:
            return None
        ratios.append(there / origin.weight)
    low, high = min(ratios), max(ratios)
    if len(ratios) < 2 or high - low > ONE_RATIO * abs(high) or len(weights) <= len(ratios):
        return None
    return Origin((), sum(ratios) / len(ratios), low, high, 0.0, LIKELY)


def _parent(path: str, origin: Origin) -> Parent:
    return Parent(
        path,
        origin.weight,
        origin.low,
        origin.high,
        origin.share,
        origin.verdict,
        origin.said_by_file,
    )


def _merge(origins: Origins | None) -> Merge | None:
    if origins is None:
        return None
    parents = [
        Parent(
            o.files[0].path,
            o.weight,
            o.low,
            o.high,
            o.share,
            o.verdict,
            o.said_by_file,
            tuple(m.path for m in o.files[1:]),
            tuple(m.path for m in o.instead),
        )
        for o in sorted(origins.origins, key=lambda o: -o.share)
    ]
    return Merge(
        tuple(parents),
        origins.verdict,
        1 - origins.rest,
        origins.exact,
        origins.cut,
        origins.varies,
        origins.via.path if origins.via else "",
    )


def _header_statement(origins: Origins | None) -> HeaderStatement | None:
    if origins is None or origins.claim is None:
        return None
    return HeaderStatement(
        origins.claim.method, origins.claim.inputs, origins.agrees, origins.absent
    )


def _run_note(a: Any, b: Any, start: float) -> str:
    """What the metadata adds: same start and steps told make it a checkpoint."""
    if start < SAME_START:
        return "weights in common, another start"
    if a.get("steps") and b.get("steps") and a["steps"] != b["steps"]:
        return "the same run, {} steps".format(f"{b['steps']:g}")
    return "the same run, or trained again from the same start"


__all__: Sequence[str] = ["HeaderStatement", "Lineage", "Merge", "Parent", "Relative", "lineage"]
