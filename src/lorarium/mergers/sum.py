"""The plain sum: one file that equals its inputs applied together, each at its weight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lorarium.adapter import Adapter
from lorarium.mergers.inputs import combine, prepare


def merge_sum(
    adapters: Sequence[Adapter], weights: Sequence[float] | None = None, **shared: Any
) -> Adapter:
    """The adapters applied together, exactly, in one file.

    `rank` is None for the exact sum in factors, a number for its optimal truncation, "full" to
    allow full matrices where no factors hold the sum. One adapter at weight 1 comes back tensor
    for tensor.
    """
    return combine(prepare("sum", adapters, weights, meet=False, **shared))
