"""TIES (Yadav et al. 2023, arXiv 2306.01708)."""

from __future__ import annotations

from lorarium.adapter import Adapter
from lorarium.mergers.dense_each import merge_each
from lorarium.mergers.elect import ELECTIONS, elected, largest
from lorarium.mergers.inputs import Inputs
from lorarium.mergers.options import choice, number
from lorarium.mergers.registry import method


@method("ties", group="entries")
def merge_ties(
    inputs: Inputs,
    *,
    density: float = 0.5,
    election: str = "total",
) -> Adapter:
    """Keep the largest entries, elect a sign for each, average those that agree."""
    density = number("density", density, 0, 1, above=True)
    inputs.record(density=density, election=choice("election", election, ELECTIONS))
    return merge_each(
        inputs,
        lambda changes, w, *_: elected([largest(x, density) for x in changes], w, election),
    )
