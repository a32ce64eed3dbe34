"""Whether one adapter is what truncation of another leaves, in exact algebra.

Truncation keeps the largest singular parts of each module, so that what was cut off stands at right
angles to what is left, in its columns and in its rows; of a stranger or a merged parent chance
leaves a share of rank / size in both.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from lorarium.adapter import Adapter, Array, Delta, LowRank, Module
from lorarium.algebra import canonical
from lorarium.algebra.forms import (
    Factors,
    apply,
    apply_transposed,
    flat,
    matrix_form,
    matrix_shape,
)
from lorarium.algebra.rounding import half_steps
from lorarium.errors import LorariumError
from lorarium.library.weights import (
    ARITHMETIC,
    SLACK,
    WIDE,
    Weights,
    dead_components,
    is_about_one,
    misfit,
    rounding_allowed,
)

# what rounding leaves in the columns and rows of a cut, in parts of the energy of its errors in
# both files: 1 when the cut was rounded. One that was made from a rounded copy has 2, as a merge
# with very little of something else can have, and is believed beside that copy alone
ROUNDINGS = 1.3
OF_CHANCE = 1e-3  # of what chance leaves of a stranger in the space of a cut: half precision


def cut_of(
    original: Weights, truncated: Weights, products: dict[Module, float]
) -> tuple[float, float, float] | None:
    """When `truncated` is a truncation of `original`: the factor, the share of the norm lost,
    and the strain, how near that comes to not being believed."""
    if not truncated.energy.keys() <= original.energy.keys():
        return None
    product = math.fsum(products.values())
    factor = truncated.total / product
    rounding = math.fsum(original.rounding[m] + truncated.rounding[m] for m in truncated.energy)
    if is_about_one(factor, rounding / truncated.total):
        factor = 1.0
    inside = allowed = 0.0
    for group in _groups(truncated.energy, original.adapter, truncated.adapter):
        energies = [(original.energy[m], products[m], truncated.energy[m]) for m in group]
        rest = math.fsum(misfit(*numbers, factor) for numbers in energies)
        noise = math.fsum(rounding_allowed(original, truncated, m, factor) for m in group)
        if rest <= noise:
            if any(has_more_rank(original, truncated, m) for m in group):
                return None
            continue
        measured = _beyond(
            [original.linear[m] for m in group], [truncated.linear[m] for m in group], factor
        )
        if measured is None:
            return None
        left, right, order, chances = measured
        expected = math.fsum(
            truncated.rounding[m] + factor**2 * original.rounding[m] for m in group
        )
        inside += left + right + order
        allowed += ROUNDINGS * expected + OF_CHANCE * rest * sum(chances)
        allowed += (3 * ARITHMETIC) ** 2 * math.fsum(truncated.energy[m] for m in group)
        if left > noise + rest * chances[0] or right > noise + rest * chances[1]:
            return None
    if inside > allowed:
        return None
    full = factor**2 * original.total
    left = max(0.0, full - 2 * factor * product + truncated.total)
    return factor, math.sqrt(left / full), inside / allowed if allowed else 0.0


def _beyond(
    originals: list[Delta], truncations: list[Delta], factor: float
) -> tuple[float, float, float, tuple[float, float]] | None:
    """What `factor` times the original, less the truncation, has in the columns and in the rows of
    the truncation; how far the singular values of that are from the largest; the shares that
    chance would leave."""
    large, small = _stacked(originals), _stacked(truncations)
    if large is None or small is None:
        return None
    try:
        U, S, V = canonical(small, dtype=WIDE)
    except LorariumError:  # no low rank to speak of
        return None
    k = _numerical_rank(S)
    U, S, V = U[:, :k], S[:k], V[:, :k]
    matrix = matrix_form(large, WIDE)
    left = apply_transposed(matrix, U) * factor - V * S
    right = apply(matrix, V) * factor - U * S
    try:
        spectrum = canonical(large, dtype=WIDE).S
    except LorariumError:  # told by the two sides alone
        largest = S
    else:
        if _numerical_rank(spectrum) <= k:
            return None  # nothing was cut here
        largest = spectrum[:k] * abs(factor)
    sizes = [float(np.square(x).sum()) for x in (left, right, largest - S)]
    return sizes[0], sizes[1], sizes[2], (k / len(U), k / len(V))


def has_more_rank(a: Weights, b: Weights, module: Module) -> bool:
    """Whether a module of `b` has parts that `a` lacks and that rounding does not explain; they may
    be smaller than what rounding does to the others."""
    low, high = a.linear[module], b.linear[module]
    plain = isinstance(low, LowRank) and isinstance(high, LowRank) and low.mid is high.mid is None
    if len(matrix_shape(low)) < 2 or (plain and _live_rank(low) == _live_rank(high)):
        return False
    try:
        U, S, V = canonical(low, dtype=WIDE)
        spectrum = canonical(high, dtype=WIDE).S
    except LorariumError:  # a full matrix has no rank to tell
        return False
    k = _numerical_rank(S)
    if _numerical_rank(spectrum) <= k:
        return False
    if not isinstance(high, LowRank) or high.mid is not None:
        return True
    return not _only_rounding(high, U[:, :k], V[:, :k])


def _only_rounding(delta: LowRank, U: Array, V: Array) -> bool:
    """Whether a change has nothing outside of U and V but what its factors' rounding puts there."""
    B, A = flat(delta.up).astype(WIDE), flat(delta.down).astype(WIDE)
    B_out, A_out = B - U @ (U.T @ B), A - (A @ V) @ V.T
    outside = float(np.vdot(B_out.T @ B_out, A_out @ A_out.T))
    steps = (
        np.square(half_steps(delta.up).astype(WIDE)),
        np.square(half_steps(delta.down).astype(WIDE)),
    )
    noise = flat(steps[0]).sum(0) @ np.square(A_out).sum(1)
    noise += np.square(B_out).sum(0) @ flat(steps[1]).sum(1)
    energy = float(np.vdot(B.T @ B, A @ A.T))
    return outside <= SLACK**2 * float(noise) / 3 + ARITHMETIC**2 * energy


def _live_rank(delta: Delta) -> int:
    return (delta.rank or 0) - dead_components(delta)


def _numerical_rank(S: Array) -> int:
    return int((S > S[:1] * ARITHMETIC).sum())


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
