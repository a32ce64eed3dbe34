"""The descriptor of "A LoRA is Worth a Thousand Pictures" (arXiv 2412.12048): the raw factors.

All A and B flattened into one vector, principal axes, Euclidean distance. It holds for adapters of
one rank and layout only, and compares factors, not changes: it loses most of what adapters that
began at different random numbers have in common. How the paper calibrates what was not in the fit
is not known; `CALIBRATIONS` are four ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from lorarium.adapter import Adapter, Array, LowRank, Module
from lorarium.descriptors.gram import Axes, unit
from lorarium.descriptors.protocol import Item, as_adapters, declared
from lorarium.errors import LorariumError

CALIBRATIONS = ("none", "moments", "gain", "split", "cosine")
FOLDS = 32  # of the jackknife

Layout = dict[Module, tuple[tuple[int, ...], tuple[int, ...]]]


@declared
class RawFactors:
    """Principal coordinates of the flattened factors.

    Points that are not in the fit fall short of those that are. `calibration` is what is done:
    `none`; `moments`, a quarter is held out and its mean and spread on each axis are brought to
    those of the rest; `gain`, the same for the spread alone from a jackknife; `split`, half finds
    the axes and the other half, placed like a query, is the gallery; `cosine`, all axes and the
    angle alone. `gallery` are the coordinates to compare with, of the items number `members`.
    """

    name = "raw"

    def __init__(self, size: int = 50, calibration: str = "none") -> None:
        if calibration not in CALIBRATIONS:
            names = ", ".join(CALIBRATIONS)
            raise LorariumError(f"no calibration {calibration!r}", hint=f"one of {names}")
        self._size_limit, self.calibration = size, calibration
        self.metric = "cosine" if calibration == "cosine" else "euclidean"
        self._axes: Axes | None = None

    @property
    def size(self) -> int:
        return len(self._axes.L) if self._axes else 0

    def fit(self, items: Sequence[Item]) -> Self:
        adapters = as_adapters(items, self.name)
        self._layout = layout(adapters[0])
        K = products(adapters, adapters, self._layout)
        every = np.arange(len(adapters))
        calibration_mask = {"moments": every % 4 == 3, "split": every % 2 == 1}.get(
            self.calibration
        )
        calibration_mask = (
            np.zeros(len(every), bool) if calibration_mask is None else calibration_mask
        )
        inside, outside = every[~calibration_mask], every[calibration_mask]
        if len(inside) < 3 or (calibration_mask.any() and len(outside) < 2):
            raise LorariumError(f"{len(adapters)} adapters are too few for {self.name}")
        self._adapters = [adapters[i] for i in inside]
        self._shift, self._gain = np.zeros(1), np.ones(1)
        size = None if self.calibration == "cosine" else self._size_limit
        self._axes = Axes.fit(K[np.ix_(inside, inside)], size)
        self.members, self.gallery = inside, self._axes.coordinates
        if self.calibration == "gain":
            self._gain = _jackknife_gain(K, self._axes)
        elif self.calibration == "cosine":
            self.gallery = unit(self.gallery)
        elif self.calibration != "none":
            placed = self._axes.place(K[np.ix_(outside, inside)])
            if self.calibration == "split":
                self.members, self.gallery = outside, placed
            else:
                self._gain = _ratio(self.gallery.std(0), placed.std(0))
                self._shift = self.gallery.mean(0) - self._gain * placed.mean(0)
        return self

    def describe(self, item: Item) -> Array:
        return self.describe_all([item])[0]

    def describe_all(self, items: Sequence[Item]) -> Array:
        if self._axes is None:
            raise LorariumError(f"{self.name} has not been fitted")
        adapters = as_adapters(items, self.name)
        placed = self._axes.place(products(adapters, self._adapters, self._layout))
        if self.calibration == "cosine":
            return unit(placed)
        return (self._gain * placed + self._shift).astype(np.float32)


def layout(adapter: Adapter) -> Layout:
    """The shapes of all factors, or a refusal: other kinds have no A and B."""
    shapes: Layout = {}
    for module, delta in adapter.items():
        if not isinstance(delta, LowRank) or delta.mid is not None:
            what = "raw factors exist of plain low-rank changes only"
            raise LorariumError(what, where=str(module), hint="take another descriptor")
        shapes[module] = (delta.up.shape, delta.down.shape)
    return shapes


def products(rows: Sequence[Adapter], columns: Sequence[Adapter], expected: Layout) -> Array:
    """X Xᵀ of the flattened factors, (n, m), read module by module; N x N is never formed."""
    for adapter in {id(a): a for a in (*rows, *columns)}.values():
        if layout(adapter) != expected:
            raise LorariumError(
                "raw factors compare adapters of one rank and one set of modules only",
                hint="take a kernel or a sketch, which take any",
            )
    total = np.zeros((len(rows), len(columns)))
    for module in expected:
        X = _flat(rows, module)
        total += X @ (X if rows is columns else _flat(columns, module)).T
    return total


def _flat(adapters: Sequence[Adapter], module: Module) -> Array:
    pairs = [adapter[module] for adapter in adapters]
    return np.stack(
        [
            np.concatenate([p.down.reshape(-1), p.up.reshape(-1)]).astype(np.float32)
            for p in pairs
            if isinstance(p, LowRank)
        ]
    )


def _jackknife_gain(K: Array, axes: Axes) -> Array:
    """Spread of points in the fit over that of points left out of it, axis by axis in order."""
    n = len(K)
    squares = np.zeros((n, len(axes.L)))
    fold = np.arange(n) % min(n, FOLDS)
    for number in np.unique(fold):
        inside, outside = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        part = Axes.fit(K[np.ix_(inside, inside)], len(axes.L))
        squares[outside, : len(part.L)] = part.place(K[np.ix_(outside, inside)]) ** 2
    spread = np.sqrt(squares.mean(0))
    fitted = np.sqrt((axes.coordinates**2).mean(0))
    return _ratio(fitted, spread)


def _ratio(a: Array, b: Array) -> Array:
    return np.divide(a, b, out=np.ones_like(b), where=b > 0)
