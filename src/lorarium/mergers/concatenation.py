"""Concatenation: the exact sum with the factors of the inputs side by side, never truncated."""

from __future__ import annotations

from lorarium.adapter import Adapter
from lorarium.errors import LorariumError
from lorarium.mergers.inputs import Inputs, combine
from lorarium.mergers.registry import method


@method("cat", group="sums", require_shared=False)
def merge_cat(inputs: Inputs) -> Adapter:
    """Factors side by side, [B1 B2] and [A1; A2]: the sum, never truncated."""
    if inputs.rank is not None:
        raise LorariumError("the method 'cat' keeps every rank", hint="use svd to truncate")
    return combine(inputs)
