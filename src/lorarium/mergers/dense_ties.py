"""TIES (Yadav et al. 2023, arXiv 2306.01708)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lorarium.adapter import Adapter
from lorarium.mergers.dense_each import merge_each
from lorarium.mergers.elect import ELECTIONS, elected, largest
from lorarium.mergers.inputs import prepare
from lorarium.mergers.options import choice, number


def merge_ties(
    adapters: Sequence[Adapter],
    weights: Sequence[float] | None = None,
    *,
    density: float = 0.5,
    election: str = "total",
    **shared: Any,
) -> Adapter:
    """Keep the largest entries, elect a sign for each, average those that agree."""
    density = number("density", density, 0, 1, above=True)
    own = {"density": density, "election": choice("election", election, ELECTIONS)}
    return merge_each(
        prepare("ties", adapters, weights, own, **shared),
        lambda changes, w, *_: elected([largest(x, density) for x in changes], w, election),
    )
