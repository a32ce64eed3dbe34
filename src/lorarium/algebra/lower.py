"""Lowering: other kinds as an exact LowRank, at a cost that can be asked for first.

LoHa of ranks r1, r2 is exactly rank r1*r2 (Khatri-Rao products); Tucker keeps its rank; LoKr has
rank(W1) * rank(W2), at most out and n.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lorarium.adapter import Array, Delta, LowRank
from lorarium.algebra.forms import Factors, Form, Kron, Pair, Product, Vector, Whole, form
from lorarium.algebra.stacks import finite
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
    found = form(delta)
    cost = _cost(found)
    if cost.full and not isinstance(found, Factors):
        raise LorariumError(
            f"this change has no smaller factors (rank {cost.rank} for {delta.shape})",
            hint="truncate it to a rank, or keep it as a full difference",
        )
    factors = lowered_factors(found)
    return low_rank(factors.B, factors.A, factors.scale, delta.shape)


def low_rank(B: Array, A: Array, scale: float, shape: tuple[int, ...]) -> LowRank:
    """(out, r) and (r, n) as the factors of a weight of this shape."""
    up = B.reshape(*B.shape, *(1 for _ in shape[2:]))
    return LowRank(up=up, down=A.reshape(A.shape[0], *shape[1:]), scale=scale)


def lowered_factors(found: Form) -> Factors:
    """Exact factors of any form but a vector and a whole matrix."""
    if isinstance(found, Factors):
        return found
    if isinstance(found, Product):
        return Factors(
            _khatri_rao(found.B1.T, found.B2.T).T, _khatri_rao(found.A1, found.A2), found.scale
        )
    if isinstance(found, Kron):
        sides = zip((found.W1, found.W2), found.ranks, found.pairs, strict=True)
        (B1, A1), (B2, A2) = (_thin(*side) for side in sides)
        return Factors(np.kron(B1, B2), np.kron(A1, A2), found.scale)
    raise LorariumError("a full difference or a bias has no factors", hint="truncate it to a rank")


def _cost(found: Form) -> Cost:
    if isinstance(found, Vector):
        return Cost(0, found.b.size, True)
    out, n = found.shape
    if isinstance(found, Factors):
        rank = found.B.shape[1]
    elif isinstance(found, Product):
        rank = found.B1.shape[1] * found.B2.shape[1]
    elif isinstance(found, Kron):
        rank = found.ranks[0] * found.ranks[1]
    else:
        assert isinstance(found, Whole)
        rank = min(out, n)
    return Cost(rank, rank * (out + n), rank * (out + n) >= out * n)


def _khatri_rao(X: Array, Y: Array) -> Array:
    """(r1, d) and (r2, d) -> (r1*r2, d), the products of all pairs of rows."""
    return (X[:, None, :] * Y[None, :, :]).reshape(-1, X.shape[1])


def _thin(W: Array, rank: int, pair: Pair | None) -> Pair:
    """W as (o, rank) @ (rank, i): its own factors where it has them, else one side the identity."""
    if rank >= W.shape[1]:
        return W, np.eye(W.shape[1], dtype=W.dtype)
    if rank >= W.shape[0]:
        return np.eye(W.shape[0], dtype=W.dtype), W
    if pair is not None and pair[0].shape[1] == rank:  # an SVD of a large product takes minutes
        return pair
    U, S, Vt = np.linalg.svd(finite(W), full_matrices=False)
    return U[:, :rank] * S[:rank], Vt[:rank]
