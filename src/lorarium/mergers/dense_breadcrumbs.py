"""Model Breadcrumbs (Davari and Belilovsky 2024, arXiv 2312.06795)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lorarium.adapter import Adapter, Array
from lorarium.errors import LorariumError
from lorarium.mergers.dense_each import merge_each
from lorarium.mergers.elect import largest, weighted_sum
from lorarium.mergers.inputs import prepare
from lorarium.mergers.options import number


def merge_breadcrumbs(
    adapters: Sequence[Adapter],
    weights: Sequence[float] | None = None,
    *,
    density: float = 0.9,
    gamma: float = 0.01,
    **shared: Any,
) -> Adapter:
    """Drop the largest entries and the smallest, add up what is between."""
    density = number("density", density, 0, 1, above=True)
    gamma = number("gamma", gamma, 0, 1)
    if density + gamma > 1:
        raise LorariumError(f"density {density:g} and gamma {gamma:g} add up to more than 1")
    own = {"density": density, "gamma": gamma}
    return merge_each(
        prepare("breadcrumbs", adapters, weights, own, **shared),
        lambda changes, w, *_: weighted_sum([between(x, density, gamma) for x in changes], w),
    )


def between(x: Array, density: float, gamma: float) -> Array:
    """x without its `gamma` largest share; of the rest the largest, so that `density` stays."""
    return largest(x, density + gamma) - largest(x, gamma)
