"""Canonical SVD ΔW = U diag(S) Vᵀ from the factors: two QRs and the SVD of an (r, r) core.

The sign is fixed by making the largest entry of each column of U positive. Modules of equal shape
are stacked; float32 data take R from the Cholesky factor of a float64 Gram matrix, several times
faster than QR and more exact than float32 while the pivots stay above 1e-5; else QR does it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from lorarium.adapter import Adapter, Array, Delta, LowRank, Module
from lorarium.algebra.dtypes import DTypeLike, factor_dtype
from lorarium.algebra.forms import (
    BLOCK,
    Factors,
    FullMatrix,
    Kron,
    Matrix,
    Product,
    arrays,
    matrix_form,
    rows,
)
from lorarium.algebra.lower import low_rank, lowered_factors
from lorarium.algebra.sides import KronFactor, need_formable
from lorarium.algebra.stacks import CHUNK_BYTES, finite, low_rank_stacks
from lorarium.errors import LorariumError

MIN_PIVOT = 1e-5  # smallest ratio of Cholesky pivots that is trusted


class Canonical(NamedTuple):
    """U (out, r), S (r,) descending, V (n, r); stacked results have one more axis in front."""

    U: Array
    S: Array
    V: Array

    def cut(self, rank: int) -> Canonical:
        return Canonical(self.U[..., :rank], self.S[..., :rank], self.V[..., :rank])


def canonical(
    delta: Delta, *, rank: int | None = None, dense: bool = False, dtype: DTypeLike = None
) -> Canonical:
    """Canonical SVD of one change, of at most `rank` components.

    A full difference, or a LoHa whose rank is not low, needs ΔW itself: only with `dense=True`.
    """
    matrix = matrix_form(delta, dtype)
    if isinstance(matrix, Factors):
        scale = abs(matrix.scale)
        result = factored_svd(matrix.B, matrix.A)
        result = Canonical(result.U, result.S * result.S.dtype.type(scale), result.V)
        if matrix.scale < 0:
            result = result._replace(V=-result.V)
    elif isinstance(matrix, Kron):
        result = _kron_svd(matrix, rank)
    elif _has_low_rank(matrix):
        factors = lowered_factors(matrix)
        result = factored_svd(factors.B * factors.B.dtype.type(factors.scale), factors.A)
    elif dense:
        result = _dense_svd(matrix)
    else:
        raise LorariumError(
            f"the SVD of this change needs its full {matrix.shape[0]} x {matrix.shape[1]} matrix",
            hint="pass dense=True",
        )
    return result if rank is None else result.cut(rank)


def factored_svd(B: Array, A: Array) -> Canonical:
    """SVD of B A, for (out, r) (r, n) or stacks of them."""
    RB, lift_B = orthogonal(B)
    RA, lift_A = orthogonal(np.swapaxes(A, -1, -2))
    u, S, vt = np.linalg.svd(finite(RB @ np.swapaxes(RA, -1, -2)), full_matrices=False)
    U, V = lift_B(u), lift_A(np.swapaxes(vt, -1, -2))
    sign = column_signs(U)
    return Canonical(U * sign, S.astype(B.dtype), V * sign)


def singular_values(B: Array, A: Array) -> Array:
    """Singular values of B A alone, for one or a stack: about half the cost."""
    RB, RA = _triangle(B), _triangle(np.swapaxes(A, -1, -2))
    core = finite(RB @ np.swapaxes(RA, -1, -2))
    return np.linalg.svd(core, compute_uv=False).astype(B.dtype)


def canonical_stream(
    adapter: Adapter, *, dense: bool = False, chunk_bytes: int = CHUNK_BYTES
) -> Iterator[tuple[Module, Canonical]]:
    """The canonical SVD of every module that is a matrix, a bounded chunk at a time.

    Modules of one shape come together, not in the adapter's order; vectors are left out.
    """
    for modules, stacked in low_rank_stacks(adapter, chunk_bytes):
        if stacked is None:
            delta = adapter[modules[0]]
            if len(delta.shape) > 1:
                yield modules[0], _named(modules[0], delta, dense)
            continue
        U, S, V = factored_svd(*stacked)
        for i, module in enumerate(modules):
            scale = adapter[module].scale
            sign = V.dtype.type(-1 if scale < 0 else 1)
            yield module, Canonical(U[i], S[i] * S.dtype.type(abs(scale)), V[i] * sign)


def spectra(adapter: Adapter, *, dense: bool = False) -> dict[Module, Array]:
    """Singular values of every module that is a matrix."""
    values: dict[Module, Array] = {}
    for modules, stacked in low_rank_stacks(adapter):
        if stacked is None:
            delta = adapter[modules[0]]
            if len(delta.shape) > 1:
                values[modules[0]] = _named(modules[0], delta, dense).S
            continue
        for module, S in zip(modules, singular_values(*stacked), strict=True):
            values[module] = S * S.dtype.type(abs(adapter[module].scale))
    return {module: values[module] for module in adapter if module in values}


def canonical_adapter(adapter: Adapter, *, dense: bool = False) -> Adapter:
    """Each matrix as balanced canonical factors up = U √S, down = √S Vᵀ, dtype kept."""
    deltas = dict(adapter.deltas)
    for module, svd in canonical_stream(adapter, dense=dense):
        deltas[module] = balanced(svd, adapter[module])
    return adapter.with_(deltas=deltas)


def balanced(svd: Canonical, like: Delta, dtype: DTypeLike = None) -> LowRank:
    """up = U √S, down = √S Vᵀ for the weight of `like`, in its dtype (bf16 for 8-bit floats)."""
    stored = factor_dtype(a.dtype for a in arrays(like)) if dtype is None else np.dtype(dtype)
    exponent = 0
    if stored == np.float16 and svd.S.size and svd.S[0] > 0:
        top = math.frexp(float(svd.S[0]))[1]
        exponent = 0 if -12 <= top <= 16 else top  # keeps the factors clear of subnormals
    root = np.sqrt(svd.S * svd.S.dtype.type(2.0**-exponent))
    up = (svd.U * root).astype(stored)
    down = (svd.V * root).T.astype(stored, order="C")
    return low_rank(up, down, 2.0**exponent, like.shape)


def _named(module: Module, delta: Delta, dense: bool) -> Canonical:
    try:
        return canonical(delta, dense=dense)
    except LorariumError as error:
        raise LorariumError(error.what, where=str(module), hint=error.hint) from None


def orthogonal(X: Array) -> tuple[Array, Callable[[Array], Array]]:
    """For X = Q R: R in float64, and the map u -> Q u."""
    R = _cholesky(X)
    if R is not None:
        return R, lambda u: (X.astype(np.float64) @ np.linalg.solve(R, u)).astype(X.dtype)
    Q, R = np.linalg.qr(X)
    return R.astype(np.float64), lambda u: Q @ u.astype(X.dtype)


def _triangle(X: Array) -> Array:
    R = _cholesky(X)
    if R is None:
        R = np.asarray(np.linalg.qr(X, mode="r"), np.float64)
    return R


def _cholesky(X: Array) -> Array | None:
    """Upper triangular R with RᵀR = XᵀX, for float32 X of good condition, else None."""
    if X.dtype != np.float32 or X.shape[-2] <= X.shape[-1]:
        return None
    wide = X.astype(np.float64)
    gram = np.swapaxes(wide, -1, -2) @ wide
    try:
        R = np.swapaxes(np.linalg.cholesky(gram), -1, -2)
    except np.linalg.LinAlgError:
        return None
    pivots = np.diagonal(R, axis1=-2, axis2=-1)
    trusted = pivots.min(-1) > MIN_PIVOT * np.sqrt(np.diagonal(gram, axis1=-2, axis2=-1).max(-1))
    return R if trusted.all() else None


def column_signs(U: Array) -> Array:
    if U.size > BLOCK and U.shape[-1] > 1:  # a copy of all of it is more than needs to be alive
        half = U.shape[-1] // 2
        return np.concatenate([column_signs(U[..., :half]), column_signs(U[..., half:])], axis=-1)
    peak = np.take_along_axis(U, np.abs(U).argmax(-2)[..., None, :], -2)
    return np.where(peak < 0, -1, 1).astype(U.dtype)


def _kron_svd(m: Kron, rank: int | None) -> Canonical:
    """The SVD of a Kronecker product is the Kronecker product of the SVDs, sorted."""
    (u1, s1, v1), (u2, s2, v2) = _thin_svd(m.first), _thin_svd(m.second)
    products = np.multiply.outer(s1, s2).reshape(-1)
    order = np.argsort(-products, kind="stable")[:rank]
    need_formable(len(order), max(m.shape))
    i, j = np.divmod(order, len(s2))
    U = (u1[:, i][:, None] * u2[:, j][None]).reshape(-1, len(order))
    V = (v1[:, i][:, None] * v2[:, j][None]).reshape(-1, len(order))
    sign = column_signs(U)
    U *= sign
    V *= sign * V.dtype.type(-1 if m.scale < 0 else 1)
    return Canonical(U, products[order] * products.dtype.type(abs(m.scale)), V)


def _thin_svd(side: KronFactor) -> tuple[Array, Array, Array]:
    """Through the factors that it is the product of when they are thin: the SVD of a large product
    takes minutes."""
    rank = side.rank
    if side.pair is not None and side.pair[0].shape[1] < min(side.shape):
        B, A = (finite(factor) for factor in side.pair)
        (QB, RB), (QA, RA) = np.linalg.qr(B), np.linalg.qr(A.T)
        u, S, vt = np.linalg.svd(finite(RB @ RA.T), full_matrices=False)
        return (QB @ u)[:, :rank], S[:rank], (QA @ vt.T)[:, :rank]
    U, S, Vt = np.linalg.svd(finite(side.array), full_matrices=False)
    return U[:, :rank], S[:rank], Vt[:rank].T


def _has_low_rank(matrix: Matrix) -> bool:
    if not isinstance(matrix, Product):
        return False
    return matrix.B1.shape[1] * matrix.B2.shape[1] <= min(matrix.shape)


def _dense_svd(matrix: Matrix) -> Canonical:
    if not isinstance(matrix, FullMatrix):
        need_formable(*matrix.shape)
    W = rows(matrix, 0, matrix.shape[0])
    W = W * W.dtype.type(matrix.scale)
    U, S, Vt = np.linalg.svd(finite(W), full_matrices=False)
    sign = column_signs(U)
    return Canonical(U * sign, S, Vt.T * sign)
