"""The weighted mean Σ w ΔW / Σ w; a module that an adapter lacks counts as 0 there."""

from __future__ import annotations

from lorarium.adapter import Adapter
from lorarium.mergers.inputs import Inputs, combine
from lorarium.mergers.registry import method
from lorarium.mergers.sphere import shares


@method("average", group="sums", require_shared=False)
def merge_average(inputs: Inputs) -> Adapter:
    """The weighted mean: only the ratios of the weights count."""
    return combine(inputs, shares(inputs))
