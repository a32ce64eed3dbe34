"""What one adapter is to another, by exact algebra on the weights of both.

Two files are the *same weights* when every module is equal up to the rounding of the numbers that
the files hold: where the factors correspond, entry by entry, else by the norm of the difference.
*Scaled* ones are so after one factor for all. A *cut* is what truncation leaves: in each module
the largest singular parts of the whole one, or nothing. *Near* is what else points the same way.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lorarium.adapter import Adapter, Delta, Dora, LowRank, Module
from lorarium.algebra import canonical, drop_magnitude, inner, inner_by_module
from lorarium.algebra.forms import (
    Factors,
    apply,
    apply_transposed,
    arrays,
    flat,
    matrix_form,
    matrix_shape,
)
from lorarium.algebra.rounding import (
    HALF_BITS,
    entries_apart,
    half_steps,
    rounding_energy,
    significant_bits,
)
from lorarium.errors import LorariumError

SAME, CUT, SCALED, NEAR = "same weights", "cut down", "scaled or negated", "near"
NEAR_COSINE = 0.98
SLACK = 2.0  # times the error that is expected from rounding: twice, in other factors
ARITHMETIC = 1e-5  # of a norm: what float32 arithmetic does to new factors
STRAY = 1e-3  # of the entries may be apart: numbers at the very end of a number type
OF_CHANCE = 1e-3  # of what chance leaves of a stranger in the space of a cut: half precision
WIDE = np.float64
CHECKED_BITS = 24  # wider numbers are no better for a picture
LEAST_BYTES = ((4, 1), (HALF_BITS, 2), (CHECKED_BITS, 4))  # of numbers with that many bits


@dataclass(frozen=True)
class Relation:
    """`b` is about `factor` times `a`, or times what was left of it; `error` is the share of the
    norm by which that is wrong. `cut` names the side that was cut, "a" or "b"."""

    name: str
    factor: float
    error: float
    cut: str = ""
    checked: bool = True  # on the weights, and not on sketches of them alone


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
        """Significant bits of its numbers, as most entries have it."""
        held = [a for m in self.energy for a in arrays(self.adapter[m]) if a.any()]
        bits = np.array([min(significant_bits(a), CHECKED_BITS) for a in held])
        sizes = np.array([a.size for a in held], WIDE)
        return round(float(bits @ sizes / sizes.sum())) if len(held) else 0

    @functools.cached_property
    def padding(self) -> tuple[float, ...]:
        """Modules and components of zeros, and whether the numbers are saved in too wide a type."""
        dead = sum(_dead_components(d) for d in self.linear.deltas.values())
        stored = max(
            (a.dtype.itemsize for m in self.energy for a in arrays(self.adapter[m])), default=0
        )
        least = next(size for bits, size in LEAST_BYTES if self.bits <= bits)
        return len(self.adapter) - len(self.energy), dead, stored > least

    @property
    def total(self) -> float:
        return math.fsum(self.energy.values())


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
    if a.energy.keys() == b.energy.keys():
        pair = _Whole(a, b, products)
        if exact and pair.same():
            return Relation(SAME, 1.0, pair.error(1.0)) if pair.roundings() else _near(cosine, a, b)
        factor = product / a.total
        if exact and not _has_dora(a) and pair.within(factor) and not pair.is_one(factor):
            return Relation(SCALED, factor, pair.error(factor))
    for whole, part, side in ((a, b, "b"), (b, a, "a")):
        found = _cut(whole, part, products) if exact and not _has_dora(a) else None
        if found is not None:
            factor, error = found
            return Relation(CUT, factor, error, side)
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
            _left(self.a.energy[m], x, self.b.energy[m], factor)
            <= _allowed(self.a, self.b, m, factor)
            for m, x in self.products.items()
        )

    def is_one(self, factor: float) -> bool:
        """Whether rounding alone can have made such a factor of 1."""
        rounding = math.fsum([*self.a.rounding.values(), *self.b.rounding.values()])
        return _about_one(factor, rounding / self.a.total)

    def roundings(self) -> bool:
        """Whether the entries can be roundings of the same numbers, wherever factors correspond."""
        apart = count = 0
        for module, product in self.products.items():
            a, b = self.a.adapter[module], self.b.adapter[module]
            if isinstance(a, Dora) and isinstance(b, Dora) and not _magnitudes_agree(a, b):
                return False
            entries = entries_apart(a, b)
            if entries is None:
                continue
            left = _left(self.a.energy[module], product, self.b.energy[module], 1.0)
            if 4 * left >= entries.moved:
                apart, count = apart + entries.apart, count + entries.count
        return apart <= STRAY * count

    def error(self, factor: float) -> float:
        left = math.fsum(
            max(0.0, _left(self.a.energy[m], x, self.b.energy[m], factor))
            for m, x in self.products.items()
        )
        return math.sqrt(left / (factor**2 * self.a.total))


def _left(aa: float, ab: float, bb: float, factor: float) -> float:
    """‖b - factor a‖²."""
    return bb - 2 * factor * ab + factor**2 * aa


def _allowed(a: Weights, b: Weights, module: Module, factor: float) -> float:
    rounding = b.rounding[module] + factor**2 * a.rounding[module]
    return SLACK**2 * rounding + ARITHMETIC**2 * b.energy[module]


def _about_one(factor: float, rounding: float) -> bool:
    # rounding is at right angles to its result, so that it shortens the original by its energy
    return abs(factor - 1) <= 1e-4 + 3 * rounding + math.sqrt(rounding) / 20


def _cut(
    whole: Weights, part: Weights, products: dict[Module, float]
) -> tuple[float, float] | None:
    """The factor and the share of the norm lost when `part` is a truncation of `whole`."""
    if not part.energy.keys() <= whole.energy.keys():
        return None
    product = math.fsum(products.values())
    factor = part.total / product
    rounding = math.fsum(whole.rounding[m] + part.rounding[m] for m in part.energy)
    if _about_one(factor, rounding / part.total):
        factor = 1.0
    inside = allowed = 0.0
    for group in _groups(part.energy, whole.adapter, part.adapter):
        energies = [(whole.energy[m], products[m], part.energy[m]) for m in group]
        rest = math.fsum(_left(*numbers, factor) for numbers in energies)
        noise = math.fsum(_allowed(whole, part, m, factor) for m in group)
        if rest <= noise:
            continue
        measured = _beyond(
            [whole.linear[m] for m in group], [part.linear[m] for m in group], factor
        )
        if measured is None:
            return None
        left, right, order, chances = measured
        inside += left + right + order
        allowed += 3 * noise + OF_CHANCE * rest * sum(chances)
        if left > noise + rest * chances[0] or right > noise + rest * chances[1]:
            return None
    if inside > allowed:
        return None
    full = factor**2 * whole.total
    left = max(0.0, full - 2 * factor * product + part.total)
    return factor, math.sqrt(left / full)


def _beyond(
    whole: list[Delta], part: list[Delta], factor: float
) -> tuple[float, float, float, tuple[float, float]] | None:
    """What `factor` times the whole, less the part, has in the columns and in the rows of the part;
    how far the part's singular values are from the largest; the shares that chance would leave."""
    large, small = _stacked(whole), _stacked(part)
    if large is None or small is None:
        return None
    try:
        U, S, V = canonical(small, dtype=WIDE)
    except LorariumError:  # no low rank to speak of
        return None
    k = int((S > S[:1] * ARITHMETIC).sum())
    U, S, V = U[:, :k], S[:k], V[:, :k]
    matrix = matrix_form(large, WIDE)
    left = apply_transposed(matrix, U) * factor - V * S
    right = apply(matrix, V) * factor - U * S
    try:
        spectrum = canonical(large, dtype=WIDE).S
    except LorariumError:  # told by the two sides alone
        largest = S
    else:
        if int((spectrum > spectrum[:1] * ARITHMETIC).sum()) <= k:
            return None  # nothing was cut here
        largest = spectrum[:k] * abs(factor)
    sizes = [float(np.square(x).sum()) for x in (left, right, largest - S)]
    return sizes[0], sizes[1], sizes[2], (k / len(U), k / len(V))


