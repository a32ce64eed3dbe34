"""What rounding did to the numbers of a file: how many bits they use, how far each may have moved,
and whether two changes are roundings of one.

A file can be wider than its numbers (float16 saved as float32), so the precision is read from the
numbers. Every kind of change is multilinear in its arrays, which is all that is used here.
"""

from __future__ import annotations

import math
from dataclasses import fields
from typing import NamedTuple

import ml_dtypes
import numpy as np

from lorarium.adapter import Array, Delta, Dora, LowRank
from lorarium.algebra.forms import arrays, flat
from lorarium.algebra.inner import inner

FLOAT64_BITS = 53
HALF_BITS = 11  # of float16: what is coarser may have passed through it and been rounded twice
BRAIN_BITS = 8  # of bfloat16
TWICE = 2.0**-HALF_BITS
ALIGNED = 0.9  # least cosine of two roundings of one vector


def significant_bits(values: Array) -> int:
    """Binary digits that the values use, the leading one too; 0 when all are zero."""
    narrow = _float32(values)
    return FLOAT64_BITS if narrow is None else _bits_used(_mantissas(narrow)[0])


def half_steps(values: Array) -> Array:
    """How far from each value a number can have been that was rounded to it."""
    return _measured(values)[1]


def _measured(values: Array) -> tuple[int, Array]:
    """Significant bits and half steps."""
    narrow = _float32(values)
    if narrow is None:
        return FLOAT64_BITS, np.abs(values) * 2.0**-FLOAT64_BITS
    mantissas, exponents = _mantissas(narrow)
    bits = _bits_used(mantissas)
    if not bits:
        return 0, np.zeros(values.shape, np.float32)
    steps = (np.maximum(exponents - bits, 1) << 23).view(np.float32)
    # numbers too small for the type are multiples of its smallest, so the smallest digit is it
    lowest = (mantissas & -mantissas).astype(np.float32).view(np.int32) >> 23
    last = int((exponents + lowest)[mantissas > 0].min())
    return bits, np.maximum(steps, np.float32(math.ldexp(0.5, last - 277)))


def _bits_used(mantissas: Array) -> int:
    digits = int(np.bitwise_or.reduce(mantissas, axis=None, initial=0))
    return 24 - (digits & -digits).bit_length() + 1 if digits else 0


def rounding_energy(delta: Delta) -> float:
    """The expected ‖error‖² of ΔW from the rounding of its arrays, the errors being uniform."""
    if isinstance(delta, Dora):
        return rounding_energy(delta.inner)
    if isinstance(delta, LowRank) and delta.mid is None:
        B, A = flat(delta.up), flat(delta.down)
        columns = _energy(B, 0) @ _energy(half_steps(A), 1) + _energy(half_steps(B), 0) @ _energy(
            A, 1
        )
        return float(columns) * delta.scale**2 / 3
    share = 0.0
    for array in arrays(delta):
        size = float(_energy(array, None))
        share += float(_energy(half_steps(array), None)) / size if size else 0.0
    return share / 3 * inner(delta, delta, dtype=np.float64)


class EntryDifference(NamedTuple):
    """How many of all entries cannot be roundings of one number; `moved` is the energy by which ΔW
    would differ if its arrays differed independently. In other factors of one ΔW they do not, and
    then entries say nothing."""

    apart: int
    entries: int
    moved: float


def entries_apart(a: Delta, b: Delta) -> EntryDifference | None:
    """Two changes entry by entry; None when their arrays do not correspond.

    Components may be in another order, and powers of two and signs may have moved between arrays.
    """
    if isinstance(a, Dora) and isinstance(b, Dora):
        inside = entries_apart(a.inner, b.inner)
        x, y = a.magnitude.reshape(-1), b.magnitude.reshape(-1)
        if inside is None or x.shape != y.shape:
            return None
        return EntryDifference(inside[0] + _apart(x, y), inside[1] + x.size, inside[2])
    if isinstance(a, LowRank) and isinstance(b, LowRank) and a.mid is None and b.mid is None:
        return _components_apart(a, b)
    if type(a) is not type(b) or isinstance(a, Dora) or not a.scale or not b.scale:
        return None
    ratio, apart, count, moved = b.scale / a.scale, 0, 0, 0.0
    for item in fields(a):
        x, y = getattr(a, item.name), getattr(b, item.name)
        if isinstance(x, np.ndarray) != isinstance(y, np.ndarray):
            return None
        if not isinstance(x, np.ndarray):
            continue
        powers = _powers(x.reshape(1, -1), y.reshape(1, -1)) if x.shape == y.shape else None
        if powers is None:
            return None
        ratio *= float(powers[0])
        x = x.astype(np.float64) * powers[0]
        apart, count = apart + _apart(x, y), count + x.size
        moved += float(_energy(x - y.astype(np.float64), None) / _energy(y, None))
    if abs(ratio - 1) > TWICE / 8:
        return None
    return EntryDifference(apart, count, moved * inner(b, b, dtype=np.float64))


