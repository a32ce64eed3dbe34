"""What the library says of a file's descent, as data and as JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from lorarium.library.parents import ROUNDING


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
