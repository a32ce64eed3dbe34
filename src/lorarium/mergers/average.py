"""The weighted mean Σ w ΔW / Σ w; a module that an adapter lacks counts as 0 there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lorarium.adapter import Adapter
from lorarium.mergers.inputs import combine, prepare
from lorarium.mergers.sphere import shares


def merge_average(
    adapters: Sequence[Adapter], weights: Sequence[float] | None = None, **shared: Any
) -> Adapter:
    """The weighted mean: only the ratios of the weights count."""
    inputs = prepare("average", adapters, weights, meet=False, **shared)
    return combine(inputs, shares(inputs))
