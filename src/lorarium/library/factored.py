"""A file's changes as U S Vᵀ, module by module, computed when first asked for."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lorarium.adapter import Adapter, Array, Delta, Module
from lorarium.algebra import canonical, drop_magnitude
from lorarium.algebra.forms import matrix_shape
from lorarium.errors import LorariumError

RANK_FLOOR = 1e-6  # of the largest singular value: below it a component is rounding
BUDGET = 2**21  # numbers of one file that are compared: all of a small one, a sample of a large one


@dataclass(frozen=True, eq=False)
class Factor:
    """ΔW = U Xᵀ with orthonormal U (out, r); V (n, r) orthonormal, X = V S.

    Kept in single precision, which takes 1e-14 of the energy away, and computed with in double.
    """

    left: Array  # float32
    S: Array
    right: Array  # float32

    @property
    def U(self) -> Array:
        return self.left.astype(np.float64)

    @property
    def V(self) -> Array:
        return self.right.astype(np.float64)

    @property
    def X(self) -> Array:
        return self.V * self.S

    @property
    def energy(self) -> float:
        return float(self.S @ self.S)

    def fits(self, other: Factor) -> bool:
        """Whether both are changes of one matrix."""
        return len(self.left) == len(other.left) and len(self.right) == len(other.right)


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
            left -= _numbers(self.adapter[module])
            if left < 0 and chosen:
                break
            if self.factor(module) is not None:
                chosen.append(module)
        return chosen

    @functools.cached_property
    def numbers(self) -> int:
        """The most that its factors hold."""
        return min(BUDGET, sum(_numbers(self.adapter[m]) for m in _matrices(self.adapter)))

    def share_inside(self, target: Factored) -> float:
        """The share of its energy that lies within both the columns and the rows of a target, in
        the modules that the target is compared by."""
        inside = energy = 0.0
        for module in target.sample():
            own, factor = target.factor(module), self.factor(module)
            if own is not None and factor is not None and own.fits(factor):
                C = (own.U.T @ factor.U) @ (factor.X.T @ own.V)
                inside, energy = inside + float(np.sum(C * C)), energy + factor.energy
        return inside / energy if energy else 0.0


def _numbers(delta: Delta) -> int:
    return (delta.rank or min(matrix_shape(delta))) * sum(matrix_shape(delta))


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
    if not rank:
        return None
    return Factor(U[:, :rank].astype(np.float32), S[:rank], V[:, :rank].astype(np.float32))
