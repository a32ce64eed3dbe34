"""A file's changes as U S Vᵀ, module by module, computed when first asked for."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from lorarium.adapter import Adapter, Array, Delta, Module
from lorarium.algebra import canonical, drop_magnitude
from lorarium.algebra.forms import matrix_shape
from lorarium.errors import LorariumError

RANK_FLOOR = 1e-6  # of the largest singular value: below it a component is rounding
BUDGET = 2**21  # numbers of one file that are compared: all of a small one, a sample of a large one


class Factor(NamedTuple):
    """ΔW = U Xᵀ with orthonormal U (out, r); V (n, r) orthonormal, X = V S."""

    U: Array
    S: Array
    V: Array

    @property
    def X(self) -> Array:
        return self.V * self.S

    @property
    def energy(self) -> float:
        return float(self.S @ self.S)


class Factored:
    """An adapter whose factors are kept; DoRA by the change inside it, vectors are left out."""

    def __init__(self, adapter: Adapter) -> None:
        self.metadata = adapter.metadata
        self.adapter = drop_magnitude(adapter)
        self._known: dict[Module, Factor | None] = {}

    def factor(self, module: Module) -> Factor | None:
        """None where the file changes nothing."""
        if module not in self._known:
            delta = self.adapter.deltas.get(module)
            self._known[module] = None if delta is None else _factor(delta)
        return self._known[module]

    def sample(self) -> list[Module]:
        """The modules to compare it by: the same ones for all files that have them."""
        chosen: list[Module] = []
        left = BUDGET
        for module in sorted(_matrices(self.adapter), key=_shuffled):
            delta = self.adapter[module]
            left -= (delta.rank or min(matrix_shape(delta))) * sum(matrix_shape(delta))
            if left < 0 and chosen:
                break
            if self.factor(module) is not None:
                chosen.append(module)
        return chosen


def _matrices(adapter: Adapter) -> Iterable[Module]:
    return (m for m, d in adapter.items() if len(matrix_shape(d)) > 1)


def _shuffled(module: Module) -> tuple[int, Module]:
    return zlib.crc32(str(module).encode()), module


def _factor(delta: Delta) -> Factor | None:
    if len(matrix_shape(delta)) < 2:
        return None
    try:
        U, S, V = canonical(delta, dense=True, dtype=np.float64)
    except LorariumError:  # not finite
        return None
    rank = int((S > RANK_FLOOR * S[:1]).sum())
    return Factor(U[:, :rank], S[:rank], V[:, :rank]) if rank else None
