"""The number type of a merge's file: 16 bits when all inputs have 16, as people expect of it.

A merge itself is exact, see `lorarium.algebra.add`: this is for who writes one to a file.
"""

from __future__ import annotations

from collections.abc import Sequence

import ml_dtypes
import numpy as np

from lorarium.adapter import Adapter
from lorarium.algebra import Rounding, rounded
from lorarium.algebra.forms import arrays


def sixteen_bits(adapters: Sequence[Adapter]) -> np.dtype | None:
    """fp16 or bf16 when no adapter has a wider number (fp16 when both occur), else None."""
    types = {array.dtype for a in adapters for _, delta in a.items() for array in arrays(delta)}
    if not types or any(t.itemsize > 2 or t.kind in "iub" for t in types):
        return None
    return np.dtype(np.float16 if np.dtype(np.float16) in types else ml_dtypes.bfloat16)


def as_the_inputs(
    merged: Adapter, inputs: Sequence[Adapter], done: Rounding | None = None
) -> tuple[Adapter, Rounding | None]:
    """A merge in the 16 bits of its inputs, and what that cost (with what was `done` already);
    as it is when an input has more."""
    narrow = sixteen_bits(inputs)
    if narrow is None:
        return merged, done
    if done is None:
        merged, done = rounded(merged, narrow)
    if done.error:
        about = {"lorarium.rounding": f"{narrow.name}, relative error {done.relative:.2e}"}
        merged = merged.with_(metadata={**merged.metadata, **about})
    return merged, done
