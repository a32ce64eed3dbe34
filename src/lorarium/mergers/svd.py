"""The exact sum and its optimal truncation, from QRs of the factors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lorarium.adapter import Adapter
from lorarium.mergers.inputs import combine, prepare


def merge_svd(
    adapters: Sequence[Adapter], weights: Sequence[float] | None = None, **shared: Any
) -> Adapter:
    """The sum cut back to a rank with the least error; by default the largest rank of the inputs.

    One adapter of that rank keeps its tensors.
    """
    inputs = prepare("svd", adapters, weights, meet=False, **shared)
    if inputs.rank is None:
        ranks = [t.delta.rank for terms in inputs.modules.values() for t in terms]
        largest = max((r for r in ranks if r is not None), default=1)
        inputs = replace(inputs, rank=largest, options={**inputs.options, "rank": largest})
    return combine(inputs)
