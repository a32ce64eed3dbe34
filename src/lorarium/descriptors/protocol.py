"""What every descriptor is: fitted on a set of adapters, then a vector for each adapter."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from typing import Any, Protocol, Self

import numpy as np

from lorarium.adapter import Adapter, Array
from lorarium.descriptors.sketch import Sketch, sketch
from lorarium.errors import LorariumError

Item = Adapter | Sketch
DESCRIPTORS: dict[str, type[Descriptor]] = {}


class Descriptor(Protocol):
    """`metric` says how its vectors compare: `cosine` or `euclidean`."""

    name: str
    metric: str

    @property
    def size(self) -> int:
        """How long its vectors are; 0 before `fit` where that decides it."""

    def fit(self, items: Sequence[Item]) -> Self:
        """Learn what needs a set: means, axes, the modules there are."""

    def describe(self, item: Item) -> Array:
        """float32 (size,)."""


def declared(kind: type[Any]) -> type[Any]:
    """Declare a descriptor where it stands; `descriptor(kind.name)` then finds it."""
    if kind.name in DESCRIPTORS:
        raise ValueError(f"two descriptors are called {kind.name!r}")
    DESCRIPTORS[kind.name] = kind
    return kind


def find_descriptors() -> None:
    """Import every file of the room, and with it the descriptors that it declares."""
    import lorarium.descriptors as room

    for file in pkgutil.iter_modules(room.__path__):
        importlib.import_module(f"{room.__name__}.{file.name}")


def describe_all(descriptor: Descriptor, items: Sequence[Item]) -> Array:
    """Vectors (n, size) of many items; at once where a descriptor can."""
    many = getattr(descriptor, "describe_all", None)
    return many(items) if many else np.stack([descriptor.describe(item) for item in items])


def as_sketch(item: Item) -> Sketch:
    return item if isinstance(item, Sketch) else sketch(item)


def as_adapters(items: Sequence[Item], name: str) -> list[Adapter]:
    """The items, when all are adapters of one family."""
    adapters = [item for item in items if isinstance(item, Adapter)]
    if len(adapters) < len(items):
        raise LorariumError(f"the descriptor {name} needs the factors, not a sketch of them")
    one_family(adapters, name)
    return adapters


def one_family(items: Sequence[Item], name: str) -> str:
    families = sorted({item.family for item in items})
    if not families:
        raise LorariumError(f"{name} needs at least one adapter")
    if len(families) > 1:
        what = f"{name} cannot compare adapters for {' and '.join(families)}"
        raise LorariumError(what, hint="take those of one base model")
    return families[0]


def check_family(item: Item, family: str, name: str) -> None:
    if item.family != family:
        what = f"an adapter for {item.family} where {name} was fitted on {family}"
        raise LorariumError(what, hint="adapters of two base models do not compare")
