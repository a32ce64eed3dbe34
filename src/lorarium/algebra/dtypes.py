"""Number types: what to compute in, what to store in, and which conversions are exact."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import ml_dtypes
import numpy as np

from lorarium.adapter import Array
from lorarium.errors import UnverifiedError
from lorarium.soundness import rounding_limit

DTypeLike = Any


def compute_dtype(*arrays: Array | None) -> np.dtype:
    """float64 when any input has it, otherwise float32."""
    wide = any(a is not None and a.dtype == np.float64 for a in arrays)
    return np.dtype(np.float64 if wide else np.float32)


def holds(outer: DTypeLike, inner: DTypeLike) -> bool:
    """Whether every value of `inner` is a value of `outer`."""
    a, b = ml_dtypes.finfo(outer), ml_dtypes.finfo(inner)
    return bool(
        a.nmant >= b.nmant
        and float(a.max) >= float(b.max)
        and float(a.smallest_subnormal) <= float(b.smallest_subnormal)
    )


def common_dtype(dtypes: Iterable[DTypeLike]) -> np.dtype:
    """The narrowest of the given float types, float32 and float64 that holds them all exactly."""
    given: set[np.dtype[Any]] = {np.dtype(d) for d in dtypes}
    floats = {d for d in given if _is_float(d)}
    wide: set[np.dtype[Any]] = {np.dtype(np.float32), np.dtype(np.float64)}
    if floats != given:
        floats |= {np.dtype(np.float32)}
    candidates = sorted(floats | wide, key=_bits)
    return next(c for c in candidates if all(holds(c, d) for d in floats))


def factor_dtype(dtypes: Iterable[DTypeLike]) -> np.dtype:
    """Where newly computed factors are stored: as `common_dtype`, but 8-bit floats become bf16."""
    dtype = common_dtype(dtypes)
    return np.dtype(ml_dtypes.bfloat16) if dtype.itemsize == 1 else dtype


def is_power_of_two(value: float) -> bool:
    return math.isfinite(value) and abs(math.frexp(value)[0]) == 0.5


def cast_exactly(values: Array, dtype: DTypeLike) -> Array | None:
    """`values` in `dtype`, or None when some value would change."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        cast = values.astype(dtype)
        same = np.array_equal(cast.astype(values.dtype), values, equal_nan=True)
    return cast if same else None


def round_to(values: Array, dtype: DTypeLike) -> Array:
    """`values` in `dtype`, refused where they are too small for it; too large ones are infinite.

    Infinite values are the writer's to refuse, which knows every module that has them.
    """
    target = np.dtype(dtype)
    if values.dtype == target:
        return values
    result = rounded_to(values, target)
    refuse_lost(float(np.abs(values).max(initial=0.0)), target, lambda: [(values, result)])
    return result


def rounded_to(values: Array, dtype: DTypeLike) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(dtype)


def refuse_lost(
    largest: float, target: np.dtype, pieces: Callable[[], Iterable[tuple[Array, Array]]]
) -> None:
    """Refuse numbers that are too small for a type, given the largest of them; `pieces` gives them
    and what they are rounded to, and is asked only where that can be."""
    # next to a number of 2**20 steps the rounding of up to 2**26 others is nothing
    limit = 2.0**20 * float(ml_dtypes.finfo(target).smallest_subnormal)
    if not 0 < largest < limit:
        return
    power = -math.frexp(largest)[1]  # squares of tiny numbers would vanish
    norm = error = 0.0
    for piece, result in pieces():
        wide, rounded = (np.ldexp(a.astype(np.float64), power) for a in (piece, result))
        norm = math.hypot(norm, float(np.linalg.norm(wide)))
        error = math.hypot(error, float(np.linalg.norm(wide - rounded)))
    if error > rounding_limit([target]) * norm:
        what = f"values up to {largest:.2g} are too small for {target.name}"
        raise UnverifiedError(what, hint="choose a wider number type")


def _is_float(dtype: np.dtype) -> bool:
    try:
        ml_dtypes.finfo(dtype)
    except ValueError:
        return False
    return True


def _bits(dtype: np.dtype) -> tuple[int, int]:
    return dtype.itemsize, int(ml_dtypes.finfo(dtype).nmant)
