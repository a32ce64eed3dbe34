"""What a merge obeys: T = Π Σ wᵢ Dᵢ, as linear equations in the weights, one set for each module.

Truncation takes away only what lies outside both the columns and the rows of its result. So a merge
that was cut and one that was not obey the same equations: Σ wᵢ Dᵢ - T is zero but for the part
outside both. Each file becomes the vector of what these spaces see of it, and only inner products
of such vectors are kept: whatever is asked later (other parents, one fewer) needs no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lorarium.adapter import Array
from lorarium.algebra.rounding import rounding_energy
from lorarium.library.factored import Factor, Factored

RIDGE = 1e-10  # of the energy of a candidate: no huge weights of files that nearly cancel
SPAN = 1e-3  # squared sine, about, from which a direction of a space is a new one


class Equations:
    """One target and a growing list of candidates."""

    def __init__(self, target: Factored) -> None:
        self.target = target
        self.modules = target.sample()
        self._own = [_required(target.factor(m)) for m in self.modules]
        self._own_rank = _mean_rank(self._own)
        self._factors: list[list[Factor | None]] = []  # None too where the matrices differ
        self._ranks: list[float] = []
        self._energies: list[float] = []
        self._grams = np.zeros((len(self.modules), 0, 0))

    def extend(self, candidates: Sequence[Factored]) -> None:
        for candidate in candidates:
            factors = [candidate.factor(m) for m in self.modules]
            self._ranks.append(_mean_rank(factors))
            self._energies.append(sum(f.energy for f in factors if f is not None))
            pairs = zip(self._own, factors, strict=True)
            self._factors.append([f if f is not None and own.fits(f) else None for own, f in pairs])
        # what is seen is as large as the factors and made anew each time, module by module
        self._grams = np.stack([self._gram(m) for m in range(len(self.modules))])

    @property
    def grams(self) -> Array:
        """Inner products of what is seen, (modules, 1 + k, 1 + k), the target first; its energy is
        the unit."""
        return self._grams / self.energy

    @property
    def energy(self) -> float:
        return sum(own.energy for own in self._own)

    @property
    def rounding(self) -> float:
        """The share of the energy that rounding has changed in the target, by expectation."""
        errors = (rounding_energy(self.target.adapter[m]) for m in self.modules)
        return sum(errors) / self.energy

    def share(self, index: int) -> float:
        """The energy of a candidate in these modules, in units of the target's."""
        return self._energies[index] / self.energy

    def rank(self, index: int) -> float:
        """The mean rank of a candidate; that of the target for -1."""
        return self._own_rank if index < 0 else self._ranks[index]

    def cut(self, chosen: Sequence[int], weights: Array) -> float:
        """The energy of Σ wᵢ Dᵢ outside what the target sees: what truncation took away."""
        total = 0.0
        for m in range(len(self.modules)):
            terms = [(w, f) for i, w in zip(chosen, weights, strict=True) if (f := self._at(i, m))]
            if terms:
                U = np.concatenate([f.U for _, f in terms], axis=1)
                X = np.concatenate([w * f.X for w, f in terms], axis=1)
                total += float(np.sum((U.T @ U) * (X.T @ X)))
        w = np.concatenate([[0.0], weights])
        rows = [0, *(i + 1 for i in chosen)]
        seen = self._grams.sum(axis=0)[np.ix_(rows, rows)]
        return max(0.0, total - float(w @ seen @ w)) / self.energy

    def room(self, chosen: Sequence[int], weights: Array) -> tuple[float, float]:
        """Mean rank that the weighted sum has, and that such a sum has in general: parts of the
        chosen files that cancel each other leave fewer directions than the files have."""
        sum_ranks, usual_ranks = [], []
        for m in range(len(self.modules)):
            terms = [(w, f) for i, w in zip(chosen, weights, strict=True) if (f := self._at(i, m))]
            if terms:
                ranks = _directions([f.U for _, f in terms], [w * f.X for w, f in terms])
                sum_ranks.append(ranks)
                usual_ranks.append(
                    min(_span([f.U for _, f in terms]), _span([f.V for _, f in terms]))
                )
        return (float(np.mean(sum_ranks)), float(np.mean(usual_ranks))) if sum_ranks else (0.0, 0.0)

    def full(self) -> bool:
        """Whether ranks say nothing: the target has the highest that its modules can have."""
        return all(len(own.S) >= min(len(own.U), len(own.V)) for own in self._own)

    def contained(self, index: int) -> tuple[float, Array, Array]:
        """The share of a candidate inside the target's columns and rows; and where it is whole, the
        weight, module by module, at which taking it away lowers the rank by all of its own, and
        how far off 1 the square of that projection is.

        With Z = S⁻¹ Uᵀ D V the rank falls so when w Z is a projection.
        """
        inside = energy = 0.0
        weights, flaws = [], []
        for m, own in enumerate(self._own):
            factor = self._at(index, m)
            if factor is None:
                continue
            C = (own.U.T @ factor.U) @ (factor.X.T @ own.V)
            inside, energy = inside + float(np.sum(C * C)), energy + factor.energy
            Z = C / own.S[:, None]
            trace = float(np.trace(Z))
            if trace:
                weights.append(len(factor.S) / trace)
                flaws.append(abs(float(np.sum(Z * Z.T)) * len(factor.S) / trace**2 - 1))
        return inside / energy if energy else 0.0, np.array(weights), np.array(flaws)

    def _at(self, index: int, module: int) -> Factor | None:
        return self._factors[index][module]

    def _gram(self, module: int) -> Array:
        """Inner products of what is seen of all in one module."""
        own = self._own[module]
        rows = [_seen(own, own), *(_seen(own, f[module]) for f in self._factors)]
        stacked = np.zeros((len(rows), max(row.size for row in rows)))
        for place, row in enumerate(rows):
            stacked[place, : row.size] = row
        return stacked @ stacked.T


