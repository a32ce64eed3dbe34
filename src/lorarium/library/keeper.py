"""Which of several files is the original, and why.

In this order: the highest precision (bits that its numbers use, not the type they are saved in),
the most modules, no padding (of modules, of rank, of the number type), on this machine, the oldest,
the name that it was given by its maker, and then the shortest path.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

TYPES = ((4, "8 bits"), (8, "bfloat16"), (11, "float16"), (24, "float32"), (53, "float64"))
WIDTH = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
SECOND = 10**9
# what systems and browsers add to the name of a second copy
COPY_MARK = re.compile(r"(\s*\(\d+\)|[\s_-]+copy(\s*\(?\d+\)?)?|^copy of .*)$", re.IGNORECASE)
NAMES = ("its own name", "not named as a copy", "named as a copy")


@dataclass(frozen=True)
class Contestant:
    """A file's row, and what was measured on its weights (0 where that was not needed).

    `padding` grows with what the file holds for nothing.
    """

    row: Mapping[str, Any]
    bits: int = 0
    modules: int = 0
    padding: tuple[float, ...] = ()


Criterion = tuple[Callable[[Contestant], Any], Callable[[Contestant], str]]
CRITERIA: tuple[Criterion, ...] = (
    (lambda c: -c.bits, lambda c: f"highest precision ({_type(c.bits)})"),
    (lambda c: -c.modules, lambda c: f"most modules ({c.modules})"),
    (lambda c: c.padding, lambda c: "unpadded"),
    (lambda c: not c.row["modified"], lambda c: "on this machine"),
    (lambda c: c.row["modified"] // SECOND, lambda c: f"oldest ({_day(c.row['modified'])})"),
    (lambda c: _borrowed_name(c.row), lambda c: NAMES[_borrowed_name(c.row)]),
    (lambda c: (len(c.row["path"]), c.row["path"]), lambda c: "shortest path"),
)


def order(contestant: Contestant) -> tuple[Any, ...]:
    """Smallest for the original."""
    return tuple(value(contestant) for value, _ in CRITERIA)


def reason(keeper: Contestant, others: Sequence[Contestant]) -> str:
    """What decided against each of the others."""
    decisive = set()
    for other in others:
        for place, (value, _) in enumerate(CRITERIA):
            if value(keeper) != value(other):
                decisive.add(place)
                break
    return ", ".join(CRITERIA[place][1](keeper) for place in sorted(decisive))


def surplus(row: Mapping[str, Any]) -> tuple[float, ...]:
    """Padding among files with the same weights: who has more of anything holds it for nothing."""
    rank = row["rank"]
    return row["modules"], float("inf") if rank is None else rank, WIDTH.get(row["dtype"], 1)


def _borrowed_name(row: Mapping[str, Any]) -> int:
    stem = Path(row["path"]).stem
    title = row.get("title") or ""
    if title and _plain(stem) == _plain(title):
        return 0
    return 2 if COPY_MARK.search(stem) else 1


def _type(bits: int) -> str:
    """The narrowest number type with that many significant bits."""
    return next(name for max_bits, name in TYPES if bits <= max_bits)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.removesuffix(".safetensors")).casefold()


def _day(nanoseconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(nanoseconds // SECOND, UTC):%Y-%m-%d}"
    except (OverflowError, OSError, ValueError):
        return "by its time"
