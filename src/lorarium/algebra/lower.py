"""Lowering: other kinds as an exact LowRank, at a cost that can be asked for first.

LoHa of ranks r1, r2 is exactly rank r1*r2 (Khatri-Rao products); Tucker keeps its rank; LoKr has
rank(W1) * rank(W2), at most out and n.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lorarium.adapter import Array, Delta, LowRank
from lorarium.algebra.forms import Factors, Form, FullMatrix, Kron, Product, Vector, form
from lorarium.algebra.sides import KronFactor, need_formable
from lorarium.errors import LorariumError


class Cost(NamedTuple):
    """What a lowered delta would hold; `full` says that ΔW itself would hold no more."""

    rank: int
    parameters: int
    full: bool


def lowering_cost(delta: Delta) -> Cost:
    """Rank and parameters of `lower(delta)`, found without computing it."""
    return _cost(form(delta))


def lower(delta: Delta) -> LowRank:
    """The same ΔW as up @ down without a core; refused where ΔW itself would be smaller.

    Products of factors are computed in float32 (float64 for float64 inputs); a plain LowRank is
    returned as it is.
    """
    if isinstance(delta, LowRank) and delta.mid is None:
        return delta
    matrix = form(delta)
    cost = _cost(matrix)
    if cost.full and not isinstance(matrix, Factors):
        raise LorariumError(
            f"this change has no smaller factors (rank {cost.rank} for {delta.shape})",
            hint="truncate it to a rank, or keep it as a full difference",
        )
    factors = lowered_factors(matrix)
    return low_rank(factors.B, factors.A, factors.scale, delta.shape)


def low_rank(B: Array, A: Array, scale: float, shape: tuple[int, ...]) -> LowRank:
    """(out, r) and (r, n) as the factors of a weight of this shape."""
    up = B.reshape(*B.shape, *(1 for _ in shape[2:]))
    return LowRank(up=up, down=A.reshape(A.shape[0], *shape[1:]), scale=scale)


def lowered_factors(matrix: Form) -> Factors:
    """Exact factors of any form but a vector and a whole matrix."""
    if isinstance(matrix, Factors):
        return matrix
    if isinstance(matrix, Product):
        need_formable(matrix.B1.shape[1] * matrix.B2.shape[1], sum(matrix.shape))
        return Factors(
            _khatri_rao(matrix.B1.T, matrix.B2.T).T, _khatri_rao(matrix.A1, matrix.A2), matrix.scale
        )
    if isinstance(matrix, Kron):
        rank = matrix.first.rank * matrix.second.rank
        need_formable(rank, sum(matrix.shape))
        (B1, A1), (B2, A2) = _thin(matrix.first), _thin(matrix.second)
        return Factors(np.kron(B1, B2), np.kron(A1, A2), matrix.scale)
    raise LorariumError("a full difference or a bias has no factors", hint="truncate it to a rank")


def _cost(matrix: Form) -> Cost:
    if isinstance(matrix, Vector):
        return Cost(0, matrix.b.size, True)
    out, n = matrix.shape
    if isinstance(matrix, Factors):
        rank = matrix.B.shape[1]
    elif isinstance(matrix, Product):
        rank = matrix.B1.shape[1] * matrix.B2.shape[1]
    elif isinstance(matrix, Kron):
        rank = matrix.first.rank * matrix.second.rank
    else:
        assert isinstance(matrix, FullMatrix)
        rank = min(out, n)
    return Cost(rank, rank * (out + n), rank * (out + n) >= out * n)


def _khatri_rao(X: Array, Y: Array) -> Array:
    """(r1, d) and (r2, d) -> (r1*r2, d), the products of all pairs of rows."""
    return (X[:, None, :] * Y[None, :, :]).reshape(-1, X.shape[1])


def _thin(side: KronFactor) -> tuple[Array, Array]:
    """(o, rank) @ (rank, i): its own factors where it has them, else the identity beside it."""
    rank, (o, i) = side.rank, side.shape
    if side.pair is not None and side.pair[0].shape[1] == rank < min(o, i):
        return side.pair  # an SVD of a large product takes minutes
    W = side.array
    if rank >= i:
        return W, np.eye(i, dtype=W.dtype)
    return np.eye(o, dtype=W.dtype), W
