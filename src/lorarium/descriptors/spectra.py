"""Spectra and energy profile: how an adapter was trained rather than what on.

For each sort of module in each third of the network: its share of the energy, its norm, its
effective rank and its leading squared singular values as shares. Needs the factors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from lorarium.adapter import Adapter, Array
from lorarium.algebra import effective_rank, spectra
from lorarium.descriptors.changes import matrices
from lorarium.descriptors.gram import unit
from lorarium.descriptors.protocol import Item, as_adapters, check_family, declared
from lorarium.descriptors.select import SORTS, block_of, depth, sort_of
from lorarium.errors import LorariumError

TOP = 8  # singular values kept by number
PLACES = 4  # thirds of the denoiser; the last is everything without a depth, text encoders too
PER_GROUP = 3 + TOP


@declared
class Spectra:
    """Profiles brought to mean 0 and spread 1 over the fitted set, as unit vectors."""

    name, metric = "spectra", "cosine"
    size = len(SORTS) * PLACES * PER_GROUP

    def __init__(self) -> None:
        self._mean: Array | None = None

    def fit(self, items: Sequence[Item]) -> Self:
        adapters = as_adapters(items, self.name)
        self._family = adapters[0].family
        table = np.stack([profile(adapter) for adapter in adapters])
        spread = table.std(0)
        self._mean = table.mean(0)
        self._scale = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 1e-9)
        return self

    def describe(self, item: Item) -> Array:
        if self._mean is None:
            raise LorariumError(f"{self.name} has not been fitted")
        [adapter] = as_adapters([item], self.name)
        check_family(adapter, self._family, self.name)
        return unit((profile(adapter) - self._mean) * self._scale)


def profile(adapter: Adapter) -> Array:
    """(SORTS, PLACES, share of energy, log2 norm, effective rank, TOP values), flattened.

    A change has its own weight, ‖ΔW‖², in the means; what an adapter leaves alone is zero.
    """
    part = adapter.with_(deltas=matrices(adapter))
    groups: dict[tuple[int, int], list[Array]] = {}
    for module, S in spectra(part, dense=True).items():
        place = depth(block_of(module), adapter.family)
        third = PLACES - 1 if place is None else int(place * 3)
        groups.setdefault((SORTS.index(sort_of(module)), third), []).append(S.astype(np.float64))
    total = sum(float(np.square(S).sum()) for many in groups.values() for S in many)
    table = np.zeros((len(SORTS), PLACES, PER_GROUP))
    for (sort, third), many in groups.items():
        energy = np.array([np.square(S).sum() for S in many])
        if not energy.sum():
            continue
        weight = energy / energy.sum()
        shares = np.zeros((len(many), TOP))
        for row, S, square in zip(shares, many, energy, strict=True):
            row[: min(TOP, len(S))] = np.square(S[:TOP]) / (square or 1)
        ranks = np.array([effective_rank(S) for S in many])
        general = energy.sum() / total, np.log2(energy.sum()) / 2, weight @ ranks
        table[sort, third] = np.concatenate([general, weight @ shares])
    return table.reshape(-1)
