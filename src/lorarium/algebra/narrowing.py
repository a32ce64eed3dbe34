"""Rounding to 16 bits with its error measured; what 16 bits cannot hold well stays float32."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import ml_dtypes
import numpy as np

from lorarium.adapter import Adapter, Array, Bias, Delta, Dense, Dora, LowRank, Module
from lorarium.algebra.dtypes import DTypeLike, cast_exactly
from lorarium.algebra.forms import arrays, flat
from lorarium.algebra.inner import norm
from lorarium.algebra.sums import cast, tidy_fused


@dataclass(frozen=True)
class Rounding:
    """What rounding took: norms over all modules, and those left in float32."""

    norm: float
    error: float
    wide: tuple[Module, ...]

    @property
    def relative(self) -> float:
        return self.error / self.norm if self.norm else 0.0


def rounded(
    adapter: Adapter, dtype: DTypeLike | Mapping[Module, DTypeLike]
) -> tuple[Adapter, Rounding]:
    """The adapter with float32 and float64 arrays in a 16-bit `dtype`, one or one for each module.

    Powers of two move from factors into the scale, where fp16 would lose small entries. A module
    whose relative error is above the type's own step, `finfo.eps`, stays float32. Kinds other than
    factors, full differences and biases are never rounded.

    >>> small, rounding = rounded(add([a, b], [0.8, 0.5]), np.float16)
    """
    types = dtype if isinstance(dtype, Mapping) else dict.fromkeys(adapter, dtype)
    groups: dict[object, list[Module]] = {}
    for module, delta in adapter.items():
        fused = isinstance(delta, LowRank) and delta.fused is not None
        key = (module.part, delta.fused, id(delta.down), delta.scale) if fused else module  # type: ignore[union-attr]
        groups.setdefault(key, []).append(module)
    deltas = dict(adapter.deltas)
    norms, errors, wide = [], [], []
    for modules in groups.values():
        target = np.dtype(types[modules[0]])
        originals = [adapter[module] for module in modules]
        sizes = [0.0 if isinstance(delta, Dora) else norm(delta) for delta in originals]
        norms += sizes
        narrow = _round_all(originals, target)
        if narrow is None:
            continue
        if not isinstance(narrow[0], LowRank | Dense | Bias):
            deltas[modules[0]] = narrow[0]
            continue
        lost = [_distance(a, b) for a, b in zip(originals, narrow, strict=True)]
        limit = float(ml_dtypes.finfo(target).eps)
        if all(error <= limit * size for error, size in zip(lost, sizes, strict=True)):
            deltas.update(zip(modules, narrow, strict=True))
            errors += lost
        else:
            wide += modules
    total = Rounding(math.hypot(*norms), math.hypot(*errors), tuple(sorted(wide)))
    return adapter.with_(deltas=tidy_fused(deltas)), total


def narrowed(values: Array, dtype: DTypeLike) -> Array:
    """`values` in `dtype`, or in float32 where a 16-bit one would lose more than its own step."""
    with np.errstate(over="ignore"):
        narrow = values.astype(dtype)
    if narrow.dtype.itemsize >= 4:
        return narrow
    size, error = _norm(values), _norm(values.astype(np.float64) - narrow.astype(np.float64))
    limit = float(ml_dtypes.finfo(narrow.dtype).eps) * size
    return narrow if error <= limit else values.astype(np.float32)


def _round_all(deltas: Sequence[Delta], target: np.dtype) -> list[Delta] | None:
    """All of a module's or a fused matrix's parts in the type; None where nothing is to be done."""
    if target.itemsize != 2:
        return None
    (first, *_) = deltas
    if isinstance(first, Dense | Bias):
        return _round_whole(first, target)
    if not isinstance(first, LowRank) or first.mid is not None:
        narrow = cast(first, target)
        held = zip(arrays(narrow), arrays(first), strict=True)
        return [narrow] if all(np.array_equal(a, b, equal_nan=True) for a, b in held) else None
    parts = [delta for delta in deltas if isinstance(delta, LowRank)]
    if all(array.dtype.itemsize <= 2 for part in parts for array in (part.up, part.down)):
        return None
    (down,), k = _factors([first.down], target)
    ups, j = _factors([part.up for part in parts], target)
    scale = float(np.ldexp(first.scale, -(j + k)))  # `**` raises where this is infinite
    return [
        replace(part, up=up, down=down, scale=scale) for part, up in zip(parts, ups, strict=True)
    ]


def _round_whole(delta: Dense | Bias, target: np.dtype) -> list[Delta] | None:
    """A difference has no scale in a file, so its own goes into the entries first."""
    name = "weight" if isinstance(delta, Dense) else "bias"
    values = getattr(delta, name)
    if values.dtype.itemsize <= 2 and delta.scale == 1:
        return None
    with np.errstate(over="ignore"):
        entries = (values.astype(np.float64) * delta.scale).astype(target)
    return [replace(delta, **{name: entries}, scale=1.0)]


def _factors(factors: Sequence[Array], target: np.dtype) -> tuple[list[Array], int]:
    """Factors times one 2**k, rounded: k = 0 where nothing is lost or the type has the range."""
    exact = [cast_exactly(array, target) for array in factors]
    if all(array is not None for array in exact):
        return [array for array in exact if array is not None], 0
    top = max(float(np.abs(array).max(initial=0.0)) for array in factors)
    k = -math.frexp(top)[1] if target == np.float16 and math.isfinite(top) else 0
    with np.errstate(over="ignore"):
        return [np.ldexp(array.astype(np.float64), k).astype(target) for array in factors], k


def _distance(a: Delta, b: Delta) -> float:
    """‖ΔW_a - ΔW_b‖ of factors or entries, without the cancellation of two nearly equal norms."""
    if isinstance(a, LowRank) and isinstance(b, LowRank):
        up, down = _wide(a.up) * a.scale, _wide(a.down)
        power = _power(_wide(b.down), down)  # that moved from this factor to the other
        other_up = np.ldexp(_wide(b.up) * b.scale, power)
        other_down = np.ldexp(_wide(b.down), -power)
        left = np.hstack([up - other_up, up])
        right = np.vstack([other_down, down - other_down])
        if not (np.isfinite(left).all() and np.isfinite(right).all()):
            return math.inf
        return norm(LowRank(left, right))
    if isinstance(a, Dense) and isinstance(b, Dense):
        return _norm(_wide(a.weight) * a.scale - _wide(b.weight) * b.scale)
    assert isinstance(a, Bias) and isinstance(b, Bias)
    return _norm(a.bias.astype(np.float64) * a.scale - b.bias.astype(np.float64) * b.scale)


def _power(x: Array, y: Array) -> int:
    """The power of two by which x is larger than y."""
    sizes = _norm(x), _norm(y)
    usable = all(sizes) and all(map(math.isfinite, sizes))
    return round(math.log2(sizes[0] / sizes[1])) if usable else 0


def _wide(array: Array) -> Array:
    return flat(array.astype(np.float64)) if array.ndim > 1 else array.astype(np.float64)


def _norm(values: Array) -> float:
    return float(np.linalg.norm(values.astype(np.float64).ravel()))
