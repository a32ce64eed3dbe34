"""The plain sum: one file that equals its inputs applied together, each at its weight."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lorarium.adapter import Adapter, Module
from lorarium.algebra import Report, add, recompress
from lorarium.algebra.dtypes import DTypeLike, factor_dtype
from lorarium.algebra.forms import arrays
from lorarium.errors import LorariumError
from lorarium.merge.blocks import block_of, block_weights
from lorarium.merge.provenance import stamp

Blocks = str | Mapping[str, float]


def merge_sum(
    adapters: Sequence[Adapter], weights: Sequence[float] | None = None, **options: Any
) -> Adapter:
    """Σ weight * adapter; the options are those of `sum_with_report`."""
    return sum_with_report(adapters, weights, **options)[0]


def sum_with_report(
    adapters: Sequence[Adapter],
    weights: Sequence[float] | None = None,
    *,
    blocks: Blocks | Sequence[Blocks | None] | None = None,
    patterns: Mapping[str, float] | Sequence[Mapping[str, float] | None] | None = None,
    only: str | None = None,
    rank: int | str | None = None,
    dtype: DTypeLike = None,
) -> tuple[Adapter, Report | None]:
    """Σ weight * block weight * pattern weight * adapter, and what truncation lost.

    `blocks` and `patterns` (regular expression -> factor, searched in `part:path`) hold for all
    adapters, or are one per adapter; `only` leaves out every module it does not match. `rank` is
    None for the exact sum in factors, a number for its optimal truncation, "full" to allow full
    matrices where no factors hold the sum. One adapter at weight 1 comes back tensor for tensor.
    """
    if not adapters:
        raise LorariumError("nothing to merge", hint="name at least one adapter")
    numbers = _checked(weights, len(adapters))
    family = _common_family(adapters)
    if rank is not None and rank != "full" and (not isinstance(rank, int) or rank < 1):
        raise LorariumError(f"rank {rank!r} is neither a whole number above 0 nor 'full'")
    rules = [
        _weight(number, spec, pattern, only, family)
        for number, spec, pattern in zip(
            numbers, _each(blocks, numbers), _each(patterns, numbers), strict=True
        )
    ]
    narrow = None if isinstance(rank, int) else dtype
    total = add(adapters, rules, dense=rank is not None, dtype=narrow)
    if not total.deltas and any(adapter.deltas for adapter in adapters):
        raise LorariumError("no module is left", hint="all weights are 0, or nothing matches")
    report = None
    if isinstance(rank, int):
        stored = dtype if dtype is not None else _stored(total, adapters)
        total, report = recompress(total, rank=rank, dtype=stored)
    options = {
        "weights": numbers,
        "blocks": blocks,
        "patterns": patterns,
        "only": only,
        "rank": rank,
        "dtype": None if dtype is None else np.dtype(dtype).name,
    }
    return stamp(total.with_(family=family), adapters, "sum", options), report


def _checked(weights: Sequence[float] | None, count: int) -> list[float]:
    numbers = [1.0] * count if weights is None else [float(w) for w in weights]
    if len(numbers) != count:
        raise LorariumError(f"{len(numbers)} weights for {count} adapters", hint="give one each")
    for number in numbers:
        if not math.isfinite(number):
            raise LorariumError(f"a weight of {number}", hint="weights are finite numbers")
    return numbers


def _common_family(adapters: Sequence[Adapter]) -> str:
    known = list(dict.fromkeys(a.family for a in adapters if a.family != "unknown"))
    if len(known) > 1:
        raise LorariumError(
            "these adapters are for different base models: " + ", ".join(known),
            hint="merge only adapters of one family",
        )
    return known[0] if known else "unknown"


def _each(given: Any, numbers: list[float]) -> list[Any]:
    """One entry per adapter, from one for all or a list."""
    if given is None or isinstance(given, str | Mapping):
        return [given] * len(numbers)
    if len(given) != len(numbers):
        raise LorariumError(f"{len(given)} block or pattern entries for {len(numbers)} adapters")
    return list(given)


def _weight(
    number: float,
    blocks: Blocks | None,
    patterns: Mapping[str, float] | None,
    only: str | None,
    family: str,
) -> float | Callable[[Module], float]:
    """The weight of one adapter by module, or its number when that is all."""
    if blocks is None and not patterns and only is None:
        return number
    by_block = None if blocks is None else block_weights(blocks, family)
    factors = [(compiled(text), float(factor)) for text, factor in (patterns or {}).items()]
    keep = None if only is None else compiled(only)

    def weight(module: Module) -> float:
        name = str(module)
        if keep is not None and not keep.search(name):
            return 0.0
        value = number
        if by_block is not None:
            value *= by_block.get(block_of(module, family), 1.0)
        return value * math.prod(factor for pattern, factor in factors if pattern.search(name))

    return weight


def compiled(text: str) -> re.Pattern[str]:
    """A regular expression from a person, or one line that says why it is none."""
    try:
        return re.compile(text)
    except re.error as error:
        raise LorariumError(f"{text!r} is not a regular expression: {error}") from None


def _stored(total: Adapter, adapters: Sequence[Adapter]) -> dict[Module, DTypeLike]:
    """Truncated factors go back to the widest dtype that the inputs have in that module."""
    return {
        module: factor_dtype(
            array.dtype
            for adapter in adapters
            if module in adapter.deltas
            for array in arrays(adapter.deltas[module])
        )
        for module in total
    }
