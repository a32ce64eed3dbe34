"""Where an adapter comes from: copies, its run, what it was merged from, what shares its start.

Copies and relatives are found by the cosine of ΔW, merges by regression (`merges`). The input side
says what the random start was: A begins at random and moves little, so a common row space means
the same trainer and seed, whatever was learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lorarium import formats
from lorarium.adapter import Adapter
from lorarium.describe.sketch import Sketch, input_similarity
from lorarium.errors import LorariumError
from lorarium.library import merges
from lorarium.library.calibrate import FEWEST
from lorarium.library.relate import COPY, Weights, changes, cosine
from lorarium.library.search import subject
from lorarium.library.spaces import BUILT_IN
from lorarium.library.view import Space, View

SCREENED = 2000  # adapters nearest in either sense, among which parents are looked for
RELATED = 0.3  # least cosine of ΔW of one run, above what all of the library has in common
LEAST = 0.1  # cosine with a merge of what went into it
SAME_START = 0.6  # least cosine on the input side
MOST = 20  # listed of each sort
CHILDREN = 10  # candidates that may be merges of this one
WHOLE = 0.98  # of the energy: the parents are all there
CUT = 1e-3  # of the energy of a sum: truncation did happen
# checkpoints of one run nearly add up to one another, a merge of them does so to rounding
OF_ONE_RUN, TO_ROUNDING = 0.5, 0.9995


@dataclass(frozen=True)
class Relative:
    path: str
    cosine: float  # of ΔW
    start: float  # cosine on the input side
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        found = {"path": self.path, "cosine": round(self.cosine, 4), "start": round(self.start, 4)}
        return {**found, "note": self.note}


@dataclass(frozen=True)
class Parent:
    path: str
    weight: float
    share: float  # of the energy of the merge
    confidence: float  # that this is no coincidence
    also: tuple[str, ...] = ()  # copies of it, which it may have been as well

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "weight": round(self.weight, 4),
            "share": round(self.share, 4),
            "confidence": round(self.confidence, 6),
            "also": list(self.also),
        }


@dataclass(frozen=True)
class Merge:
    """`explained` is the share of its energy; `exact` when the parents' files could be read;
    `cut` the share of the sum's energy that truncation took."""

    parents: tuple[Parent, ...]
    explained: float
    exact: bool
    cut: float

    @property
    def whole(self) -> bool:
        return self.explained >= WHOLE

    def to_json(self) -> dict[str, Any]:
        return {
            "parents": [parent.to_json() for parent in self.parents],
            "explained": round(self.explained, 5),
            "whole": self.whole,
            "exact": self.exact,
            "cut": round(self.cut, 5),
        }


@dataclass(frozen=True)
class Lineage:
    path: str
    family: str
    copies: tuple[Relative, ...]
    run: tuple[Relative, ...]  # other checkpoints, continued or repeated training
    merge: Merge | None
    children: tuple[Parent, ...]  # merges of which this is a parent, with its weight there
    start: tuple[Relative, ...]  # same trainer and seed, another subject

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "family": self.family,
            **{
                name: [item.to_json() for item in getattr(self, name)]
                for name in ("copies", "run", "start", "children")
            },
            "merge": self.merge.to_json() if self.merge else None,
        }


def lineage(view: View, path: Path) -> Lineage:
    """Everything that the library can say about the descent of a file, indexed or not."""
    row = subject(view, path)
    family = str(row["family"])
    view.need_family(family)
    asked = Weights(row, Sketch.from_bytes(row["sketch"]))
    others = Others(view, family, asked)
    copies, run, start = [], [], []
    for member in others.members:
        found = changes(asked, member)
        c = cosine(asked.product, member.product)
        s = input_similarity(asked.sketch, member.sketch)
        relative = Relative(member.row["path"], c, s)
        if member.row["path"] == row["path"]:
            continue
        if found is not None:
            copies.append(Relative(relative.path, c, s, ", ".join(found)))
        elif abs(c) - others.common(member) >= RELATED:
            run.append(Relative(relative.path, c, s, _run_note(row, member.row, s)))
        elif s >= SAME_START:
            start.append(relative)
    merge = others.merge_of(asked)
    children = others.children(asked)
    born = {child.path for child in children}
    parents = {path for p in merge.parents for path in (p.path, *p.also)} if merge else set()
    run = [r for r in run if r.path not in born | parents]
    return Lineage(
        row["path"],
        family,
        tuple(sorted(copies, key=lambda r: -abs(r.cosine))[:MOST]),
        tuple(sorted(run, key=lambda r: -abs(r.cosine))[:MOST]),
        merge,
        children,
        tuple(sorted(start, key=lambda r: -r.start)[:MOST]),
    )


def _run_note(a: dict[str, Any], b: Any, start: float) -> str:
    """What the metadata adds: same start and steps told make it a checkpoint."""
    if start < SAME_START:
        return "weights in common, another start"
    if a.get("steps") and b.get("steps") and a["steps"] != b["steps"]:
        return "the same run, {} steps".format(f"{b['steps']:g}")
    return "the same run, or trained again from the same start"


