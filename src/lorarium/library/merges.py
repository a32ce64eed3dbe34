"""Is an adapter a weighted sum of known ones? Sparse regression, first on sketches of ΔW, which
are linear in it, then exactly on the factors of the few that were chosen.

A merge that was truncated is Π Σ w_i D_i with Π the projection onto its own column space, so the
exact weights are those of the regression on Π D_i, which a regression on D_i would underestimate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import erfc, sqrt
from typing import Any

import numpy as np

from lorarium.adapter import Adapter, Array, Delta, LowRank
from lorarium.algebra import basis, drop_magnitude, inner
from lorarium.algebra.forms import apply_transposed, matrix_form

CHANCE = 1e-3  # of one false parent in the whole library
MOST = 8  # parents
DONE = 1e-4  # of the energy left: rounding
SAME = 1e-2  # of a candidate's energy outside what is chosen already: nothing new


@dataclass(frozen=True)
class Fit:
    """`chosen` are rows of the candidates; `chances` how likely each is chosen by accident."""

    chosen: tuple[int, ...]
    weights: Array
    explained: float
    chances: tuple[float, ...]


def fit(target: Array, candidates: Array, known: int) -> Fit:
    """Sketch (m,) as a signed sum of few of (n, m), out of `known` adapters altogether.

    Orthogonal forward selection; a candidate is taken while its share of what is left could not
    be chance, and at the end each gives way to a better one.
    """
    target = target.astype(np.float64)
    total = float(target @ target)
    candidates = candidates.astype(np.float64)
    chosen: list[int] = []
    chances: list[float] = []
    while total and len(chosen) < min(MOST, len(candidates)):
        gains, left = _gains(target, candidates, chosen)
        best = int(np.argmax(gains))
        if left <= DONE * total:
            break
        chance = _chance(gains, best, left, target.size, known)
        if chance > CHANCE:
            break
        chosen.append(best)
        chances.append(chance)
        _swap(target, candidates, chosen)
    if not chosen:
        return Fit((), np.zeros(0), 0.0, ())
    weights = np.linalg.lstsq(candidates[chosen].T, target, rcond=None)[0]
    rest = target - weights @ candidates[chosen]
    return Fit(tuple(chosen), weights, 1 - float(rest @ rest) / total, tuple(chances))


def _gains(target: Array, candidates: Array, chosen: Sequence[int]) -> tuple[Array, float]:
    """By how much each candidate would lessen the square of what is left, and that square."""
    rest, free = target, candidates
    if len(chosen):
        Q = np.linalg.qr(candidates[list(chosen)].T)[0]
        rest = target - Q @ (Q.T @ target)
        free = candidates - (candidates @ Q) @ Q.T
    sizes = np.einsum("ij,ij->i", free, free)
    usable = sizes > SAME * np.einsum("ij,ij->i", candidates, candidates)
    gains = np.where(usable, (free @ rest) ** 2 / np.where(usable, sizes, 1), 0)
    return gains, float(rest @ rest)


def _chance(gains: Array, best: int, left: float, m: int, known: int) -> float:
    """Of so large a gain anywhere, from the m coordinates and from what the others gain."""
    z = np.sqrt(gains / left * m)
    others = np.delete(z, best)
    # strangers of one recipe have something in common: their spread is the noise then
    spread = max(1.0, float(np.median(others)) / 0.6745) if len(others) >= 20 else 1.0
    return known * erfc(float(z[best]) / spread / sqrt(2))


def _swap(target: Array, candidates: Array, chosen: list[int]) -> None:
    for _ in range(3):
        before = list(chosen)
        for place in range(len(chosen)):
            others = chosen[:place] + chosen[place + 1 :]
            gains, _ = _gains(target, candidates, others)
            gains[others] = 0
            chosen[place] = int(np.argmax(gains))
        if chosen == before:
            return


@dataclass(frozen=True)
class Exact:
    """Weights from the factors; `shares` are of the energy of the merge as it is.

    `cut` is the share of the energy of the sum that truncation took away.
    """

    weights: Array
    shares: Array
    explained: float
    cut: float


def exact_weights(target: Adapter, parents: Sequence[Adapter]) -> Exact:
    """Least squares over all modules of the merge, inside its own column spaces."""
    k = len(parents)
    gram, right, total = np.zeros((k, k)), np.zeros(k), 0.0
    target, parents = drop_magnitude(target), [drop_magnitude(p) for p in parents]
    for module, delta in target.items():
        found = [p.deltas.get(module) for p in parents]
        same = [d if d is not None and d.shape == delta.shape else None for d in found]
        G, h, t = _products(delta, same)
        gram, right, total = gram + G, right + h, total + t
    if not total:
        return Exact(np.zeros(k), np.zeros(k), 0.0, 0.0)
    weights = np.linalg.lstsq(gram, right, rcond=1e-9)[0]
    left = total - 2 * weights @ right + weights @ gram @ weights
    pairs = [(i, j, inner(parents[i], parents[j])) for i in range(k) for j in range(i + 1)]
    whole = sum(weights[i] * weights[j] * x * (1 if i == j else 2) for i, j, x in pairs)
    cut = float(max(0.0, 1 - total / whole)) if whole > 0 else 0.0
    return Exact(weights, weights**2 * np.diag(gram) / total, float(1 - left / total), cut)


def _products(delta: Delta, others: Sequence[Delta | None]) -> tuple[Array, Array, float]:
    """Inner products of the others, as far as they lie in the column space of the merge, with each
    other and with the merge; and of the merge with itself."""
    k = len(others)
    gram, right = np.zeros((k, k)), np.zeros(k)
    if isinstance(delta, LowRank):
        Q = basis(delta)
        T: Any = apply_transposed(matrix_form(delta), Q)
        seen: list[Any] = [d if d is None else apply_transposed(matrix_form(d), Q) for d in others]
        product: Callable[[Any, Any], float] = lambda x, y: float(np.vdot(x, y))  # noqa: E731
    else:  # nothing is left out of a full matrix or a vector
        seen, T, product = list(others), delta, inner
    for i, x in enumerate(seen):
        if x is None:
            continue
        right[i] = product(x, T)
        for j, y in enumerate(seen[: i + 1]):
            if y is not None:
                gram[i, j] = gram[j, i] = product(x, y)
    return gram, right, product(T, T)
