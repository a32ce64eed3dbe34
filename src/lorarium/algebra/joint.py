"""Several changes of one weight seen together: their factors, and the SVD of [ΔW_1 ... ΔW_N]."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lorarium.adapter import Array, Delta, LowRank
from lorarium.algebra.canonical import canonical, column_signs, finite, orthogonal
from lorarium.algebra.dtypes import DTypeLike
from lorarium.algebra.forms import FullMatrix, Kron, Product, matrix_form
from lorarium.algebra.lower import low_rank, lowered_factors
from lorarium.errors import LorariumError


def factors_of(delta: Delta, dtype: DTypeLike = None) -> tuple[Array, Array]:
    """B (out, r) and A (r, n) with ΔW = B A, the scale in B; by an SVD where ΔW has none."""
    matrix = matrix_form(delta, dtype)
    full = isinstance(matrix, FullMatrix)
    if isinstance(matrix, Product):
        full = matrix.B1.shape[1] * matrix.B2.shape[1] >= min(matrix.shape)
    elif isinstance(matrix, Kron):
        full = matrix.first.rank * matrix.second.rank >= min(matrix.shape)
    if full:
        U, S, V = canonical(delta, dense=True, dtype=dtype)
        return U * S, V.T
    factors = lowered_factors(matrix)
    return factors.B * factors.B.dtype.type(factors.scale), factors.A


def stored_factors(B: Array, A: Array, shape: tuple[int, ...], dtype: DTypeLike) -> LowRank:
    """B A as a LowRank in a number type: powers of two move between a column of B and its row of A
    until they are about as long, and in half precision into the scale, clear of subnormals."""
    columns = np.linalg.norm(B, axis=0)
    ratio = np.linalg.norm(A, axis=1) / np.where(columns > 0, columns, 1)
    half = np.rint(np.log2(np.where(ratio > 0, ratio, 1)) / 2)
    B, A = np.ldexp(B, half.astype(int)), np.ldexp(A, -half.astype(int)[:, None])
    power = 0
    if np.dtype(dtype) == np.float16:
        top = math.frexp(max(np.abs(B).max(initial=0), np.abs(A).max(initial=0)))[1]
        power = 0 if -6 <= top <= 14 else top
    B, A = np.ldexp(B, -power).astype(dtype), np.ldexp(A, -power).astype(dtype)
    return low_rank(B, A, float(np.ldexp(1.0, 2 * power)), shape)


def joint_svd(deltas: Sequence[Delta]) -> tuple[Array, Array, list[Array]]:
    """U (out, r), S (r,) and V_k (n, r) with ΔW_k = U diag(S) V_kᵀ, Σ V_kᵀ V_k the identity.

    The SVD of the changes side by side, from QRs of their factors; components that are only
    rounding are left out, so r is at most the sum of the ranks.
    """
    pairs = [factors_of(delta) for delta in deltas]
    if len({(B.shape[0], A.shape[1]) for B, A in pairs}) > 1:
        raise LorariumError("shapes differ", hint="are all of them for the same base model?")
    R, lift = orthogonal(np.concatenate([B for B, _ in pairs], axis=1))
    blocks, lifts, start = [], [], 0
    for _, A in pairs:
        RA, lift_A = orthogonal(A.T)
        blocks.append(R[:, start : start + len(A)] @ RA.T)
        lifts.append(lift_A)
        start += len(A)
    u, S, vt = np.linalg.svd(finite(np.concatenate(blocks, axis=1)), full_matrices=False)
    size = max(pairs[0][0].shape[0], len(pairs) * pairs[0][1].shape[1])
    eps = float(np.finfo(pairs[0][0].dtype).eps)
    keep = int((S > S[0] * size * eps).sum()) if len(S) else 0
    U = lift(u[:, :keep])
    sign = column_signs(U) if keep else np.ones(0, U.dtype)
    parts = np.split(vt[:keep], np.cumsum([b.shape[1] for b in blocks])[:-1], axis=1)
    V = [lift_A(v.T) * sign for lift_A, v in zip(lifts, parts, strict=True)]
    return U * sign, S[:keep].astype(U.dtype), V
