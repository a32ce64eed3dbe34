"""Which families a file may belong to, from the sorts of its module names, without their tables.

A sort is a name with `#` for each number and `_` for each dot, so that all spellings of a family
are a few dozen sorts, and a file of a thousand modules is looked up by its forty.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from math import prod

from . import FAMILIES, Family, has_rows, table, tables
from .natives import other_spellings, row_names

_NUMBER = re.compile(r"\d+")


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
def _families_of() -> dict[str, tuple[str, ...]]:
    ids_by_sort: dict[str, list[str]] = {}
    for family in FAMILIES.values():
        nets = (family.net, *(encoder.net for encoder in family.encoders.values()))
        for sort in dict.fromkeys(sort for net in nets for sort in _sorts(net)):
            ids_by_sort.setdefault(sort, []).append(family.id)
    return {sort: tuple(ids) for sort, ids in ids_by_sort.items()}


def input_widths(family: Family) -> frozenset[int]:
    """How many numbers the layers of a family's networks take in; fusing outputs changes none."""
    nets = (*family.nets, *(encoder.net for encoder in family.encoders.values()))
    return frozenset().union(*map(_input_widths, nets))


@cache
def _input_widths(net: str) -> frozenset[int]:
    if has_rows(net):
        return frozenset(prod(shape[1:]) for _, _, shape, _ in tables.rows()[net]["rows"])
    return frozenset(prod(shape[1:]) for shape in table(net).shapes.values())


@cache
def _sorts(net: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(sort_of, _names(net))))


def _names(net: str) -> Iterator[str]:
    if not has_rows(net):
        yield from table(net).dotted
        return
    for template in (*tables.templates(net), *row_names(net)):
        yield template.replace("*", "0").replace("$", "0")
    yield from other_spellings(net)
