"""The exact sum and its optimal truncation, from QRs of the factors."""

from __future__ import annotations

from dataclasses import replace

from lorarium.adapter import Adapter
from lorarium.mergers.inputs import Inputs, combine
from lorarium.mergers.registry import method


@method("svd", group="sums", require_shared=False)
def merge_svd(inputs: Inputs) -> Adapter:
    """The sum cut back to a rank with the least error; by default the largest rank of the inputs.

    One adapter of that rank keeps its tensors.
    """
    if inputs.rank is None:
        ranks = [t.delta.rank for terms in inputs.modules.values() for t in terms]
        largest = max((r for r in ranks if r is not None), default=1)
        inputs = replace(inputs, rank=largest, options={**inputs.options, "rank": largest})
    return combine(inputs)
