"""DARE (Yu et al. 2024, arXiv 2311.03099): drop entries at random, rescale the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lorarium.adapter import Adapter, Array, Module
from lorarium.mergers.dense_each import Rule, merge_each, random_of
from lorarium.mergers.elect import ELECTIONS, elected, weighted_sum
from lorarium.mergers.inputs import Inputs
from lorarium.mergers.options import choice, number, require_int
from lorarium.mergers.registry import method


@method("dare-linear", group="entries")
def merge_dare_linear(
    inputs: Inputs,
    *,
    density: float = 0.5,
    seed: int = 0,
) -> Adapter:
    """Drop entries at random, rescale the rest, add them up."""
    density = _record(inputs, density, seed)
    return merge_each(inputs, _rule(density, seed, weighted_sum))


@method("dare-ties", group="entries")
def merge_dare_ties(
    inputs: Inputs,
    *,
    density: float = 0.5,
    seed: int = 0,
    election: str = "total",
) -> Adapter:
    """Drop entries at random, rescale the rest, average those with the elected sign."""
    density = _record(inputs, density, seed)
    inputs.record(election=choice("election", election, ELECTIONS))
    return merge_each(inputs, _rule(density, seed, lambda xs, w: elected(xs, w, election)))


def mask(seed: int, index: int, module: Module, shape: tuple[int, ...], density: float) -> Array:
    """Which entries of one adapter's change of a module stay."""
    return random_of(seed, index, module).random(shape, np.float32) < density


def _record(inputs: Inputs, density: float, seed: int) -> float:
    density = number("density", density, 0, 1, above=True)
    inputs.record(density=density, seed=require_int("seed", seed, 0))
    return density


def _rule(density: float, seed: int, total: Any) -> Rule:
    def rule(
        changes: Sequence[Array], weights: Sequence[float], indices: Sequence[int], module: Module
    ) -> Array:
        thinned = [
            x * mask(seed, k, module, x.shape, density) / x.dtype.type(density)
            for k, x in zip(indices, changes, strict=True)
        ]
        return total(thinned, weights)

    return rule
