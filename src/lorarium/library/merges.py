"""Which known adapters may be in a weighted sum? Sparse regression on sketches of ΔW, which are
linear in it; `equations` decides on the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np

from lorarium.adapter import Array

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
    energies = np.einsum("ij,ij->i", candidates, candidates)
    chosen: list[int] = []
    chances: list[float] = []
    while total and len(chosen) < min(MOST, len(candidates)):
        gains, left = _gains(target, candidates, energies, chosen)
        best = int(np.argmax(gains))
        if left <= DONE * total:
            break
        chance = _chance(gains, best, left, target.size, known)
        if chance > CHANCE:
            break
        chosen.append(best)
        chances.append(chance)
        _swap(target, candidates, energies, chosen)
    if not chosen:
        return Fit((), np.zeros(0), 0.0, ())
    weights = np.linalg.lstsq(candidates[chosen].astype(np.float64).T, target, rcond=None)[0]
    rest = target - weights @ candidates[chosen]
    return Fit(tuple(chosen), weights, 1 - float(rest @ rest) / total, tuple(chances))


def _gains(
    target: Array, candidates: Array, energies: Array, chosen: Sequence[int]
) -> tuple[Array, float]:
    """By how much each candidate would lessen the square of what is left, and that square."""
    Q = np.linalg.qr(candidates[list(chosen)].astype(np.float64).T)[0]
    rest = target - Q @ (Q.T @ target)
    left = float(rest @ rest)
    # in the candidates' own precision: only the sums over what they have in common are taken, and
    # what is left is at right angles to what is chosen
    seen = np.column_stack([rest / (left**0.5 or 1), Q]).astype(candidates.dtype)
    inside = (candidates @ seen).astype(np.float64)
    sizes = energies - np.einsum("ij,ij->i", inside[:, 1:], inside[:, 1:])
    usable = sizes > SAME * energies
    return left * np.where(usable, inside[:, 0] ** 2 / np.where(usable, sizes, 1), 0), left


def _chance(gains: Array, best: int, left: float, m: int, known: int) -> float:
    """Of so large a gain anywhere, from the m coordinates and from what the others gain."""
    z = np.sqrt(gains / left * m)
    others = np.delete(z, best)
    # strangers of one recipe have something in common: their spread is the noise then
    spread = max(1.0, float(np.median(others)) / 0.6745) if len(others) >= 20 else 1.0
    return known * erfc(float(z[best]) / spread / sqrt(2))


def _swap(target: Array, candidates: Array, energies: Array, chosen: list[int]) -> None:
    for _ in range(3):
        before = list(chosen)
        for place in range(len(chosen)):
            others = chosen[:place] + chosen[place + 1 :]
            gains, _ = _gains(target, candidates, energies, others)
            gains[others] = 0
            chosen[place] = int(np.argmax(gains))
        if chosen == before:
            return
