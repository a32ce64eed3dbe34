"""The parts of a sketch as descriptors of the first tier: no file is read again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from lorarium.adapter import Array
from lorarium.descriptors.effect import SIZE as EFFECT
from lorarium.descriptors.gram import unit
from lorarium.descriptors.protocol import Item, as_sketch, check_family, declared, one_family
from lorarium.descriptors.sketch import INPUT, OUTPUT, PRODUCT, fold
from lorarium.errors import LorariumError


class SketchVector:
    """One vector of a sketch, the mean of the fitted ones taken away, as a unit vector.

    `size` below the full one folds it, for a first pass that is faster and coarser.
    """

    metric = "cosine"
    part: str
    full: int
    name: str

    def __init__(self, size: int | None = None, centre: bool = True) -> None:
        self.size = self.full if size is None else size
        self._centre = centre
        self._mean: Array | None = None

    def fit(self, items: Sequence[Item]) -> Self:
        self._family = one_family(items, self.name)
        mean = np.mean([self._vector(item) for item in items], axis=0)
        self._mean = mean if self._centre else np.zeros_like(mean)
        return self

    def describe(self, item: Item) -> Array:
        if self._mean is None:
            raise LorariumError(f"{self.name} has not been fitted")
        check_family(item, self._family, self.name)
        return unit(self._vector(item) - self._mean)

    def _vector(self, item: Item) -> Array:
        return unit(fold(getattr(as_sketch(item), self.part), self.size))


@declared
class SketchedProduct(SketchVector):
    part, full, name = "product", PRODUCT, "sketch-product"


@declared
class SketchedOutput(SketchVector):
    part, full, name = "output", OUTPUT, "sketch-output"


@declared
class SketchedInput(SketchVector):
    part, full, name = "input", INPUT, "sketch-input"


@declared
class SketchedEffect(SketchVector):
    part, full, name = "effect", EFFECT, "sketch-effect"

    def _vector(self, item: Item) -> Array:
        if not len(as_sketch(item).effect):
            raise LorariumError(f"nothing is known of the activations of {item.family}")
        return super()._vector(item)
