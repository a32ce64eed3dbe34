"""Concatenation: the exact sum with the factors of the inputs side by side, never truncated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lorarium.adapter import Adapter
from lorarium.errors import LorariumError
from lorarium.mergers.inputs import combine, prepare


def merge_cat(
    adapters: Sequence[Adapter], weights: Sequence[float] | None = None, **shared: Any
) -> Adapter:
    """Factors side by side, [B1 B2] and [A1; A2]: the sum, never truncated."""
    inputs = prepare("cat", adapters, weights, meet=False, **shared)
    if inputs.rank is not None:
        raise LorariumError("the method 'cat' keeps every rank", hint="use svd to truncate")
    return combine(inputs)
