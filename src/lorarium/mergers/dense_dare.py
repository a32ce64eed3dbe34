"""DARE (Yu et al. 2024, arXiv 2311.03099): drop entries at random, rescale the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lorarium.adapter import Adapter, Array, Module
from lorarium.mergers.dense_each import Rule, merge_each, random_of
from lorarium.mergers.elect import ELECTIONS, elected, weighted_sum
from lorarium.mergers.inputs import prepare
from lorarium.mergers.options import choice, number, whole


def merge_dare_linear(
    adapters: Sequence[Adapter],
    weights: Sequence[float] | None = None,
    *,
    density: float = 0.5,
    seed: int = 0,
    **shared: Any,
) -> Adapter:
    """Drop entries at random, rescale the rest, add them up."""
    own = _own(density, seed)
    inputs = prepare("dare-linear", adapters, weights, own, **shared)
    return merge_each(inputs, _rule(own["density"], seed, weighted_sum))


def merge_dare_ties(
    adapters: Sequence[Adapter],
    weights: Sequence[float] | None = None,
    *,
    density: float = 0.5,
    seed: int = 0,
    election: str = "total",
    **shared: Any,
) -> Adapter:
    """Drop entries at random, rescale the rest, average those with the elected sign."""
    own = _own(density, seed) | {"election": choice("election", election, ELECTIONS)}
    inputs = prepare("dare-ties", adapters, weights, own, **shared)
    return merge_each(inputs, _rule(own["density"], seed, lambda xs, w: elected(xs, w, election)))


def mask(seed: int, index: int, module: Module, shape: tuple[int, ...], density: float) -> Array:
    """Which entries of one adapter's change of a module stay."""
    return random_of(seed, index, module).random(shape, np.float32) < density


def _own(density: float, seed: int) -> dict[str, Any]:
    return {"density": number("density", density, 0, 1, above=True), "seed": whole("seed", seed, 0)}


def _rule(density: float, seed: int, total: Any) -> Rule:
    def rule(
        changes: Sequence[Array], weights: Sequence[float], indices: Sequence[int], module: Module
    ) -> Array:
        kept = [
            x * mask(seed, k, module, x.shape, density) / x.dtype.type(density)
            for k, x in zip(indices, changes, strict=True)
        ]
        return total(kept, weights)

    return rule
