"""Is what was written what was meant? A comparison of factors, never of whole weights."""

from __future__ import annotations

import math

import numpy as np

from lorarium.adapter import Array, Delta, Dora, LowRank

from .slots import take


def difference(a: Delta, b: Delta) -> float:
    """‖ΔW_a - ΔW_b‖ / ‖ΔW_a‖, 0.0 when equal to the last bit, inf when the kinds differ.

    For low rank it is the bound ‖B_a (A_a - A_b)‖ + ‖(B_a - B_b) A_b‖, free of cancellation.
    """
    if isinstance(a, Dora) and isinstance(b, Dora):
        same = np.array_equal(_wide(a.magnitude).ravel(), _wide(b.magnitude).ravel())
        magnitude = 0.0 if same else _relative(a.magnitude, b.magnitude)
        return max(difference(a.inner, b.inner), magnitude)
    if type(a) is not type(b) or a.shape[0] != b.shape[0]:
        return math.inf
    if isinstance(a, LowRank) and isinstance(b, LowRank):
        return _low_rank(a, b)
    assert not isinstance(a, Dora) and not isinstance(b, Dora)
    return _others(take(a), a.scale, take(b), b.scale)


def _others(a: dict[str, Array], scale_a: float, b: dict[str, Array], scale_b: float) -> float:
    """Same factors up to powers of two that cancel; otherwise the sum of their deviations."""
    if set(a) != set(b) or any(a[name].size != b[name].size for name in a):
        return math.inf
    worst, ratio = 0.0, scale_b / scale_a if scale_a else float(scale_b == scale_a)
    for name in a:
        left, right = _wide(a[name]).ravel(), _wide(b[name]).ravel()
        power = _power(right, left)
        ratio *= math.ldexp(1.0, power)
        worst += _relative(left, np.ldexp(right, -power))
    nothing = any(not np.any(_wide(array)) for array in a.values())
    return 0.0 if nothing and worst == 0 else worst + abs(ratio - 1.0)


def _low_rank(a: LowRank, b: LowRank) -> float:
    if (a.mid is None) != (b.mid is None):
        return math.inf
    if a.mid is not None or b.mid is not None or a.rank != b.rank:
        if a.rank == b.rank:
            return _others(take(a), a.scale, take(b), b.scale)
        return _cancelling(a, b)
    up_a, down_a = _matrix(a.up) * a.scale, _matrix(a.down)
    up_b, down_b = _matrix(b.up) * b.scale, _matrix(b.down)
    if up_a.shape != up_b.shape or down_a.shape != down_b.shape:
        return math.inf
    power = _power(down_b, down_a)
    down_b, up_b = np.ldexp(down_b, -power), np.ldexp(up_b, power)
    same_up, same_down = np.array_equal(up_a, up_b), np.array_equal(down_a, down_b)
    if same_up and same_down:
        return 0.0
    whole = _norm(up_a, down_a)
    error = 0.0 if same_down else _norm(up_a, down_a - down_b)
    error += 0.0 if same_up else _norm(up_a - up_b, down_b)
    if whole == 0.0:
        return 0.0 if error == 0.0 else math.inf
    return error / whole


def _cancelling(a: LowRank, b: LowRank) -> float:
    if a.mid is not None:
        return math.inf
    up_a, down_a = _matrix(a.up) * a.scale, _matrix(a.down)
    up_b, down_b = _matrix(b.up) * b.scale, _matrix(b.down)
    whole = _norm(up_a, down_a)
    error = _norm(np.hstack([up_a, -up_b]), np.vstack([down_a, down_b]))
    return error / whole if whole else float(error != 0.0)


def _norm(up: Array, down: Array) -> float:
    """‖B A‖ from the two Gram matrices."""
    square = float(np.sum((up.T @ up) * (down @ down.T)))
    return math.sqrt(max(square, 0.0))


def _relative(a: Array, b: Array) -> float:
    a, b = _wide(a).ravel(), _wide(b).ravel()
    if a.shape != b.shape:
        return math.inf
    if np.array_equal(a, b, equal_nan=True):
        return 0.0
    norm = float(np.linalg.norm(a))
    return float(np.linalg.norm(a - b)) / norm if norm else math.inf


def _power(x: Array, y: Array) -> int:
    """The power of two by which x is larger than y."""
    norms = float(np.linalg.norm(x)), float(np.linalg.norm(y))
    if not all(norms) or not all(map(math.isfinite, norms)):
        return 0
    return round(math.log2(norms[0] / norms[1]))


def _matrix(x: Array) -> Array:
    return _wide(x).reshape(x.shape[0], -1)


def _wide(x: Array) -> Array:
    return x.astype(np.float64)
