"""Which families a file may belong to, from the sorts of its module names, without their tables.

A sort is a name with `#` for each number and `_` for each dot, so that all spellings of a family
are a few dozen sorts, and a file of a thousand modules is looked up by its forty. `index.json`
holds the sorts of every family, written by `benchmarks/family_index.py`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from . import FAMILIES, Family

_NUMBER = re.compile(r"\d+")
FILE = Path(__file__).with_name("index.json")


@cache
def sort_of(name: str) -> str:
    return _NUMBER.sub("#", name).replace(".", "_")


def candidates(names: Iterable[str], share: float) -> list[Family]:
    """Families that have names of these sorts for at least that share of the modules."""
    sorts = Counter(map(sort_of, names))
    named: Counter[str] = Counter()
    for sort, count in sorts.items():
        for family in _families_of().get(sort, ()):
            named[family] += count
    total = sum(sorts.values())
    return [family for id, family in FAMILIES.items() if named[id] and named[id] >= share * total]


@cache
def input_widths(family: str) -> frozenset[int]:
    """How many numbers the layers of a family's networks take in; fusing outputs changes none."""
    return frozenset(_index()["widths"][family])


@cache
def _families_of() -> dict[str, list[str]]:
    return {sort: ids.split() for ids, sorts in _index()["sorts"].items() for sort in sorts}


@cache
def _index() -> dict[str, dict[str, Any]]:
    index: dict[str, dict[str, Any]] = json.loads(FILE.read_text("utf-8"))
    return index
