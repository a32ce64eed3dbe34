"""DELLA (Deep, Bhardwaj and Poria 2024, arXiv 2406.11617): DARE that prefers large entries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lorarium.adapter import Adapter, Array, Module
from lorarium.errors import LorariumError
from lorarium.mergers.dense_each import merge_each, random_of
from lorarium.mergers.elect import ELECTIONS, elected
from lorarium.mergers.inputs import Inputs
from lorarium.mergers.options import choice, number, require_int
from lorarium.mergers.registry import method


@method("della", group="entries")
def merge_della(
    inputs: Inputs,
    *,
    density: float = 0.5,
    epsilon: float = 0.2,
    seed: int = 0,
    election: str = "total",
) -> Adapter:
    """Drop entries at random, small ones more often, rescale, average those that agree.

    The chance to stay rises in each row from density - epsilon / 2 to density + epsilon / 2.
    """
    inputs.record(
        density=number("density", density, 0, 1, above=True),
        epsilon=number("epsilon", epsilon, 0, 1),
        seed=require_int("seed", seed, 0),
        election=choice("election", election, ELECTIONS),
    )
    if density - epsilon / 2 <= 0 or density + epsilon / 2 > 1:
        raise LorariumError(
            f"density {density:g} ± {epsilon / 2:g} leaves (0, 1]", hint="use a smaller epsilon"
        )

    def rule(
        changes: Sequence[Array], weights: Sequence[float], indices: Sequence[int], module: Module
    ) -> Array:
        thinned = []
        for k, x in zip(indices, changes, strict=True):
            stay = chances(x, density, epsilon)
            drawn = random_of(seed, k, module).random(x.shape, np.float32) < stay
            thinned.append(x * drawn / stay)
        return elected(thinned, weights, election)

    return merge_each(inputs, rule)


def chances(x: Array, density: float, epsilon: float) -> Array:
    """The chance of each entry to stay, by its rank in its row."""
    order = np.argsort(np.abs(x), axis=-1, kind="stable")
    rank = np.empty(x.shape, x.dtype)
    places = np.arange(x.shape[-1], dtype=x.dtype) / max(1, x.shape[-1] - 1)
    np.put_along_axis(rank, order, np.broadcast_to(places, x.shape), axis=-1)
    return x.dtype.type(density - epsilon / 2) + rank * x.dtype.type(epsilon)
