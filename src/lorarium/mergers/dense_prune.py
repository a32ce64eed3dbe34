"""Magnitude pruning: the sum of what is left when the small entries are dropped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lorarium.adapter import Adapter
from lorarium.mergers.dense_each import merge_each
from lorarium.mergers.elect import largest, weighted_sum
from lorarium.mergers.inputs import prepare
from lorarium.mergers.options import number


def merge_prune(
    adapters: Sequence[Adapter],
    weights: Sequence[float] | None = None,
    *,
    density: float = 0.5,
    **shared: Any,
) -> Adapter:
    """Keep the largest entries of each change and add them up."""
    density = number("density", density, 0, 1, above=True)
    return merge_each(
        prepare("prune", adapters, weights, {"density": density}, **shared),
        lambda changes, w, *_: weighted_sum([largest(x, density) for x in changes], w),
    )