class Others:
    """The adapters that may have to do with one, out of the whole family."""

    def __init__(self, view: View, family: str, asked: Weights) -> None:
        self.view, self.family = view, family
        self.product = view.space(BUILT_IN["product"], family)
        self.count = self.product.count
        near = _near(self.product, asked.sketch)
        like = _near(view.space(BUILT_IN["input"], family), asked.sketch)
        ids = list(dict.fromkeys([*near, *like]))
        sketches = view.sketches(ids)
        files = dict(zip(ids, view.rows(ids), strict=True))
        self.members = [
            Weights(file, sketches[id]) for id in ids if id in sketches for file in files[id]
        ]

    def common(self, member: Weights) -> float:
        """The mean cosine of a member with the library; where few are here, nothing is common."""
        known = self.product.calibration
        if known is None or known.count < FEWEST or not member.norm:
            return 0.0
        return max(0.0, float(known.mean @ member.product) / member.norm)

    def merge_of(self, target: Weights) -> Merge | None:
        """What `target` is the sum of, copies of itself left out; None unless two or more.

        If S = a + b then also a = S - b. What tells them apart is the rank: that of S is higher,
        unless S was truncated, and then only S = a + b loses anything by it.
        """
        pool = [m for m in self.members if changes(target, m) is None]
        lower = [m for m in pool if _rank(m) <= _rank(target)]
        found = self._sum_of(target, lower)
        if (found is not None and found.whole) or len(lower) == len(pool):
            return found
        other = self._sum_of(target, pool)
        return other if other is not None and other.whole and other.cut > CUT else found

    def _sum_of(self, target: Weights, members: Sequence[Weights]) -> Merge | None:
        pool, twins = _one_of_each(members)
        if len(pool) < 2:
            return None
        found = merges.fit(target.product, np.stack([m.product for m in pool]), self.count)
        if len(found.chosen) < 2:
            return None
        parents = [pool[i] for i in found.chosen]
        weights, explained, cut = found.weights, found.explained, 0.0
        shares = weights**2 * np.array([p.norm**2 for p in parents]) / target.norm**2
        exact = _read_all([str(target.row["path"]), *(str(p.row["path"]) for p in parents)])
        if exact is not None:
            known = merges.exact_weights(exact[0], exact[1:])
            weights, shares, explained = known.weights, known.shares, known.explained
            cut = known.cut
        related = max(
            abs(cosine(p.product, q.product)) for i, p in enumerate(parents) for q in parents[:i]
        )
        if related >= OF_ONE_RUN and explained < TO_ROUNDING:
            return None
        made = [
            Parent(str(p.row["path"]), float(w), float(s), 1 - c, tuple(twins[p.row["path"]]))
            for p, w, s, c in zip(parents, weights, shares, found.chances, strict=True)
        ]
        made.sort(key=lambda parent: -parent.share)
        return Merge(tuple(made), explained, exact is not None, cut)

    def children(self, asked: Weights) -> tuple[Parent, ...]:
        """Members of which `asked` is a parent."""
        able = [
            m
            for m in self.members
            if LEAST <= abs(cosine(asked.product, m.product)) < COPY and changes(asked, m) is None
        ]
        able.sort(key=lambda m: -abs(cosine(asked.product, m.product)))
        found = []
        for member in able[:CHILDREN]:
            theirs = Others(self.view, self.family, member).merge_of(member)
            if theirs is None or not theirs.whole:
                continue
            for parent in theirs.parents:
                if asked.row["path"] in (parent.path, *parent.also):
                    path = str(member.row["path"])
                    found.append(Parent(path, parent.weight, parent.share, parent.confidence))
        return tuple(found)


def _near(space: Space, sketch: Sketch) -> list[str]:
    """Ids that are far from having nothing in common, in either sign."""
    if space.count <= SCREENED:
        return space.ids
    full = space.encoder.full(sketch)
    if full is None:  # a bias alone has no input side
        return []
    return [id for q in (full, -full) for id in space.nearest(q, SCREENED // 2).ids]


def _one_of_each(members: Sequence[Weights]) -> tuple[list[Weights], dict[str, list[str]]]:
    """Of copies among the candidates only the one of the shortest path, as a sum cannot tell them
    apart; and the paths of the others."""
    kept: list[Weights] = []
    twins: dict[str, list[str]] = {}
    lines = np.zeros((len(members), members[0].product.size if members else 0))
    for member in sorted(members, key=lambda m: (len(m.row["path"]), m.row["path"])):
        line = member.product / member.norm
        near = np.abs(lines[: len(kept)] @ line)
        if kept and near.max() >= COPY:
            twins[kept[int(near.argmax())].row["path"]].append(member.row["path"])
        else:
            lines[len(kept)] = line
            kept.append(member)
            twins[member.row["path"]] = []
    return kept, twins


def _rank(of: Weights) -> float:
    rank = of.row["rank"]
    return np.inf if rank is None else float(rank)


def _read_all(paths: Sequence[str]) -> list[Adapter] | None:
    """The adapters themselves, None when a file is not there any more."""
    try:
        return [formats.read(path) for path in paths]
    except LorariumError:
        return None
