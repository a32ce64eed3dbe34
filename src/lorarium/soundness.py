"""What a change of a weight must be to be sound: its numbers, its shape, its scale."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import ml_dtypes
import numpy as np

from lorarium.errors import LorariumError

Array = np.ndarray

# the number types a weight may have; integers and exponents alone (float8_e8m0fnu) are codes
_REAL: tuple[Any, ...] = (
    *(np.float64, np.float32, np.float16, ml_dtypes.bfloat16),
    *(ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2),
    *(ml_dtypes.float8_e4m3fnuz, ml_dtypes.float8_e5m2fnuz),
)
REAL = frozenset(np.dtype(t).newbyteorder(order) for t in _REAL for order in "=S")
MOST_AXES = 5  # of a weight: a video model's kernel has (out, in, t, h, w)
MOST_ENTRIES = 2**30  # of a weight: small factors could claim one that nothing can work on
LONGEST_SIDE = 2**20  # of a weight that factors claim: four times the largest vocabulary
LARGEST_SCALE = float(np.finfo(np.float32).max)
# Shares of a norm that rounding may take: some units in the last place; of 16 bits and fewer a
# little more, since fp16 has fewer places near its smallest numbers; and never so much that the
# change is another one, whatever the number type.
ULPS, NARROW, MOST = 4, 1 / 32, 1 / 3


def dims(shape: Array | tuple[int, ...]) -> str:
    """A shape as people write it: `4x2`."""
    shape = shape.shape if isinstance(shape, np.ndarray) else shape
    return "x".join(map(str, shape)) or "of a single number"


def need_numbers(delta: Any, required: tuple[str, ...]) -> None:
    """Every array of a change holds real numbers, and at least one of them."""
    for name, value in vars(delta).items():
        if value is None and name not in required:
            continue
        if isinstance(value, np.ndarray):
            if value.dtype not in REAL:
                raise LorariumError(f"{name} holds {value.dtype.name}, not the numbers of a weight")
            if not value.size:
                raise LorariumError(f"{name} {dims(value)} is empty")
        elif name not in ("scale", "inner", "fused", "fused_rows"):
            raise LorariumError(f"{name} is no array but {type(value).__name__}")


def need_weight(delta: Any, *, held: bool = False) -> None:
    """The weight it changes is one that can be worked on, and its scale a number for that."""
    shape = delta.shape
    fits = 1 <= len(shape) <= MOST_AXES and math.prod(shape) <= MOST_ENTRIES
    if fits and not held:  # by its factors, which could claim anything
        fits = max(shape[0], math.prod(shape[1:])) <= LONGEST_SIDE
    if not fits:
        raise LorariumError(f"a weight {dims(shape)} is none of a model")
    scale = delta.scale
    if isinstance(scale, bool) or not isinstance(scale, int | float | np.floating):
        raise LorariumError(f"its scale is no number but {type(scale).__name__}")
    size: Any = abs(scale)
    if not size <= LARGEST_SCALE:  # an int of any length can be compared, not converted
        number = scale if isinstance(scale, float) else "out of range"
        raise LorariumError(f"its scale is {number}")
    object.__setattr__(delta, "scale", float(scale))


def rounding_limit(dtypes: Iterable[Any]) -> float:
    """The share of a norm that storing numbers in these types may take."""
    held = [np.dtype(dtype) for dtype in dtypes]
    units = ULPS * max(float(ml_dtypes.finfo(dtype).eps) for dtype in held)
    narrow = any(dtype.itemsize <= 2 for dtype in held)
    return min(MOST, max(units, NARROW if narrow else 0.0))


def is_matrix(array: Array) -> bool:
    """(a, b), or (a, b, 1, 1) as convolutions spell it."""
    return array.ndim >= 2 and array.size == array.shape[0] * array.shape[1]


def tucker_fits(core: Array, rows: int, columns: int) -> bool:
    return core.ndim >= 3 and core.shape[:2] == (rows, columns)


def product_shape(name: str, a: Array, b: Array, core: Array | None) -> tuple[int, ...]:
    """Shape of `a b`, or of the Tucker form of a (r, out), core (r, s, ...), b (s, in)."""
    if core is None:
        fits = is_matrix(a) and b.ndim >= 2 and a.shape[1] == b.shape[0]
    else:
        fits = a.ndim == b.ndim == 2 and tucker_fits(core, a.shape[0], b.shape[0])
    if not fits:
        middle = "" if core is None else f" with a core {dims(core)}"
        raise LorariumError(
            f"its factors {name}_a {dims(a)}, {name}_b {dims(b)}{middle} do not meet"
        )
    return matrix_shape(None, a, b, core)


def matrix_shape(
    matrix: Array | None, a: Array | None, b: Array | None, tucker: Array | None
) -> tuple[int, ...]:
    if matrix is not None:
        return tuple(matrix.shape)
    assert a is not None and b is not None
    if tucker is not None:
        return (a.shape[1], b.shape[1], *tucker.shape[2:])
    return (a.shape[0], *b.shape[1:])