def _components_apart(a: LowRank, b: LowRank) -> EntryDifference | None:
    B, A = _alive(a)
    D, C = _alive(b)
    if len(B) != len(D) or B.shape[1:] != D.shape[1:] or A.shape[1:] != C.shape[1:] or not len(B):
        return None
    likeness = np.abs(_unit(B) @ _unit(D).T) * np.abs(_unit(A) @ _unit(C).T)
    order = likeness.argmax(axis=1)
    if len(set(order.tolist())) < len(order) or not a.scale:
        return None
    D, C = D[order], C[order]
    left, right = _powers(B, D), _powers(A, C)
    if left is None or right is None:
        return None
    if (np.abs(left * right * (b.scale / a.scale) - 1) > TWICE / 8).any():
        return None
    B, A = B.astype(np.float64) * left[:, None], A.astype(np.float64) * right[:, None]
    moved = _energy(B - D.astype(np.float64), 1) @ _energy(C, 1)
    moved += _energy(D, 1) @ _energy(A - C.astype(np.float64), 1)
    apart = _apart(B, D) + _apart(A, C)
    return EntryDifference(apart, B.size + A.size, float(moved) * b.scale**2)


def _alive(delta: LowRank) -> tuple[Array, Array]:
    B, A = flat(delta.up).T, flat(delta.down)
    used = np.flatnonzero(B.any(axis=1) & A.any(axis=1))
    return np.ascontiguousarray(B[used]), np.ascontiguousarray(A[used])


def _powers(x: Array, y: Array) -> Array | None:
    """The power of two with its sign that takes each row to its fellow, None if rows differ."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    xx, xy, yy = (np.einsum("ij,ij->i", *pair) for pair in ((x, x), (x, y), (y, y)))
    if (xx * yy <= 0).any() or (np.abs(xy) < ALIGNED * np.sqrt(xx * yy)).any():
        return None
    return np.sign(xy) * np.exp2(np.rint(np.log2(np.abs(xy) / xx)))


def _apart(x: Array, y: Array) -> int:
    first, second = x.astype(np.float64), y.astype(np.float64)
    (bits_x, one), (bits_y, two) = _measured(x), _measured(y)
    bits, reach = (bits_x, bits_y), one + two.astype(np.float64)
    if min(bits) < HALF_BITS:
        reach += TWICE * np.abs(second)
    apart = int((np.abs(first - second) > reach).sum())
    if min(bits) < BRAIN_BITS < max(bits):  # the coarser one may have been bfloat16 before
        fine, coarse, step = (first, second, two) if bits[0] > bits[1] else (second, first, one)
        between = fine.astype(ml_dtypes.bfloat16).astype(np.float64)
        apart = min(apart, int((np.abs(between - coarse) > step + TWICE * np.abs(coarse)).sum()))
    return apart


def _unit(rows: Array) -> Array:
    wide = rows.astype(np.float64)
    return wide / np.sqrt(_energy(wide, 1))[:, None]


def _energy(x: Array, axis: int | None) -> Array:
    return np.square(x.astype(np.float64)).sum(axis=axis)


def _float32(values: Array) -> Array | None:
    """The values as float32, None when some would change; subnormal and other ends left out."""
    if values.dtype.itemsize <= 4:
        return np.ascontiguousarray(values, np.float32)
    with np.errstate(over="ignore", under="ignore"):
        narrow = np.ascontiguousarray(values, np.float32)
    return narrow if np.array_equal(narrow.astype(values.dtype), values, equal_nan=True) else None


def _mantissas(values: Array) -> tuple[Array, Array]:
    """Mantissas with their leading one (0 for zero, subnormal and not finite), and exponents as
    they are stored."""
    bits = values.view(np.int32)
    exponents = (bits >> 23) & 255
    mantissas = (bits & 0x7FFFFF) | 0x800000
    mantissas[(exponents == 0) | (exponents == 255)] = 0
    return mantissas, exponents
