"""What is compared: a row turns the adapters of a fold into vectors.

A descriptor is fitted on the gallery alone, so queries are always new to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from lorarium.adapter import Array, LowRank
from lorarium.descriptors import DESCRIPTORS, Descriptor, descriptor
from lorarium.descriptors.gram import Axes, cosines, unit
from lorarium.descriptors.protocol import Item, describe_all
from lorarium.descriptors.raw import CALIBRATIONS, layout
from lorarium.errors import LorariumError
from lorarium.evaluation.describe.zoo import Corpus

FEW = 12  # adapters that some descriptors cannot be fitted on


class Placed(NamedTuple):
    """Vectors of the gallery (those of its `members`) and of the queries."""

    gallery: Array
    members: Array
    queries: Array
    metric: str

    def scores(self) -> Array:
        """(queries, gallery), higher is nearer."""
        if self.metric == "cosine":
            return unit(self.queries) @ unit(self.gallery).T
        squares = np.square(self.queries).sum(1)[:, None] + np.square(self.gallery).sum(1)
        return 2 * self.queries @ self.gallery.T - squares


class DescriptorContender(Protocol):
    """`sort` is weights, learned, samples (what the adapter draws) or oracle (what it was trained
    on)."""

    name: str
    sort: str
    seconds: float  # to describe one adapter, once fitted
    bytes: int

    def place(self, gallery: Array, queries: Array) -> Placed | None:
        """None where these adapters have no such vectors."""


@dataclass
class FittedContender:
    name: str
    items: Sequence[Item]
    make: Callable[[], Descriptor]
    sort: str = "weights"
    usable: Array | None = None  # which adapters it takes at all
    before: float = 0.0  # seconds spent on each adapter before: its sketch
    seconds: float = 0.0
    bytes: int = 0

    def place(self, gallery: Array, queries: Array) -> Placed | None:
        indices = np.concatenate([gallery, queries])
        if self.usable is not None and not self.usable[indices].all():
            return None
        known = [self.items[i] for i in gallery]
        try:
            descriptor = self.make().fit(known)
        except LorariumError:
            if len(known) < FEW:
                return None
            raise
        vectors = getattr(descriptor, "gallery", None)
        members = np.asarray(getattr(descriptor, "members", np.arange(len(known))))
        if vectors is None:
            vectors = describe_all(descriptor, known)
        began = time.perf_counter()
        asked = [self.items[i] for i in queries]
        placed = describe_all(descriptor, asked) if asked else vectors[:0]
        if asked:
            self.seconds = self.before + (time.perf_counter() - began) / len(asked)
        self.bytes = 4 * descriptor.size
        return Placed(vectors, members, placed, descriptor.metric)


@dataclass
class VectorContender:
    """Vectors that are there already, the mean of the gallery taken away."""

    name: str
    vectors: Array
    sort: str
    seconds: float = 0.0
    centre: bool = True
    bytes: int = field(init=False)

    def __post_init__(self) -> None:
        self.bytes = 4 * self.vectors.shape[1]

    def place(self, gallery: Array, queries: Array) -> Placed:
        known, asked = self.vectors[gallery], self.vectors[queries]
        mean = known.mean(0) if self.centre else np.zeros(known.shape[1])
        return Placed(unit(known - mean), np.arange(len(known)), unit(asked - mean), "cosine")


@dataclass
class GramContender:
    """Vectors that are known by their products with each other alone, centred on the gallery."""

    products: Array  # of all adapters
    seconds: float
    name: str
    sort: str = "weights"
    bytes: int = 0

    def place(self, gallery: Array, queries: Array) -> Placed:
        K = cosines(self.products)
        axes = Axes.fit(K[np.ix_(gallery, gallery)])
        self.bytes = 4 * len(axes.L)
        placed = unit(axes.place(K[np.ix_(queries, gallery)])) if len(queries) else np.zeros((0, 1))
        return Placed(unit(axes.coordinates), np.arange(len(gallery)), placed, "cosine")


def padded_products(corpus: Corpus) -> Array | None:
    """The paper's flattened A and B where layouts differ: <A, A'> + <B, B'> over the rows and
    columns that both have, so it compares numbers that began at one place; None if one has no
    factors."""
    try:
        modules = sorted({m for a in corpus.adapters for m in layout(a)})
    except LorariumError:
        return None
    n = len(corpus.adapters)
    total = np.zeros((n, n))
    for module in modules:
        pairs = [a[module] if module in a else None for a in corpus.adapters]
        max_rank = max(p.rank for p in pairs if isinstance(p, LowRank))
        rows: list[Array] = []
        wide = next(p for p in pairs if isinstance(p, LowRank))
        up_size, down_size = wide.up[:, 0].size, wide.down[0].size
        for p in pairs:
            up, down = np.zeros((up_size, max_rank), "f4"), np.zeros((max_rank, down_size), "f4")
            if isinstance(p, LowRank):
                up[:, : p.rank] = p.up.reshape(-1, p.rank)
                down[: p.rank] = p.down.reshape(p.rank, -1)
            rows.append(np.concatenate([up.reshape(-1), down.reshape(-1)]))
        X = np.stack(rows)
        total += X @ X.T
    return total


def weight_rows(corpus: Corpus, *, only: Sequence[str] = ()) -> list[DescriptorContender]:
    """Every training-free descriptor; `only` keeps names that start with one of these."""
    began = time.perf_counter()
    held = len(corpus.sketches[0].to_bytes())
    each = (time.perf_counter() - began) / len(corpus.adapters)
    rows: list[DescriptorContender] = []
    first = _layout_mask(corpus)
    for calibration in CALIBRATIONS:
        name = f"raw, {calibration}"
        if _wanted(name, only):
            make = _maker("raw", calibration=calibration)
            rows.append(FittedContender(name, corpus.adapters, make, usable=first))
    if _wanted("raw, padded", only):
        began = time.perf_counter()
        products = padded_products(corpus)
        if products is not None:
            seconds = (time.perf_counter() - began) / len(products)
            rows.append(GramContender(products, seconds, "raw, padded"))
    for name in DESCRIPTORS:
        if name == "raw" or not _wanted(name, only):
            continue
        if name == "sketch-effect" and not len(corpus.sketches[0].effect):
            continue  # nothing is known of the base
        if name.startswith("sketch"):
            row = FittedContender(name, corpus.sketches, _maker(name), before=each)
            row.bytes = held
        else:
            row = FittedContender(name, corpus.adapters, _maker(name))
        rows.append(row)
    return rows


def _maker(name: str, **options: str) -> Callable[[], Descriptor]:
    return lambda: descriptor(name, **options)


def _wanted(name: str, only: Sequence[str]) -> bool:
    return not only or any(name.startswith(start) for start in only)


def _layout_mask(corpus: Corpus) -> Array:
    """Which adapters share the layout of the usual recipe."""
    shapes = []
    for adapter in corpus.adapters:
        try:
            shapes.append(layout(adapter))
        except LorariumError:
            shapes.append({})
    model = shapes[int(np.flatnonzero(corpus.recipe == corpus.usual)[0])]
    return np.array([bool(shape) and shape == model for shape in shapes])
