"""Is what was written what was meant? A comparison of factors, never of whole weights."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from lorarium.adapter import Adapter, Array, Bias, Delta, Dora, LowRank, Module
from lorarium.errors import LorariumError
from lorarium.soundness import rounding_limit

from .report import ModuleFate
from .slots import put, take


@dataclass
class Comparison:
    """What reading a file back told: the modules that are not what was meant, and why."""

    faults: dict[str, str] = field(default_factory=dict)
    worst_error: float = 0.0
    warnings: tuple[str, ...] = ()


def compare(
    meant: Adapter,
    back: Mapping[Module, Delta],
    modules: Iterable[Module],
    fates: Mapping[str, ModuleFate],
    keep_nonfinite: bool = False,
) -> Comparison:
    """Each module read back against the one meant: finite, and within a share of its norm."""
    result, broken = Comparison(), 0
    for module in modules:
        delta, read_back = meant[module], back.get(module)
        if read_back is None:
            if not _is_zero(delta):
                result.faults[str(module)] = "did not come back"
            continue
        lost_count = _nonfinite(read_back)
        if lost_count:
            as_in_source = keep_nonfinite and lost_count <= _nonfinite(delta)
            if not as_in_source:
                result.faults[str(module)] = "NaN or infinite values"
                continue
            broken += 1
            delta, read_back = _finite_part(delta), _finite_part(read_back)
        error = difference(delta, read_back)
        if not error <= _allowed(fates[str(module)], delta, read_back):
            result.faults[str(module)] = f"off by {error:.2g} of its norm"
        result.worst_error = max(result.worst_error, error)
    if broken:
        result.warnings = (f"{broken} modules hold NaN or infinite values, as in the source",)
    return result


def _allowed(fate: ModuleFate, *deltas: Delta) -> float:
    """Nothing where we said exact, else the share of the norm that its number types may take."""
    if fate.fate == "exact":
        return 0.0
    return rounding_limit({array.dtype for delta in deltas for array in _arrays(delta)})


def energy_share(adapter: Adapter, names: Collection[str]) -> float:
    """The share of the squared norm in the modules of these names, over what is finite."""
    from lorarium.algebra import drop_magnitude, inner_by_module  # only where something is lost

    total = part = 0.0
    for module, delta in adapter.items():
        one = drop_magnitude(adapter.with_(deltas={module: delta}))
        try:
            square = inner_by_module(one, one)[module]
        except LorariumError:
            continue
        if math.isfinite(square) and square > 0:
            total += square
            part += square if str(module) in names else 0.0
    return part / total if total else 0.0


def _is_zero(delta: Delta) -> bool:
    if isinstance(delta, LowRank):
        return not np.any(delta.up != 0)
    return isinstance(delta, Bias) and not np.any(delta.bias != 0)


def _arrays(delta: Delta) -> list[Array]:
    if isinstance(delta, Dora):
        return [*_arrays(delta.inner), delta.magnitude]
    return list(take(delta).values())


def _nonfinite(delta: Delta) -> int:
    """How many entries of its factors are NaN or infinite."""
    return sum(int(array.size - np.isfinite(array).sum()) for array in _arrays(delta))


def _finite_part(delta: Delta) -> Delta:
    """The same with NaN and infinite entries as zeros."""
    if isinstance(delta, Dora):
        inner = _finite_part(delta.inner)
        assert not isinstance(inner, Dora)
        return Dora(inner, _finite(delta.magnitude))
    return put(delta, {k: _finite(a) for k, a in take(delta).items()}, delta.scale)


def _finite(array: Array) -> Array:
    return np.where(np.isfinite(array), array, np.zeros((), array.dtype))


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
    """Same factors up to numbers that cancel (a scale may have gone into one of them); otherwise
    the sum of their deviations."""
    if set(a) != set(b) or any(a[name].size != b[name].size for name in a):
        return math.inf
    worst, ratio = 0.0, scale_b / scale_a if scale_a else float(scale_b == scale_a)
    for name in a:
        left, right = _wide(a[name]).ravel(), _wide(b[name]).ravel()
        times = _two_to(_power(right, left))
        if not np.array_equal(left * times, right, equal_nan=True):
            times = _multiple(right, left)
        ratio *= times
        worst += _relative(left, right / times)
    nothing = any(not np.any(_wide(array)) for array in a.values())
    return 0.0 if nothing and worst == 0 else worst + abs(ratio - 1.0)


def _multiple(x: Array, y: Array) -> float:
    """The number by which x is nearest to y, 1 where there is none."""
    unit = _two_to(-math.frexp(float(np.abs(y).max(initial=0.0)))[1])
    square = float(np.dot(y * unit, y * unit))
    times = float(np.dot(x * unit, y * unit)) / square if square else 1.0
    return times if times and math.isfinite(times) else 1.0


def _low_rank(a: LowRank, b: LowRank) -> float:
    if (a.mid is None) != (b.mid is None):
        return math.inf
    if a.mid is not None or b.mid is not None or a.rank != b.rank:
        if a.rank == b.rank:
            return _others(take(a), a.scale, take(b), b.scale)
        return _cancelling(a, b)
    if a.scale == b.scale and _same(a.up, b.up) and _same(a.down, b.down):
        return 0.0  # the common case, before anything is widened
    up_a, down_a = _matrix(a.up) * a.scale, _matrix(a.down)
    up_b, down_b = _matrix(b.up) * b.scale, _matrix(b.down)
    if up_a.shape != up_b.shape or down_a.shape != down_b.shape:
        return math.inf
    power = _power(down_b, down_a)
    down_b, up_b = np.ldexp(down_b, -power), np.ldexp(up_b, power)
    same_up, same_down = np.array_equal(up_a, up_b), np.array_equal(down_a, down_b)
    if same_up and same_down:
        return 0.0
    (up_a, up_b), (down_a, down_b) = _of_size_one(up_a, up_b), _of_size_one(down_a, down_b)
    size = _norm(up_a, down_a)
    error = 0.0 if same_down else _norm(up_a, down_a - down_b)
    error += 0.0 if same_up else _norm(up_a - up_b, down_b)
    if size == 0.0:
        return 0.0 if error == 0.0 else math.inf
    return error / size


def _same(a: Array, b: Array) -> bool:
    return a.dtype == b.dtype and np.array_equal(a, b)


def _cancelling(a: LowRank, b: LowRank) -> float:
    if a.mid is not None:
        return math.inf
    up_a, down_a = _matrix(a.up) * a.scale, _matrix(a.down)
    up_b, down_b = _matrix(b.up) * b.scale, _matrix(b.down)
    size = _norm(up_a, down_a)
    error = _norm(np.hstack([up_a, -up_b]), np.vstack([down_a, down_b]))
    return error / size if size else float(error != 0.0)


def _of_size_one(a: Array, b: Array) -> tuple[Array, Array]:
    """Both over one power of two: squares of very small and large numbers are 0 and infinite."""
    power = math.frexp(float(np.abs(a).max(initial=0.0)))[1]
    return np.ldexp(a, -power), np.ldexp(b, -power)


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
    return round(math.log2(norms[0]) - math.log2(norms[1]))  # the ratio may be no number


def _two_to(power: int) -> float:
    """A power of two, or the nearest that float64 has with its inverse."""
    return math.ldexp(1.0, max(-1020, min(1020, power)))


def _matrix(x: Array) -> Array:
    return _wide(x).reshape(x.shape[0], -1)


def _wide(x: Array) -> Array:
    return x.astype(np.float64)
