"""Where a module of a file stands in a family: by its name, with shapes to choose among parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod

from . import positional
from .families import FAMILIES, Family, Native
from .grammar import Parsed
from .slots import Built

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Group:
    """The tensors of one spelled module: its keys by slot and what they make."""

    stem: str
    parsed: Parsed
    keys: Mapping[str, str]
    built: Built

    @cached_property
    def shape(self) -> Shape | None:
        if self.built.delta is not None:
            return self.built.delta.shape
        return None if self.built.bias is None else self.built.bias.shape


@dataclass(frozen=True)
class Place:
    """Where a group belongs in a family: the part and the weight, native or ours.

    `variant` says of which relative of the family the shape is, when not the usual one.
    """

    part: str
    native: Native
    shape: Shape
    variant: str = ""


def place(
    family: Family, group: Group, metadata: Mapping[str, str], walk: tuple[str, ...]
) -> Place | None:
    """The place of a group in a family, by name; with no network said, shapes choose the part.

    `walk` is the order in which positions, where a file has them, count a block's modules.
    """
    parsed = group.parsed
    if parsed.position is not None:
        return _place_positional(family, group, metadata, walk)
    return _place_named(family.id, parsed.net, parsed.name, parsed.flat, group.shape)


def place_by_name(family: Family, parsed: Parsed) -> Place | None:
    """Where a name stands in a family, whatever the shape of what stands there."""
    return _place_named(family.id, parsed.net, parsed.name, parsed.flat, None)


@lru_cache(maxsize=2**16)
def _place_named(id: str, net: str, name: str, flat: bool, shape: Shape | None) -> Place | None:
    family = FAMILIES[id]
    if net:
        part = family.part_of.get(net)
        parts: Sequence[str] = [part] if part else []
    else:
        parts = list(family.parts)
    fallback = None
    for part in parts:
        table = family.parts[part]
        native = (table.flat if flat else table.dotted).get(name)
        if native is None:
            continue
        for wanted in family.shapes_of(part, native):
            if fits(shape, wanted):
                return Place(part, native, wanted, family.variant_of(part, native, wanted))
        fallback = fallback or Place(part, native, table.shape(native))
    return fallback


def _place_positional(
    family: Family, group: Group, metadata: Mapping[str, str], walk: tuple[str, ...]
) -> Place | None:
    part = group.parsed.net
    with_ff = positional.feed_forward(metadata, part)
    if with_ff is None or group.parsed.position is None:
        return None
    paths = positional.order(family.id, part, with_ff, walk)
    if group.parsed.position >= len(paths):
        return None
    path = paths[group.parsed.position]
    shape = family.parts[part].shapes[path]
    return Place(part, Native(path, (path,)), shape) if fits(group.shape, shape) else None


def fits(shape: Shape | None, wanted: Shape) -> bool:
    """Whether a change of `shape` can belong to a weight; 1x1 kernels may be left out."""
    if shape is None:
        return False
    if len(shape) == 1:
        return shape[0] == wanted[0]
    if len(shape) == len(wanted):
        return shape == wanted
    return shape[0] == wanted[0] and prod(shape[1:]) == prod(wanted[1:])


def fits_exactly(shape: Shape | None, wanted: Shape) -> bool:
    return shape is not None and (len(shape) == 1 or len(shape) == len(wanted))


def dims(shape: Shape | None) -> str:
    return "x".join(map(str, shape or ()))