def _groups(modules: Iterable[Module], *adapters: Adapter) -> list[list[Module]]:
    """The modules that were one matrix in either file are truncated as one."""
    groups: dict[tuple[str, str], list[Module]] = {}
    for module in modules:
        names = [d.fused for a in adapters if isinstance(d := a[module], LowRank) and d.fused]
        groups.setdefault((module.part, names[0] if names else module.path), []).append(module)
    return list(groups.values())


def _stacked(deltas: list[Delta]) -> Delta | None:
    """Changes of one input above one another; None for vectors and other kinds."""
    if len(deltas) == 1:
        return deltas[0] if len(matrix_shape(deltas[0])) > 1 else None
    factors = [matrix_form(d, WIDE) for d in deltas]
    rows = sum(f.shape[0] for f in factors)
    blocks, place = [], 0
    for f in factors:
        if not isinstance(f, Factors):
            return None
        block = np.zeros((rows, f.B.shape[1]))
        block[place : place + len(f.B)] = f.B * f.scale
        blocks.append(block)
        place += len(f.B)
    A = np.concatenate([f.A for f in factors if isinstance(f, Factors)])
    return LowRank(np.concatenate(blocks, axis=1), A)


def _dead_components(delta: Delta) -> int:
    if not isinstance(delta, LowRank) or delta.mid is not None:
        return 0
    B, A = flat(delta.up), flat(delta.down)
    return int((~(B.any(axis=0) & A.any(axis=1))).sum())


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
