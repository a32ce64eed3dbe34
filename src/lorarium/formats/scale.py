"""Where the scale goes when a dialect has no place for it: into the factors, exactly if possible.

A power of two is divided over both factors by shifting exponents, which fp16 and bf16 hold
exactly; what is left of the scale rounds one factor once.
"""

from __future__ import annotations

import math

import numpy as np

from lorarium.adapter import Array, Bias, Delta, Dora, Linear

from .slots import put, take

# the factors that carry the scale, tried in this order
_CARRIERS = (
    ("up", "down"),
    ("hada_w1_a", "hada_w1_b"),
    ("lokr_w1", "lokr_w2"),
    ("lokr_w1_a", "lokr_w1_b"),
    ("lokr_w2_a", "lokr_w2_b"),
    ("diff", None),
    ("diff_b", None),
)


def fold(delta: Delta) -> tuple[Delta, bool]:
    """The same change with scale 1, and whether every bit of it was kept."""
    if isinstance(delta, Dora):
        inner, exact = fold(delta.inner)
        assert not isinstance(inner, Dora)
        return Dora(inner, delta.magnitude), exact
    if delta.scale == 1.0:
        return delta, True
    slots = take(delta)
    first, second = next(pair for pair in _CARRIERS if pair[0] in slots)
    if second is not None and second not in slots:
        second = None
    changed, exact = fold_pair(slots[first], slots[second] if second else None, delta.scale)
    for name, array in zip((first, second), changed, strict=True):
        if name is not None and array is not None:
            slots[name] = array
    return put(delta, slots, 1.0), exact


def fold_pair(a: Array, b: Array | None, scale: float) -> tuple[tuple[Array, Array | None], bool]:
    """(a', b') with a' b' = scale * a b; the odd part of the scale goes to `a`."""
    if scale == 0.0:
        return (np.zeros_like(a), b), True
    mantissa, exponent = math.frexp(abs(scale))
    odd, power = math.copysign(2 * mantissa, scale), exponent - 1
    splits = [(power, 0)]
    if b is not None:
        half = power // 2
        splits = [(power - half, half), (power, 0), (0, power)]
    if abs(odd) != 1.0:
        a = times(a, odd)
    for on_a, on_b in splits:
        shifted, exact_a = shift(a if odd != -1.0 else times(a, -1.0), on_a)
        other, exact_b = (b, True) if b is None else shift(b, on_b)
        if exact_a and exact_b:
            return (shifted, other), abs(odd) == 1.0
    shifted, _ = shift(a if odd != -1.0 else times(a, -1.0), splits[0][0])
    return (shifted, None if b is None else shift(b, splits[0][1])[0]), False


def times(x: Array, factor: float) -> Array:
    """x * factor rounded once to x's dtype."""
    return (x.astype(np.float64) * factor).astype(x.dtype)


def shift(x: Array, power: int) -> tuple[Array, bool]:
    """x * 2**power, and whether no bit fell off either end of the dtype."""
    if power == 0:
        return x, True
    wide = x.astype(np.float64)
    exact = np.ldexp(wide, power)
    moved = exact.astype(x.dtype)
    return moved, bool(np.array_equal(moved.astype(np.float64), exact, equal_nan=True))


def alpha_for(scale: float, rank: int) -> float:
    """The alpha for which alpha / rank is the scale, to the last bit where one exists."""
    alpha = scale * rank
    for candidate in (float(np.float32(alpha)), alpha, np.nextafter(alpha, 0.0)):
        if candidate / rank == scale:
            return float(candidate)
    up = float(np.nextafter(alpha, math.copysign(math.inf, alpha)))
    return up if up / rank == scale else alpha


def cast(delta: Delta, dtype: np.dtype) -> tuple[Delta, bool]:
    """The same change in another dtype, and whether nothing was rounded."""
    if isinstance(delta, Dora):
        inner, exact = cast(delta.inner, dtype)
        assert not isinstance(inner, Dora)
        magnitude = delta.magnitude.astype(dtype)
        exact = exact and _equal(magnitude, delta.magnitude)
        return Dora(inner, magnitude), exact
    slots = take(delta)
    with np.errstate(over="ignore"):
        moved = {name: array.astype(dtype) for name, array in slots.items()}
    exact = all(_equal(moved[name], slots[name]) for name in slots)
    return _recast(delta, moved), exact


def _recast(delta: Linear, slots: dict[str, Array]) -> Linear:
    return put(delta, slots, delta.scale)


def _equal(a: Array, b: Array) -> bool:
    return a is b or bool(
        np.array_equal(a.astype(np.float64), b.astype(np.float64), equal_nan=True)
    )


def scaled_bias(bias: Bias, scale: float) -> tuple[Array, bool]:
    """The bias vector as it must stand where the reader multiplies by `scale`."""
    (array, _), exact = fold_pair(bias.bias, None, bias.scale / scale)
    if bias.scale == scale:
        return bias.bias, True
    return array, exact
