"""What one adapter is to another, by exact algebra on the weights of both.

Two files are the *same weights* when every module is equal up to the rounding of the numbers that
the files hold: where the factors correspond, entry by entry, else by the norm of the difference.
*Scaled* ones are so after one factor for all. A *cut* is what truncation leaves: in each module
the largest singular parts of the whole one, or nothing. *Near* is what else points the same way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lorarium.adapter import Adapter, Delta, Dora, Module
from lorarium.algebra import inner
from lorarium.algebra.forms import matrix_shape
from lorarium.algebra.rounding import entries_apart, half_steps
from lorarium.library.cuts import cut_of, has_more_rank
from lorarium.library.weights import WIDE, Weights, is_about_one, misfit, rounding_allowed

SAME, CUT, SCALED, NEAR = "same weights", "cut down", "scaled or negated", "near"
NEAR_COSINE = 0.98
STRAY = 1e-3  # of the entries may be apart: numbers at the very end of a number type


@dataclass(frozen=True)
class Relation:
    """`b` is about `factor` times `a`, or times what was left of it; `error` is the share of the
    norm by which that is wrong. `cut` names the side that was cut, "a" or "b", and `strain` is how
    near that came to not being believed, up to 1."""

    name: str
    factor: float
    error: float
    cut: str = ""
    checked: bool = True  # on the weights, and not on sketches of them alone
    strain: float = 0.0
    refactored: bool = False  # the same weights in factors that do not correspond


def compare(a: Weights, b: Weights) -> Relation | None:
    """What `b` is to `a`; None for strangers, far relatives, and what does not compare."""
    common = a.energy.keys() & b.energy.keys()
    if not common or any(_unlike(a.adapter[m], b.adapter[m]) for m in common):
        return None
    products = {m: inner(a.linear[m], b.linear[m], dtype=WIDE) for m in common}
    product = math.fsum(products.values())
    cosine = product / math.sqrt(a.total * b.total)
    if not product:
        return None
    exact = _opaque_equal(a.adapter, b.adapter)
    # what was cut off can be less than what rounding does, and is cut off all the same
    ranks = all(not has_more_rank(*pair, m) for m in common for pair in ((a, b), (b, a)))
    if a.energy.keys() == b.energy.keys() and ranks:
        pair = _Whole(a, b, products)
        if exact and pair.same():
            apart, count = pair.entries()
            if apart > STRAY * count or not pair.magnitudes_agree():
                return _near(cosine, a, b)
            return Relation(SAME, 1.0, pair.error(1.0), refactored=not count)
        factor = product / a.total
        if exact and not _has_dora(a) and pair.within(factor) and not pair.is_one(factor):
            return Relation(SCALED, factor, pair.error(factor))
    for original, truncated, side in ((a, b, "b"), (b, a, "a")):
        truncation = cut_of(original, truncated, products) if exact and not _has_dora(a) else None
        if truncation is not None:
            factor, error, strain = truncation
            return Relation(CUT, factor, error, side, strain=strain)
    return _near(cosine, a, b)


def _near(cosine: float, a: Weights, b: Weights) -> Relation | None:
    if abs(cosine) < NEAR_COSINE:
        return None
    factor = math.copysign(math.sqrt(b.total / a.total), cosine)
    return Relation(NEAR, factor, math.sqrt(max(0.0, 1 - cosine**2)))


class _Whole:
    """Two adapters of the same modules, and how far one is from a multiple of the other."""

    def __init__(self, a: Weights, b: Weights, products: dict[Module, float]) -> None:
        self.a, self.b, self.products = a, b, products

    def same(self) -> bool:
        return self.is_one(math.fsum(self.products.values()) / self.a.total) and self.within(1.0)

    def within(self, factor: float) -> bool:
        """Whether each module of `b` is `factor` times that of `a` up to rounding."""
        return all(
            misfit(self.a.energy[m], x, self.b.energy[m], factor)
            <= rounding_allowed(self.a, self.b, m, factor)
            for m, x in self.products.items()
        )

    def is_one(self, factor: float) -> bool:
        """Whether rounding alone can have made such a factor of 1."""
        rounding = math.fsum([*self.a.rounding.values(), *self.b.rounding.values()])
        return is_about_one(factor, rounding / self.a.total)

    def entries(self) -> tuple[int, int]:
        """How many entries cannot be roundings of the same numbers, and how many were compared:
        those of factors that correspond."""
        apart = count = 0
        for module, product in self.products.items():
            difference = entries_apart(self.a.adapter[module], self.b.adapter[module])
            if difference is None:
                continue
            left = misfit(self.a.energy[module], product, self.b.energy[module], 1.0)
            if 4 * left >= difference.moved:
                apart, count = apart + difference.apart, count + difference.entries
        return apart, count

    def magnitudes_agree(self) -> bool:
        pairs = [(self.a.adapter[m], self.b.adapter[m]) for m in self.products]
        return all(
            _magnitudes_agree(a, b) for a, b in pairs if isinstance(a, Dora) and isinstance(b, Dora)
        )

    def error(self, factor: float) -> float:
        left = math.fsum(
            max(0.0, misfit(self.a.energy[m], x, self.b.energy[m], factor))
            for m, x in self.products.items()
        )
        return math.sqrt(left / (factor**2 * self.a.total))


def _unlike(a: Delta, b: Delta) -> bool:
    return matrix_shape(a) != matrix_shape(b) or isinstance(a, Dora) != isinstance(b, Dora)


def _has_dora(a: Weights) -> bool:
    return any(isinstance(a.adapter[m], Dora) for m in a.energy)


def _magnitudes_agree(a: Dora, b: Dora) -> bool:
    x, y = (d.magnitude.reshape(-1).astype(WIDE) for d in (a, b))
    reach = half_steps(a.magnitude).reshape(-1) + half_steps(b.magnitude).reshape(-1)
    return x.shape == y.shape and float((np.abs(x - y) > reach).mean()) <= STRAY


def _opaque_equal(a: Adapter, b: Adapter) -> bool:
    """Whether tensors that nobody understands are the same in both."""
    return a.opaque.keys() == b.opaque.keys() and all(
        np.array_equal(x.astype(WIDE), b.opaque[key].astype(WIDE), equal_nan=True)
        for key, x in a.opaque.items()
    )
