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


def fold(delta: Delta, widen: bool = True) -> tuple[Delta, bool]:
    """The same change with scale 1, and whether every bit of it was kept.

    fp16 ends at 2**-24: where halving would drop a bit there, the smaller factor becomes fp32,
    unless `widen` is False.
    """
    if isinstance(delta, Dora):
        inner, exact = fold(delta.inner, widen)
        assert not isinstance(inner, Dora)
        return Dora(inner, delta.magnitude), exact
    if delta.scale == 1.0:
        return delta, True
    slots = take(delta)
    first, second = next(pair for pair in _CARRIERS if pair[0] in slots)
    if second is None or second not in slots:
        slots[first], exact = _fold_lone(slots[first], delta.scale, widen)
    else:
        pair, exact = _fold_two(slots[first], slots[second], delta.scale, widen)
        slots[first], slots[second] = pair
    return put(delta, slots, 1.0), exact


def _fold_two(a: Array, b: Array, scale: float, widen: bool) -> tuple[tuple[Array, Array], bool]:
    """(a', b') with a' b' = scale * a b; what is no power of two goes to `a`, rounded once."""
    if scale == 0.0 or not math.isfinite(scale):
        return (times(a, scale), b), scale == 0.0
    if scale < 0:
        a, scale = times(a, -1.0), -scale
    mantissa, exponent = math.frexp(scale)
    odd, power = 2 * mantissa, exponent - 1
    half = power // 2
    for on_a, on_b in ((power - half, half), (power, 0), (0, power)):
        moved, exact_b = shift(b, on_b)
        scaled, exact_a = _fold_one(a, odd * 2.0**on_a, False)
        if exact_b and (exact_a or odd != 1.0):
            return (scaled, moved), exact_a
    if widen and b.size < a.size:
        moved, exact_b = _fold_one(b, scale, True)
        return (a, moved), exact_b
    scaled, exact_a = _fold_one(a, scale, widen)
    return (scaled, b), exact_a


def _fold_one(a: Array, scale: float, widen: bool) -> tuple[Array, bool]:
    """scale * a, in fp32 where a's own dtype cannot hold a power of two of it."""
    exact = a.astype(np.float64) * scale
    power = math.frexp(abs(scale))[0] in (0.0, 0.5)
    for dtype in (a.dtype, np.dtype(np.float32)) if widen and power else (a.dtype,):
        with np.errstate(over="ignore"):
            moved = exact.astype(dtype)
        if power and np.array_equal(moved.astype(np.float64), exact, equal_nan=True):
            return moved, True
    with np.errstate(over="ignore"):
        return exact.astype(a.dtype), False


def _fold_lone(a: Array, scale: float, widen: bool) -> tuple[Array, bool]:
    """scale * a where no other factor and no alpha can take it: rounded no coarser than fp32."""
    moved, exact = _fold_one(a, scale, widen)
    if exact or not widen or a.dtype.itemsize >= 4:
        return moved, exact
    return (a.astype(np.float64) * scale).astype(np.float32), False


def times(x: Array, factor: float) -> Array:
    """x * factor rounded once to x's dtype."""
    with np.errstate(over="ignore"):
        return (x.astype(np.float64) * factor).astype(x.dtype)


def shift(x: Array, power: int) -> tuple[Array, bool]:
    """x * 2**power, and whether no bit fell off either end of the dtype."""
    if power == 0:
        return x, True
    wide = x.astype(np.float64)
    exact = np.ldexp(wide, power)
    with np.errstate(over="ignore"):
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
        with np.errstate(over="ignore"):
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


def scaled_bias(bias: Bias, scale: float, widen: bool = True) -> tuple[Array, bool]:
    """The bias vector as it must stand where the reader multiplies by `scale`."""
    if bias.scale == scale:
        return bias.bias, True
    return _fold_lone(bias.bias, bias.scale / scale, widen)
