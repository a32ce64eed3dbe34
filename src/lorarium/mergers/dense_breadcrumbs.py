"""Model Breadcrumbs (Davari and Belilovsky 2024, arXiv 2312.06795)."""

from __future__ import annotations

from lorarium.adapter import Adapter, Array
from lorarium.errors import LorariumError
from lorarium.mergers.dense_each import merge_each
from lorarium.mergers.elect import largest, weighted_sum
from lorarium.mergers.inputs import Inputs
from lorarium.mergers.options import number
from lorarium.mergers.registry import method


@method("breadcrumbs", group="entries")
def merge_breadcrumbs(
    inputs: Inputs,
    *,
    density: float = 0.9,
    gamma: float = 0.01,
) -> Adapter:
    """Drop the largest entries and the smallest, add up what is between."""
    density = number("density", density, 0, 1, above=True)
    gamma = number("gamma", gamma, 0, 1)
    if density + gamma > 1:
        raise LorariumError(f"density {density:g} and gamma {gamma:g} add up to more than 1")
    inputs.record(density=density, gamma=gamma)
    return merge_each(
        inputs,
        lambda changes, w, *_: weighted_sum([between(x, density, gamma) for x in changes], w),
    )


def between(x: Array, density: float, gamma: float) -> Array:
    """x without its `gamma` largest share; of the rest the largest, so that `density` stays."""
    return largest(x, density + gamma) - largest(x, gamma)
