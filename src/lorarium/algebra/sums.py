"""Exact sums: stacked factors [B1 B2] [A1; A2], one scale, the narrowest dtype that stays exact."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from lorarium.adapter import Adapter, Array, Bias, Delta, Dense, Dora, LowRank, Module
from lorarium.algebra.dtypes import (
    DTypeLike,
    cast_exactly,
    common_dtype,
    compute_dtype,
    is_power_of_two,
    round_to,
)
from lorarium.algebra.entry_sums import sum_dense
from lorarium.algebra.forms import flat, matrix_shape
from lorarium.algebra.lower import low_rank, lower, lowering_cost
from lorarium.errors import LorariumError

Weight = float | Callable[[Module], float]
Term = tuple[Delta, float]


def scale(a: Adapter | Delta, weight: Weight) -> Adapter | Delta:
    """ΔW times a number: only `scale` changes, the arrays stay the same objects."""
    if isinstance(a, Adapter):
        return add([a], [weight])
    if callable(weight):
        raise LorariumError("a weight by module needs an adapter")
    return _scaled(a, weight)


def add(
    adapters: Sequence[Adapter],
    weights: Sequence[Weight] | None = None,
    *,
    dense: bool = False,
    dtype: DTypeLike = None,
) -> Adapter:
    """Σ weight * adapter, module by module, exactly; a module of weight 0 everywhere is left out.

    Factors are stacked, so ranks add up; a full difference stays one. A sum that needs a full
    matrix where no input has one (LoKr without factors) is refused unless `dense=True`. The dtype
    is the narrowest that holds all inputs; when a 16-bit one cannot take a ratio of scales exactly
    it is float32. The result has the first adapter's family and dialect and no metadata.
    """
    if not adapters:
        raise LorariumError("nothing to add")
    weights = [1.0] * len(adapters) if weights is None else weights
    if len(weights) != len(adapters):
        raise LorariumError(f"{len(weights)} weights for {len(adapters)} adapters")
    shared_downs: dict[tuple, Array] = {}
    deltas: dict[Module, Delta] = {}
    for module in sorted({m for adapter in adapters for m in adapter}):
        terms = []
        for adapter, weight in zip(adapters, weights, strict=True):
            value = float(weight(module) if callable(weight) else weight)
            if not math.isfinite(value):
                raise LorariumError(f"the weight is {value}", where=str(module))
            if module in adapter.deltas and value != 0:
                terms.append((adapter.deltas[module], value))
        if terms:
            try:
                deltas[module] = _sum(terms, dense, dtype, shared_downs)
            except LorariumError as error:
                raise type(error)(error.what, where=str(module), hint=error.hint) from None
    first = adapters[0]
    return Adapter(
        deltas=tidy_fused(deltas),
        family=first.family,
        dialect=first.dialect,
        opaque=_opaque(adapters, weights),
    )


def tidy_fused(deltas: dict[Module, Delta]) -> dict[Module, Delta]:
    """Drop the tags of fused groups whose members no longer share one `down` and one scale."""
    groups: dict[tuple[str, str], list[Module]] = {}
    for module, delta in deltas.items():
        if isinstance(delta, LowRank) and delta.fused is not None:
            groups.setdefault((module.part, delta.fused), []).append(module)
    tidy = dict(deltas)
    for members in groups.values():
        parts = {m: d for m in members if isinstance(d := deltas[m], LowRank)}
        if len({(id(d.down), d.scale) for d in parts.values()}) > 1:
            tidy |= {m: replace(d, fused=None, fused_rows=None) for m, d in parts.items()}
    return tidy


def _scaled(delta: Delta, weight: float) -> Delta:
    if weight == 1:
        return delta
    if isinstance(delta, Dora):
        raise LorariumError(
            "a DoRA change cannot be weighted: it is not linear in its factors",
            hint="bake it into its base, or use weight 1",
        )
    return replace(delta, scale=delta.scale * weight)


def _sum(terms: list[Term], dense: bool, dtype: DTypeLike, shared: dict[tuple, Array]) -> Delta:
    if len(terms) == 1:
        delta = _scaled(*terms[0])
        return delta if dtype is None else cast(delta, dtype)
    if any(isinstance(d, Dora) for d, _ in terms):
        raise LorariumError(
            "a DoRA change cannot be added to another: it is not linear in its factors",
            hint="bake it into its base, or leave this module out",
        )
    shapes = {matrix_shape(d) for d, _ in terms}
    if len(shapes) > 1:
        raise LorariumError(
            "shapes differ: " + " and ".join(map(str, sorted(shapes))),
            hint="are all of them for the same base model?",
        )
    entrywise = [isinstance(d, Dense | Bias) for d, _ in terms]
    if any(entrywise):
        return sum_dense(terms, dtype)
    if all(_stackable(d) for d, _ in terms):
        return _stack([(lower(d), w) for d, w in terms], dtype, shared)
    if not dense:
        raise LorariumError(
            "only a full matrix holds this sum exactly",
            hint="truncate the result to a rank, or ask for full matrices",
        )
    return sum_dense(terms, dtype)


def _stackable(delta: Delta) -> bool:
    return isinstance(delta, LowRank) or not lowering_cost(delta).full


def _stack(
    terms: list[tuple[LowRank, float]], dtype: DTypeLike, shared: dict[tuple, Array]
) -> LowRank:
    coefficients = [delta.scale * weight for delta, weight in terms]
    # the smallest, so that factors only grow: halving a subnormal half-precision number loses a bit
    common = min(map(abs, coefficients))
    if not common or not _all_exact(coefficients, common):
        common = max(map(abs, coefficients)) or 1.0  # scales of 0, and products below all numbers
    deltas = [delta for delta, _ in terms]
    ratios = [c / common for c in coefficients]
    wanted = common_dtype(a.dtype for d in deltas for a in (d.up, d.down))
    ups, downs, number_type = _folded(deltas, ratios, dtype or wanted, dtype is None)
    first = max(deltas, key=lambda d: len(d.shape))
    B = _joined(ups, number_type, axis=1)
    A = _joined([flat(d) for d in downs], number_type, axis=0)
    result = low_rank(B, A, common, first.shape)
    untouched = all(new is delta.down for delta, new in zip(deltas, downs, strict=True))
    if first.fused is None or not untouched or len({(d.fused, d.fused_rows) for d in deltas}) > 1:
        return result
    key = (*(id(d.down) for d in deltas), str(number_type))
    down = shared.setdefault(key, result.down)
    return replace(result, down=down, fused=first.fused, fused_rows=first.fused_rows)


def _all_exact(coefficients: list[float], common: float) -> bool:
    return all(is_power_of_two(c / common) and (c / common) * common == c for c in coefficients)


def _folded(
    deltas: list[LowRank], ratios: list[float], wanted: DTypeLike, may_widen: bool
) -> tuple[list[Array], list[Array], np.dtype]:
    """Multiply each pair by its ratio, in `up` or else `down`, exactly if the dtype allows it."""
    target = np.dtype(wanted)
    ups, downs = [], []
    for delta, ratio in zip(deltas, ratios, strict=True):
        up, down = delta.up.reshape(delta.up.shape[:2]), delta.down
        if ratio != 1:
            folded = _times_exactly(up, ratio, target)
            if folded is not None:
                up = folded
            elif (turned := _times_exactly(down, ratio, target)) is not None:
                down = turned
            elif may_widen and target.itemsize < 4:
                return _folded(deltas, ratios, np.float32, True)
            else:
                with np.errstate(over="ignore"):
                    up = (up.astype(np.float64) * ratio).astype(target)
        ups.append(up)
        downs.append(down)
    return ups, downs, target


def _joined(factors: list[Array], dtype: np.dtype, axis: int) -> Array:
    """Factors side by side; what is small beside the others may vanish, all of them may not."""
    if all(factor.dtype == dtype for factor in factors):
        return np.concatenate(factors, axis=axis)
    wide = compute_dtype(*factors)
    return round_to(np.concatenate([f.astype(wide) for f in factors], axis=axis), dtype)


def _times_exactly(values: Array, ratio: float, target: np.dtype) -> Array | None:
    if not is_power_of_two(ratio):
        return None
    small = values.dtype == np.float16 and 2**-60 < abs(ratio) < 2**60
    work = np.dtype(np.float32 if small else np.float64)
    return cast_exactly(values.astype(work) * work.type(ratio), target)


def cast(delta: Delta, dtype: DTypeLike) -> Delta:
    """The same delta with its arrays in another dtype."""
    changes: dict[str, Any] = {}
    for item in fields(delta):
        value = getattr(delta, item.name)
        if isinstance(value, np.ndarray):
            changes[item.name] = round_to(value, dtype)
        elif item.name == "inner":
            changes[item.name] = cast(value, dtype)
    return replace(delta, **changes)


def _opaque(adapters: Sequence[Adapter], weights: Sequence[Weight]) -> dict[str, Array]:
    """Keys nobody can add: kept when one adapter alone has them at weight 1, else refused."""
    opaque: dict[str, Array] = {}
    for adapter, weight in zip(adapters, weights, strict=True):
        if not adapter.opaque or weight == 0:
            continue
        name = next(iter(adapter.opaque))
        if any(key in opaque for key in adapter.opaque) or weight != 1:
            raise LorariumError(
                f"{len(adapter.opaque)} tensors of a kind that cannot be weighted or added",
                where=name,
                hint="use weight 1 for the one adapter that has them; "
                "resize --base lowers OFT and BOFT to LoRA",
            )
        opaque.update(adapter.opaque)
    return opaque
