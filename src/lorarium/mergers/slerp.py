"""SLERP (Shoemake 1985) between two adapters, module by module on the unit sphere of ΔW."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lorarium.adapter import Adapter
from lorarium.mergers.inputs import prepare
from lorarium.mergers.sphere import mean_of_directions, slerp


def merge_slerp(
    adapters: Sequence[Adapter], weights: Sequence[float] | None = None, **shared: Any
) -> Adapter:
    """Two adapters along the arc between their directions; weights are shares.

    The norm is the weighted mean of the two; a module of one adapter counts as 0 in the other.
    """
    inputs = prepare("slerp", adapters, weights, least=2, most=2, **shared)
    return mean_of_directions(inputs, slerp)