class Solution(NamedTuple):
    """Weights of the chosen ones, one set for each of the grams; `rest` is the share of the energy
    seen that they leave, summed over the grams."""

    chosen: tuple[int, ...]
    weights: Array  # (grams, chosen)
    rest: float
    costs: Array  # (chosen,): by how much `rest` grows without one of them


def solve(grams: Array, chosen: Sequence[int]) -> Solution:
    """Least squares for the target, row 0 of each of (n, 1 + k, 1 + k) inner products."""
    rows = np.array(chosen, int) + 1
    total = float(grams[:, 0, 0].sum())
    if not len(rows):
        return Solution((), np.zeros((len(grams), 0)), total, np.zeros(0))
    G, h = grams[:, rows[:, None], rows], grams[:, rows, 0]
    diagonal = np.einsum("nii->ni", G)
    size = np.sqrt(np.where(diagonal > 0, diagonal, 1))
    normed = G / (size[:, :, None] * size[:, None, :])
    inverse = np.linalg.inv(normed + np.eye(len(rows)) * np.where(diagonal > 0, RIDGE, 1)[:, None])
    scaled = np.einsum("nij,nj->ni", inverse, h / size)
    weights = scaled / size
    rest = grams[:, 0, 0] - 2 * np.einsum("ni,ni->n", weights, h)
    rest += np.einsum("ni,nij,nj->n", weights, G, weights)
    costs = scaled**2 / np.einsum("nii->ni", inverse)
    return Solution(tuple(chosen), weights, float(np.maximum(rest, 0).sum()), costs.sum(axis=0))


def _required(factor: Factor | None) -> Factor:
    assert factor is not None
    return factor


def _mean_rank(factors: Sequence[Factor | None]) -> float:
    ranks = [len(f.S) for f in factors if f is not None]
    return float(np.mean(ranks)) if ranks else 0.0


def _seen(own: Factor, factor: Factor | None) -> Array:
    """Uᵀ D, and of (D V) what U leaves: all that is not outside both spaces."""
    if factor is None:
        return np.zeros(0)
    U, theirs, X = own.U, factor.U, factor.X
    across = U.T @ theirs
    left = across @ X.T
    right = (theirs - U @ across) @ (X.T @ own.V)
    return np.concatenate([left.reshape(-1), right.reshape(-1)])


def _directions(bases: Sequence[Array], others: Sequence[Array]) -> int:
    """Columns of Σ Uᵢ Xᵢᵀ that hold a fair share of what the terms alone have there."""
    U, X = np.concatenate(bases, axis=1), np.concatenate(others, axis=1)
    values, P = np.linalg.eigh(U.T @ U)
    lift = (P * np.sqrt(np.maximum(values, 0))).T[values > SPAN]
    inner = X.T @ X
    owner = np.repeat(np.arange(len(others)), [x.shape[1] for x in others])
    apart = np.where(owner[:, None] == owner, inner, 0)
    alone = np.linalg.cholesky(lift @ apart @ lift.T + np.eye(len(lift)) * 1e-12 * np.trace(inner))
    half = np.linalg.solve(alone, lift @ inner @ lift.T)
    return int((np.linalg.eigvalsh(np.linalg.solve(alone, half.T)) > SPAN).sum())


def _span(bases: Sequence[Array]) -> int:
    """The dimension of the sum of some spaces."""
    Q = np.concatenate(bases, axis=1)
    return min(len(Q), int((np.linalg.eigvalsh(Q.T @ Q) > SPAN).sum()))
