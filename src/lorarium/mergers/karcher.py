"""The Karcher mean (Karcher 1977): SLERP for any number of adapters, in no order."""

from __future__ import annotations

from lorarium.adapter import Adapter
from lorarium.mergers.inputs import Inputs
from lorarium.mergers.registry import method
from lorarium.mergers.sphere import karcher, mean_of_directions


@method("karcher", group="directions")
def merge_karcher(inputs: Inputs) -> Adapter:
    """The mean direction on the unit sphere of each change; weights are shares.

    The norm is the weighted mean of the norms; a module that an adapter lacks counts as 0 there.
    """
    return mean_of_directions(inputs, karcher)
