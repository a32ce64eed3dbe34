"""ΔW itself, one module at a time: the oracle of the tests, and for those who bake or compare."""

from __future__ import annotations

import numpy as np

from lorarium.adapter import Array, Delta
from lorarium.algebra.dtypes import DTypeLike
from lorarium.algebra.forms import Vector, Whole, form, row_blocks, rows
from lorarium.algebra.sides import need_formable


def dense_delta(delta: Delta, *, dtype: DTypeLike = None) -> Array:
    """ΔW in the shape of its weight, scale included; costs out * n entries of memory."""
    found = form(delta, dtype)
    if isinstance(found, Vector):
        return (found.b * found.b.dtype.type(found.scale)).reshape(delta.shape)
    if not isinstance(found, Whole):
        need_formable(*found.shape)
    W: Array | None = None
    for low, high in row_blocks(found):  # in place: a copy of a large matrix more is too much
        block = rows(found, low, high)
        if W is None:
            W = np.empty(found.shape, block.dtype)
        np.multiply(block, block.dtype.type(found.scale), out=W[low:high])
    assert W is not None
    return W.reshape(delta.shape)
