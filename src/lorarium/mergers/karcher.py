"""The Karcher mean (Karcher 1977): SLERP for any number of adapters, in no order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lorarium.adapter import Adapter
from lorarium.mergers.inputs import prepare
from lorarium.mergers.sphere import karcher, mean_of_directions


def merge_karcher(
    adapters: Sequence[Adapter], weights: Sequence[float] | None = None, **shared: Any
) -> Adapter:
    """The mean direction on the unit sphere of each change; weights are shares.

    The norm is the weighted mean of the norms; a module that an adapter lacks counts as 0 there.
    """
    return mean_of_directions(prepare("karcher", adapters, weights, **shared), karcher)
