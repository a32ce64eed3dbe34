"""Column and row spaces: principal angles, overlap, projection, effective rank."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from lorarium.adapter import Array, Delta, Dense, LowRank
from lorarium.algebra.canonical import canonical
from lorarium.algebra.dtypes import DTypeLike, compute_dtype, factor_dtype
from lorarium.algebra.forms import Factors, apply, apply_transposed, arrays, flat, matrix_form
from lorarium.algebra.lower import low_rank, lower

Side = Literal["out", "in"]


def basis(
    delta: Delta,
    side: Side = "out",
    *,
    rank: int | None = None,
    dense: bool = False,
    dtype: DTypeLike = None,
) -> Array:
    """Orthonormal basis (d, k) of the column space ("out") or row space ("in"), strongest first."""
    svd = canonical(delta, rank=rank, dense=dense, dtype=dtype)
    size = max(svd.U.shape[0], svd.V.shape[0])
    floor = svd.S[0] * size * np.finfo(svd.S.dtype).eps if len(svd.S) else 0
    k = int((svd.S > floor).sum())
    return svd.U[:, :k] if side == "out" else svd.V[:, :k]


def principal_cosines(
    a: Delta,
    b: Delta,
    side: Side = "out",
    *,
    rank: int | None = None,
    dtype: DTypeLike = None,
) -> Array:
    """Cosines of the principal angles between the two spaces, descending."""
    X, Y = (basis(d, side, rank=rank, dtype=dtype) for d in (a, b))
    if not X.shape[1] or not Y.shape[1]:
        return np.zeros(0, X.dtype)
    return np.linalg.svd(X.T @ Y, compute_uv=False).clip(0, 1)


def overlap(
    a: Delta,
    b: Delta,
    side: Side = "out",
    *,
    rank: int | None = None,
    dtype: DTypeLike = None,
) -> float:
    """Mean squared cosine of the principal angles: 1 when one space lies in the other."""
    cosines = principal_cosines(a, b, side, rank=rank, dtype=dtype)
    return float(np.mean(cosines**2)) if len(cosines) else 0.0


def project(
    a: Delta,
    onto: Delta,
    side: Side = "out",
    *,
    rank: int | None = None,
    dtype: DTypeLike = None,
) -> LowRank:
    """P ΔW_a (side "out") or ΔW_a P ("in"), P the orthogonal projector on the space of `onto`."""
    P = basis(onto, side, rank=rank, dtype=dtype)
    matrix = matrix_form(a, dtype)
    if isinstance(matrix, Factors):
        if side == "out":
            return low_rank(P @ (P.T @ matrix.B), matrix.A, matrix.scale, a.shape)
        return low_rank(matrix.B, (matrix.A @ P) @ P.T, matrix.scale, a.shape)
    if side == "out":
        return low_rank(P, apply_transposed(matrix, P).T, 1.0, a.shape)
    return low_rank(apply(matrix, P), P.T, 1.0, a.shape)


def damp(a: Delta, onto: Delta, share: float, *, dtype: DTypeLike = None) -> LowRank | Dense:
    """ΔW_a (I - share P), P the orthogonal projector on the row space of `onto`; of a's rank.

    What is computed is stored as a's own arrays are, unless `dtype` says otherwise; a full
    difference stays one.
    """
    P = basis(onto, "in", dense=True)
    stored = factor_dtype(x.dtype for x in arrays(a)) if dtype is None else dtype
    low = a if isinstance(a, Dense) else lower(a)
    rows = low.weight if isinstance(low, Dense) else low.down
    A = flat(rows).astype(np.result_type(P, compute_dtype(rows)))
    damped = (A - share * (A @ P) @ P.T).astype(stored).reshape(rows.shape)
    if isinstance(low, Dense):
        return replace(low, weight=damped)
    return replace(low, down=damped, fused=None, fused_rows=None)


def effective_rank(delta: Delta | Array, *, dense: bool = False) -> float:
    """exp of the entropy of the singular values taken as shares (Roy and Vetterli 2007).

    Takes a change or its singular values; 0 for a zero change.
    """
    S = delta if isinstance(delta, np.ndarray) else canonical(delta, dense=dense).S
    total = float(S.sum(dtype=np.float64))
    if total == 0:
        return 0.0
    p = S[S > 0].astype(np.float64) / total
    return float(np.exp(-(p * np.log(p)).sum()))
