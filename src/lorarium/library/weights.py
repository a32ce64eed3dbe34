"""The weights of an adapter with what comparing them needs, and how far rounding can take two."""

from __future__ import annotations

import functools
import math
from collections import Counter

import numpy as np

from lorarium.adapter import Adapter, Delta, LowRank, Module
from lorarium.algebra import drop_magnitude, inner_by_module
from lorarium.algebra.forms import arrays, flat
from lorarium.algebra.rounding import BRAIN_BITS, HALF_BITS, rounding_energy, significant_bits

SLACK = 2.0  # times the error that is expected from rounding: twice, in other factors
ARITHMETIC = 1e-5  # of a norm: what float32 arithmetic does to new factors
WIDE = np.float64
CHECKED_BITS = 24  # wider numbers are no better for a picture
# significant bits of number types, and the bytes that a number of so many bits takes
LEAST_BYTES = ((4, 1), (BRAIN_BITS, 2), (HALF_BITS, 2), (CHECKED_BITS, 4))


class Weights:
    """An adapter with what comparing needs, each computed once."""

    def __init__(self, adapter: Adapter) -> None:
        self.adapter = adapter
        self.linear = drop_magnitude(adapter)
        energies = inner_by_module(self.linear, self.linear, dtype=WIDE)
        self.energy = {m: x for m, x in energies.items() if x > 0}

    @functools.cached_property
    def rounding(self) -> dict[Module, float]:
        """The expected energy of rounding errors in each module."""
        return {m: rounding_energy(self.linear[m]) for m in self.energy}

    @functools.cached_property
    def bits(self) -> int:
        """Of the narrowest number type that holds a tenth of its numbers or more: a merge holds
        numbers of its coarser parents too."""
        sizes: Counter[int] = Counter()
        for module in self.energy:
            for array in arrays(self.adapter[module]):
                used = min(significant_bits(array), CHECKED_BITS)
                sizes[next(bits for bits, _ in LEAST_BYTES if used <= bits)] += array.size
        total = 0
        for bits in sorted(sizes, reverse=True):
            total += sizes[bits]
            if 10 * total >= sizes.total():
                return bits
        return 0

    @functools.cached_property
    def padding(self) -> tuple[float, ...]:
        """Modules and components of zeros, and whether the numbers are saved in too wide a type."""
        dead = sum(dead_components(d) for d in self.linear.deltas.values())
        stored = max(
            (a.dtype.itemsize for m in self.energy for a in arrays(self.adapter[m])), default=0
        )
        least_bytes = next(size for bits, size in LEAST_BYTES if self.bits <= bits)
        return len(self.adapter) - len(self.energy), dead, stored > least_bytes

    @property
    def total(self) -> float:
        return math.fsum(self.energy.values())


def misfit(aa: float, ab: float, bb: float, factor: float) -> float:
    """‖b - factor a‖²."""
    return bb - 2 * factor * ab + factor**2 * aa


def rounding_allowed(a: Weights, b: Weights, module: Module, factor: float) -> float:
    rounding = b.rounding[module] + factor**2 * a.rounding[module]
    return SLACK**2 * rounding + ARITHMETIC**2 * b.energy[module]


def is_about_one(factor: float, rounding: float) -> bool:
    # rounding is at right angles to its result, so that it shortens the original by its energy
    return abs(factor - 1) <= 1e-4 + 3 * rounding + math.sqrt(rounding) / 20


def dead_components(delta: Delta) -> int:
    if not isinstance(delta, LowRank) or delta.mid is not None:
        return 0
    B, A = flat(delta.up), flat(delta.down)
    return int((~(B.any(axis=0) & A.any(axis=1))).sum())
