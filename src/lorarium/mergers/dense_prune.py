"""Magnitude pruning: the sum of what is left when the small entries are dropped."""

from __future__ import annotations

from lorarium.adapter import Adapter
from lorarium.mergers.dense_each import merge_each
from lorarium.mergers.elect import largest, weighted_sum
from lorarium.mergers.inputs import Inputs
from lorarium.mergers.options import number
from lorarium.mergers.registry import method


@method("prune", group="entries")
def merge_prune(
    inputs: Inputs,
    *,
    density: float = 0.5,
) -> Adapter:
    """Keep the largest entries of each change and add them up."""
    density = number("density", density, 0, 1, above=True)
    inputs.record(density=density)
    return merge_each(
        inputs,
        lambda changes, w, *_: weighted_sum([largest(x, density) for x in changes], w),
    )
