"""What `index.json` says, walked anew from the tables of all networks.

That takes as long as the rest of reading a file, so that it is done by `benchmarks/family_index.py`
when a table has changed, and not at every start; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

from . import FAMILIES, Family, has_rows, table, tables
from .index import sort_of
from .natives import other_spellings, row_names


def walk() -> dict[str, dict[str, Any]]:
    """Families with the same sorts -> these; family -> input widths."""
    families_of: dict[str, list[str]] = {}
    for family in FAMILIES.values():
        nets = (family.net, *(encoder.net for encoder in family.encoders.values()))
        for sort in {sort_of(name) for net in nets for name in _names(net)}:
            families_of.setdefault(sort, []).append(family.id)
    sorts_of: dict[str, list[str]] = {}
    for sort, ids in sorted(families_of.items()):
        sorts_of.setdefault(" ".join(ids), []).append(sort)
    widths = {family.id: sorted(_input_widths(family)) for family in FAMILIES.values()}
    return {"sorts": sorts_of, "widths": widths}


def _names(net: str) -> Iterator[str]:
    if not has_rows(net):
        yield from table(net).dotted
        return
    for template in (*tables.templates(net), *row_names(net)):
        yield template.replace("*", "0").replace("$", "0")
    yield from other_spellings(net)


def _input_widths(family: Family) -> set[int]:
    nets = (*family.nets, *(encoder.net for encoder in family.encoders.values()))
    return {prod(shape[1:]) for net in nets for shape in _shapes(net)}


def _shapes(net: str) -> Iterator[tuple[int, ...]]:
    if has_rows(net):
        yield from (tuple(shape) for _, _, shape, _ in tables.rows()[net]["rows"])
    else:
        yield from table(net).shapes.values()
