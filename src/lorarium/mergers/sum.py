"""The plain sum: one file that equals its inputs applied together, each at its weight."""

from __future__ import annotations

from lorarium.adapter import Adapter
from lorarium.mergers.inputs import Inputs, combine
from lorarium.mergers.registry import method


@method("sum", group="sums", require_shared=False)
def merge_sum(inputs: Inputs) -> Adapter:
    """The adapters applied together, exactly, in one file.

    `rank` is None for the exact sum in factors, a number for its optimal truncation, "full" to
    allow full matrices where no factors hold the sum. One adapter at weight 1 comes back tensor
    for tensor.
    """
    return combine(inputs)
