"""Inner products of weight changes across ranks and kinds, from their factors.

<B A, B' A'> = sum((Bᵀ B') ∘ (A A'ᵀ)); the output-side product is ‖Dᵀ D'‖² = <D Dᵀ, D' D'ᵀ> and the
input-side one ‖D D'ᵀ‖². Kronecker products factorise: <W1 ⊗ W2, V1 ⊗ V2> = <W1, V1> <W2, V2>.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TypeVar

import numpy as np

from lorarium.adapter import Adapter, Array, Delta, Dora, Module
from lorarium.algebra.dtypes import DTypeLike
from lorarium.algebra.forms import (
    Factors,
    Form,
    Kron,
    Matrix,
    Product,
    Vector,
    apply,
    apply_transposed,
    form,
    row_blocks,
    rows,
)
from lorarium.algebra.lower import lowered_factors
from lorarium.algebra.sides import KronFactor, need_formable
from lorarium.errors import LorariumError

Rule = Callable[[Form, Form], float]
T = TypeVar("T", Adapter, Delta)


def inner(a: Adapter | Delta, b: Adapter | Delta, *, dtype: DTypeLike = None) -> float:
    """<ΔW_a, ΔW_b>; over two adapters the sum over the modules that both have."""
    return _total(_inner, a, b, dtype)


def gram_out(a: Adapter | Delta, b: Adapter | Delta, *, dtype: DTypeLike = None) -> float:
    """‖ΔW_aᵀ ΔW_b‖²: agreement of the column spaces, blind to the rows; vectors count as 0."""
    return _total(_gram_out, a, b, dtype)


def gram_in(a: Adapter | Delta, b: Adapter | Delta, *, dtype: DTypeLike = None) -> float:
    """‖ΔW_a ΔW_bᵀ‖²: agreement of the row spaces, blind to the columns; vectors count as 0."""
    return _total(_gram_in, a, b, dtype)


def norm(a: Adapter | Delta, *, dtype: DTypeLike = None) -> float:
    """Frobenius norm; NaN where an entry is."""
    square = inner(a, a, dtype=dtype)
    return 0.0 if square < 0 else math.sqrt(square)  # rounding can leave a zero just below zero


def cosine(a: Adapter | Delta, b: Adapter | Delta, *, dtype: DTypeLike = None) -> float:
    """<a, b> / (‖a‖ ‖b‖), 0 when either is zero."""
    size = norm(a, dtype=dtype) * norm(b, dtype=dtype)
    return inner(a, b, dtype=dtype) / size if size else 0.0


def inner_by_module(a: Adapter, b: Adapter, *, dtype: DTypeLike = None) -> dict[Module, float]:
    """<ΔW_a, ΔW_b> of each module that both adapters have."""
    return _by_module(_inner, a, b, dtype)


def drop_magnitude(a: T) -> T:
    """The same with each DoRA replaced by the change inside it; its magnitude is left out."""
    if isinstance(a, Adapter):
        return a.with_(deltas={m: drop_magnitude(d) for m, d in a.items()})
    return a.inner if isinstance(a, Dora) else a  # type: ignore[return-value]


def exact_sum(values: Iterable[float]) -> float:
    """The exact sum, infinite where it is too large and NaN where infinities cancel.

    `math.fsum` raises there, and what is too large must be told of a file, not raised by it.
    """
    held = [float(value) for value in values]
    try:
        return math.fsum(held)
    except (OverflowError, ValueError):
        with np.errstate(over="ignore", invalid="ignore"):
            return float(np.sum(held))


def _total(rule: Rule, a: Adapter | Delta, b: Adapter | Delta, dtype: DTypeLike) -> float:
    if isinstance(a, Adapter) and isinstance(b, Adapter):
        return exact_sum(_by_module(rule, a, b, dtype).values())
    if isinstance(a, Adapter) or isinstance(b, Adapter):
        raise LorariumError("an adapter and a single delta have no inner product")
    return _pair(rule, a, b, dtype)


def _by_module(rule: Rule, a: Adapter, b: Adapter, dtype: DTypeLike) -> dict[Module, float]:
    products = {}
    for module, delta in a.items():
        if module in b.deltas:
            try:
                products[module] = _pair(rule, delta, b.deltas[module], dtype)
            except LorariumError as error:
                raise LorariumError(error.what, where=str(module), hint=error.hint) from None
    return products


def _pair(rule: Rule, a: Delta, b: Delta, dtype: DTypeLike) -> float:
    left = _cheaper(form(a, dtype))
    right = left if a is b else _cheaper(form(b, dtype))
    if left.shape != right.shape:
        raise LorariumError(
            f"shapes differ: {a.shape} and {b.shape}", hint="are both for the same base model?"
        )
    return rule(left, right)


def _cheaper(matrix: Form) -> Form:
    """A product of products as factors, where these are less work than its entries."""
    if not isinstance(matrix, Product):
        return matrix
    (out, n), ranks = matrix.shape, (matrix.B1.shape[1], matrix.B2.shape[1])
    many = (ranks[0] * ranks[1]) ** 2 * (out + n) > out * n * sum(ranks)
    return matrix if many else lowered_factors(matrix)


def _dot(x: Array, y: Array) -> float:
    """sum(x ∘ y), summed in float64."""
    return float(np.einsum("i,i->", x.reshape(-1), y.reshape(-1), dtype=np.float64))


def _inner(a: Form, b: Form) -> float:
    scale = a.scale * b.scale
    if isinstance(a, Vector) or isinstance(b, Vector):
        assert isinstance(a, Vector) and isinstance(b, Vector)
        return scale * _dot(a.b, b.b)
    if isinstance(a, Factors) and isinstance(b, Factors):
        return scale * _dot(a.B.T @ b.B, a.A @ b.A.T)
    if isinstance(a, Kron) and isinstance(b, Kron) and a.first.shape == b.first.shape:
        return scale * _side_dot(a.first, b.first) * _side_dot(a.second, b.second)
    if isinstance(a, Factors):
        a, b = b, a
    if isinstance(b, Factors):
        return b.scale * _dot(apply(a, b.A.T), b.B)
    blocks = row_blocks(a)
    return scale * exact_sum(_dot(rows(a, *block), rows(b, *block)) for block in blocks)


def _gram_out(a: Form, b: Form) -> float:
    if isinstance(a, Vector) or isinstance(b, Vector):
        return 0.0
    if isinstance(a, Factors) and isinstance(b, Factors):
        M = a.B.T @ b.B
        return (a.scale * b.scale) ** 2 * _dot((a.A @ a.A.T) @ M, M @ (b.A @ b.A.T))
    if isinstance(a, Kron) and isinstance(b, Kron) and a.first.shape == b.first.shape:
        sides = _side_gram(a.first, b.first), _side_gram(a.second, b.second)
        return (a.scale * b.scale) ** 2 * sides[0] * sides[1]
    if isinstance(a, Factors):
        a, b = b, a
    if isinstance(b, Factors):
        X = apply_transposed(a, b.B)
        return b.scale**2 * _dot(X.T @ X, b.A @ b.A.T)
    return _by_columns(a, b)


def _gram_in(a: Form, b: Form) -> float:
    if isinstance(a, Vector) or isinstance(b, Vector):
        return 0.0
    if isinstance(a, Factors) and isinstance(b, Factors):
        M = a.A @ b.A.T
        return (a.scale * b.scale) ** 2 * _dot((a.B.T @ a.B) @ M, M @ (b.B.T @ b.B))
    if isinstance(a, Kron) and isinstance(b, Kron) and a.first.shape == b.first.shape:
        sides = _side_gram(a.first.T, b.first.T), _side_gram(a.second.T, b.second.T)
        return (a.scale * b.scale) ** 2 * sides[0] * sides[1]
    if isinstance(a, Factors):
        a, b = b, a
    if isinstance(b, Factors):
        X = apply(a, b.A.T)
        return b.scale**2 * _dot(X.T @ X, b.B.T @ b.B)
    total = 0.0
    for block in row_blocks(a):
        X = apply(b, rows(a, *block).T)
        total += _dot(X, X)
    return a.scale**2 * total


def _side_dot(a: KronFactor, b: KronFactor) -> float:
    """<W, V>."""
    if a.thin and b.thin:
        (B, A), (D, C) = a.pair, b.pair  # type: ignore[misc]
        return _dot(B.T @ D, A @ C.T)
    return _dot(a.array, b.array)


def _side_gram(a: KronFactor, b: KronFactor) -> float:
    """‖Wᵀ V‖² = <W Wᵀ, V Vᵀ>."""
    if a.thin and b.thin:
        (B, A), (D, C) = a.pair, b.pair  # type: ignore[misc]
        M = B.T @ D
        return _dot((A @ A.T) @ M, M @ (C @ C.T))
    rows, columns = a.shape
    if rows < columns:
        need_formable(rows, rows)
        return _dot(a.array @ a.array.T, b.array @ b.array.T)
    X = a.array.T @ b.array
    return _dot(X, X)


def _by_columns(a: Matrix, b: Matrix) -> float:
    """‖Dᵀ D'‖² for two changes without factors, a block of the columns of D' at a time."""
    n = b.shape[1]
    step = max(1, 2**22 // max(b.shape))
    total = 0.0
    for low in range(0, n, step):
        unit = np.zeros((n, min(step, n - low)), np.float32)
        unit[np.arange(low, low + unit.shape[1]), np.arange(unit.shape[1])] = 1
        X = apply_transposed(a, apply(b, unit))
        total += _dot(X, X)
    return total
