"""Adapters against the fixed probes: what sketches are made of, from the factors alone.

For a module ΔW = s B A with its windows of signs folded in, P = Bᵀ R and Q = A R' give the grid
Rᵀ ΔW R' = s Pᵀ Q, and with the Gram matrices of the factors Rᵀ ΔW ΔWᵀ R = s² Pᵀ (A Aᵀ) P and its
mirror. Modules of one shape go together, a cache's worth at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import ml_dtypes
import numpy as np

from lorarium.adapter import Adapter, Array, Kronecker, Linear, LowRank, Module
from lorarium.algebra import inner, lowering_cost
from lorarium.algebra.dtypes import compute_dtype
from lorarium.algebra.forms import apply, apply_transposed, form, matrix_form
from lorarium.algebra.lower import lowered_factors
from lorarium.algebra.stacks import HINT, NOT_FINITE
from lorarium.descriptors.changes import changes
from lorarium.descriptors.probes import address, probes, windows
from lorarium.errors import LorariumError

# Probes of the two sides, and how many of the left ones serve the product. Content is read from
# the left side, and with few modules the number of probes limits it. 44 * 45 / 2, 31 * 32 / 2 and
# 33 * 31 are just below powers of two.
LEFT, RIGHT, GRID = 44, 31, 33
CHUNK = 2**19  # entries of stacked factors: what a cache holds
AS_IT_STANDS = 16  # rank from which B is not worth turning around for one product of all modules
LONGEST = 2**18  # a longer side is in no network we know, and probing it takes memory
TRUSTED = 2.0**32  # squared length of a factor's row up to which float32 is safe
_HALF_BITS = np.uint32(0x8FFFE000).view(np.int32)  # sign, exponent and mantissa, once in place
_HALF_POWER = 2.0**112  # between the exponents of half and single precision


class Projected(NamedTuple):
    """Some modules: the grid Rᵀ ΔW R' (k, GRID, RIGHT); up to a positive factor Rᵀ ΔW ΔWᵀ R
    (k, LEFT, LEFT) and R'ᵀ ΔWᵀ ΔW R' (k, RIGHT, RIGHT), None for vectors; ‖ΔW‖² and ‖ΔW ΔWᵀ‖²
    (k,), the latter estimated where there are no small factors; out and n; the rank as stored, 0
    for vectors and where there is none."""

    modules: list[Module]
    grid: Array
    output: Array | None
    input: Array | None
    square: Array
    fourth: Array
    shape: tuple[int, int]
    rank: int


class _Pair(NamedTuple):
    """A change as two factors in the dtype of the file: B (out, r), A (r, n)."""

    module: Module
    B: Array
    A: Array
    scale: float


def project(adapter: Adapter) -> Iterator[Projected]:
    """Every change of an adapter once, in an order that depends on names and shapes alone."""
    groups: dict[tuple, list[_Pair]] = {}
    for module, change in changes(adapter):
        shape = change.shape
        longest = max(shape[0], math.prod(shape[1:]))
        if longest > LONGEST:
            raise LorariumError(f"a side of {longest} entries", where=str(module))
        pair = _pair(module, change)
        if pair is None:
            yield _without_factors(module, change)
        elif pair.B.size and pair.A.size:
            vector = len(shape) < 2
            key = (vector, *pair.B.shape, pair.A.shape[1], pair.B.dtype.num, pair.A.dtype.num)
            groups.setdefault(key, []).append(pair)
    for (vector, out, r, n, *_), members in groups.items():
        step = max(1, CHUNK // (r * (out + n)))
        for start in range(0, len(members), step):
            yield _with_factors(members[start : start + step], bool(vector))


def _pair(module: Module, change: Linear) -> _Pair | None:
    """The factors as they stand in the file, or computed where the kind has others; None for a
    kind without small ones."""
    if isinstance(change, LowRank) and change.mid is None:
        B, A = change.up, change.down
        return _Pair(module, B.reshape(B.shape[:2]), A.reshape(len(A), -1), change.scale)
    if len(change.shape) < 2:
        bias = form(change)
        return _Pair(module, bias.b[:, None], np.ones((1, 1), bias.b.dtype), bias.scale)  # type: ignore[union-attr]
    if not isinstance(change, Kronecker) and not lowering_cost(change).full:
        factors = lowered_factors(form(change))
        return _Pair(module, factors.B, factors.A, factors.scale)
    return None


def _with_factors(pairs: list[_Pair], vectors: bool) -> Projected:
    left = _signed([p.B.T for p in pairs], [address(p.module).left for p in pairs])
    right = _signed([p.A for p in pairs], [address(p.module).right for p in pairs])
    BB, AA = left @ left.transpose(0, 2, 1), right @ right.transpose(0, 2, 1)
    if not (_largest(BB) < TRUSTED and _largest(AA) < TRUSTED):
        if left.dtype == right.dtype == np.float64:
            _refuse_not_finite(pairs)
        else:
            wide = [p._replace(B=p.B.astype("f8"), A=p.A.astype("f8")) for p in pairs]
            return _with_factors(wide, vectors)
    P, Q = _probed(left, LEFT), _probed(right, RIGHT)
    Pt, Qt = P.transpose(0, 2, 1), Q.transpose(0, 2, 1)
    scale = np.array([p.scale for p in pairs])
    products = BB.astype(np.float64) @ AA.astype(np.float64)
    return Projected(
        [p.module for p in pairs],
        (Pt[:, :GRID] @ Q) * scale[:, None, None].astype(P.dtype),
        None if vectors else Pt @ (AA @ P),
        None if vectors else Qt @ (BB @ Q),
        np.einsum("kii->k", products).clip(0) * scale**2,
        np.einsum("kij,kji->k", products, products).clip(0) * scale**4,
        (left.shape[2], right.shape[2]),
        0 if vectors else left.shape[1],
    )


def _without_factors(module: Module, change: Linear) -> Projected:
    matrix = matrix_form(change)
    out, n = matrix.shape
    place = address(module)
    U = probes(out, LEFT) * windows([place.left], out).T
    V = probes(n, RIGHT) * windows([place.right], n).T
    Y, Z = apply_transposed(matrix, U), apply(matrix, V)
    output, input = Y.T @ Y, Z.T @ Z
    square = inner(change, change)
    if not (np.isfinite(square) and np.isfinite(output).all() and np.isfinite(input).all()):
        raise LorariumError(NOT_FINITE, where=str(module), hint=HINT)
    fourth = (_estimated_square(output) + _estimated_square(input)) / 2
    sizes = np.array([square]), np.array([fourth])
    grid = Y[:, :GRID].T @ V
    return Projected([module], grid[None], output[None], input[None], *sizes, matrix.shape, 0)


def _estimated_square(gram: Array) -> float:
    """‖M‖² from Rᵀ M R: for two different probes the mean of (uᵀ M w)² over all signs."""
    apart = ~np.eye(len(gram), dtype=bool)
    return float(np.square(gram[apart]).mean())


def _signed(rows: Sequence[Array], starts: Sequence[int]) -> Array:
    """Arrays (r, d) as one stack (k, r, d), every row times the signs of its module."""
    dtype, (r, d) = rows[0].dtype, rows[0].shape
    if r >= AS_IT_STANDS and not rows[0].flags.c_contiguous:
        stack = np.empty((len(rows), d, r), compute_dtype(rows[0])).transpose(0, 2, 1)
    else:
        stack = np.empty((len(rows), r, d), compute_dtype(rows[0]))
    power = 1.0
    if dtype == np.float16 and _subnormals():  # by its bits, several times faster than a cast
        words = stack.view(np.int32)
        for i, row in enumerate(rows):
            words[i] = row.view(np.int16)
        np.left_shift(words, 13, out=words)
        np.bitwise_and(words, _HALF_BITS, out=words)
        power = _HALF_POWER
    elif dtype == ml_dtypes.bfloat16:
        words = stack.view(np.int32)
        for i, row in enumerate(rows):
            words[i] = row.view(np.int16)
        np.left_shift(words, 16, out=words)
    else:
        for i, row in enumerate(rows):
            stack[i] = row
    return np.multiply(stack, windows(starts, stack.shape[2], power)[:, None], out=stack)


def _subnormals() -> bool:
    """Whether this process computes with them: a library compiled for speed may have ended that."""
    return bool(np.float32(2.0**-140) * np.float32(_HALF_POWER))


def _probed(stack: Array, count: int) -> Array:
    """(k, r, d) against R: (k, r, count)."""
    k, r, d = stack.shape
    if not stack.flags.c_contiguous:
        return stack @ probes(d, count)
    return (stack.reshape(k * r, d) @ probes(d, count)).reshape(k, r, count)


def _largest(gram: Array) -> float:
    """The largest squared length of a row; NaN where an entry is."""
    return float(np.diagonal(gram, axis1=1, axis2=2).max())


def _refuse_not_finite(pairs: list[_Pair]) -> None:
    for p in pairs:
        if not (np.isfinite(p.B).all() and np.isfinite(p.A).all()):
            raise LorariumError(NOT_FINITE, where=str(p.module), hint=HINT)
