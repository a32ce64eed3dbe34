"""SLERP (Shoemake 1985) between two adapters, module by module on the unit sphere of ΔW."""

from __future__ import annotations

from lorarium.adapter import Adapter
from lorarium.mergers.inputs import Inputs
from lorarium.mergers.registry import method
from lorarium.mergers.sphere import mean_of_directions, slerp


@method("slerp", group="directions", min_inputs=2, max_inputs=2)
def merge_slerp(inputs: Inputs) -> Adapter:
    """Two adapters along the arc between their directions; weights are shares.

    The norm is the weighted mean of the two; a module of one adapter counts as 0 in the other.
    """
    return mean_of_directions(inputs, slerp)
