"""Every delta as plain matrices: what the rest of the algebra multiplies.

A weight (out, in, kh, kw) is the matrix (out, n) with n = in*kh*kw. `Factors` is scale * B A,
`Product` is scale * (B1 A1) ∘ (B2 A2), `Kron` is scale * W1 ⊗ W2, `FullMatrix` and `Vector` are
given entry by entry. `rows`, `apply` and `apply_transposed` use ΔW without ever holding it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from lorarium.adapter import (
    Array,
    Delta,
    Dense,
    Dora,
    Hadamard,
    Kronecker,
    LowRank,
)
from lorarium.algebra.dtypes import DTypeLike, compute_dtype
from lorarium.algebra.sides import KronFactor, need_formable
from lorarium.errors import LorariumError

BLOCK = 2**22  # entries of ΔW that are alive at once when it is walked in blocks of rows


@dataclass(frozen=True, eq=False)
class Factors:
    B: Array  # (out, r)
    A: Array  # (r, n)
    scale: float

    @property
    def shape(self) -> tuple[int, int]:
        return self.B.shape[0], self.A.shape[1]


@dataclass(frozen=True, eq=False)
class Product:
    B1: Array
    A1: Array
    B2: Array
    A2: Array
    scale: float

    @property
    def shape(self) -> tuple[int, int]:
        return self.B1.shape[0], self.A1.shape[1]


@dataclass(frozen=True, eq=False)
class Kron:
    first: KronFactor  # W1 (o1, i1)
    second: KronFactor  # W2 (o2, n2)
    scale: float

    @property
    def shape(self) -> tuple[int, int]:
        (o1, i1), (o2, n2) = self.first.shape, self.second.shape
        return o1 * o2, i1 * n2


@dataclass(frozen=True, eq=False)
class FullMatrix:
    W: Array
    scale: float

    @property
    def shape(self) -> tuple[int, int]:
        return self.W.shape[0], self.W.shape[1]


@dataclass(frozen=True, eq=False)
class Vector:
    b: Array
    scale: float

    @property
    def shape(self) -> tuple[int]:
        return self.b.shape


Matrix = Factors | Product | Kron | FullMatrix
Form = Matrix | Vector


def form(delta: Delta, dtype: DTypeLike = None) -> Form:
    """The matrices of a delta, in float32 (float64 when they are, or as `dtype` says)."""
    if isinstance(delta, Dora):
        raise LorariumError(
            "a DoRA change is not linear in its factors",
            hint="give the base weight, or ask for the inner change with drop_magnitude",
        )
    if isinstance(delta, LowRank):
        up, down, mid = _widen(dtype, delta.up, delta.down, delta.mid)
        B = up.reshape(up.shape[0], -1)
        A = flat(down) if mid is None else _tucker(mid, flat(down))
        return Factors(B, A, delta.scale)
    if isinstance(delta, Hadamard):
        w1a, w1b, w2a, w2b, t1, t2 = _widen(
            dtype, delta.w1_a, delta.w1_b, delta.w2_a, delta.w2_b, delta.t1, delta.t2
        )
        return Product(*_half(w1a, w1b, t1), *_half(w2a, w2b, t2), delta.scale)
    if isinstance(delta, Kronecker):
        return _kron(delta, dtype)
    if isinstance(delta, Dense) and delta.weight.ndim > 1:
        return FullMatrix(flat(_widen(dtype, delta.weight)[0]), delta.scale)
    vector = delta.weight if isinstance(delta, Dense) else delta.bias
    return Vector(_widen(dtype, vector)[0].reshape(-1), delta.scale)


def matrix_form(delta: Delta, dtype: DTypeLike = None) -> Matrix:
    """`form`, for a weight that is a matrix; a vector is refused."""
    matrix = form(delta, dtype)
    if isinstance(matrix, Vector):
        raise LorariumError("a vector (bias or norm) has no factors", hint="leave it out")
    return matrix


def matrix_shape(delta: Delta) -> tuple[int, ...]:
    """(out, n) of a weight, (n,) of a vector, without touching its values."""
    shape = delta.shape
    if len(shape) < 2:
        return shape
    return shape[0], int(np.prod(shape[1:]))


def arrays(delta: Delta) -> list[Array]:
    """The arrays that a delta holds."""
    tensors: list[Array] = []
    for item in fields(delta):
        value = getattr(delta, item.name)
        if isinstance(value, np.ndarray):
            tensors.append(value)
        elif isinstance(delta, Dora) and item.name == "inner":
            tensors += arrays(value)
    return tensors


def flat(array: Array) -> Array:
    """(r, in, kh, kw) -> (r, in*kh*kw)."""
    return array.reshape(array.shape[0], -1)


def rows(m: Matrix, low: int, high: int) -> Array:
    """Rows low..high of ΔW without its scale."""
    if isinstance(m, Factors):
        return m.B[low:high] @ m.A
    if isinstance(m, Product):
        return (m.B1[low:high] @ m.A1) * (m.B2[low:high] @ m.A2)
    if isinstance(m, Kron):
        first, second = np.divmod(np.arange(low, min(high, m.shape[0])), m.second.shape[0])
        pair = m.first.rows(first)[:, :, None] * m.second.rows(second)[:, None, :]
        return pair.reshape(len(first), -1)
    return m.W[low:high]


def row_blocks(m: Matrix) -> Iterator[tuple[int, int]]:
    out, n = m.shape
    step = max(1, BLOCK // max(1, n))
    for low in range(0, out, step):
        yield low, min(out, low + step)


def apply(m: Matrix, x: Array) -> Array:
    """ΔW x for x (n, k)."""
    if isinstance(m, Factors):
        y = m.B @ (m.A @ x)
    elif isinstance(m, Kron):
        y = _kron_apply(m.first, m.second, x)
    else:
        y = np.concatenate([rows(m, *block) @ x for block in row_blocks(m)])
    return y * y.dtype.type(m.scale)


def apply_transposed(m: Matrix, y: Array) -> Array:
    """ΔWᵀ y for y (out, k)."""
    if isinstance(m, Factors):
        x = m.A.T @ (m.B.T @ y)
    elif isinstance(m, Kron):
        x = _kron_apply(m.first.T, m.second.T, y)
    else:
        x = np.zeros((m.shape[1], y.shape[1]), np.result_type(y, np.float32))
        for low, high in row_blocks(m):
            x += rows(m, low, high).T @ y[low:high]
    return x * x.dtype.type(m.scale)


def _widen(dtype: DTypeLike, *arrays: Array | None) -> list[Array]:
    target = compute_dtype(*arrays) if dtype is None else np.dtype(dtype)
    return [a if a is None else a.astype(target, copy=False) for a in arrays]  # type: ignore[misc]


def _tucker(core: Array, down: Array) -> Array:
    """(r, s, kh, kw) core and (s, in) down -> (r, in*kh*kw)."""
    need_formable(core.size // core.shape[1], down.shape[1])
    product = np.tensordot(core, down, axes=(1, 0))  # (r, kh, kw, in)
    return flat(np.moveaxis(product, -1, 1))


def _half(a: Array, b: Array, core: Array | None) -> tuple[Array, Array]:
    if core is None:
        return a.reshape(a.shape[0], -1), flat(b)
    return a.T, _tucker(core, b)


def _kron(delta: Kronecker, dtype: DTypeLike) -> Kron:
    w1, w1a, w1b, w2, w2a, w2b, t2 = _widen(
        dtype, delta.w1, delta.w1_a, delta.w1_b, delta.w2, delta.w2_a, delta.w2_b, delta.t2
    )
    first = KronFactor(
        None if w1 is None else flat(w1), None if w1 is not None else (flat(w1a), flat(w1b))
    )
    if w2 is not None:
        return Kron(first, KronFactor(flat(w2)), delta.scale)
    return Kron(first, KronFactor(None, _half(w2a, w2b, t2)), delta.scale)


def _kron_apply(first: KronFactor, second: KronFactor, x: Array) -> Array:
    """(W1 ⊗ W2) x, by the side first that leaves less in between."""
    (o1, i1), (o2, n2) = first.shape, second.shape
    if i1 * o2 <= o1 * n2:
        between = second.apply(x.reshape(i1, n2, -1))
        return first.apply(between.reshape(i1, -1)).reshape(o1 * o2, -1)
    between = first.apply(x.reshape(i1, -1)).reshape(o1, n2, -1)
    return second.apply(between).reshape(o1 * o2, -1)
