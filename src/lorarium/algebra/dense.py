"""ΔW itself, one module at a time: the oracle of the tests, and for those who bake or compare."""

from __future__ import annotations

import numpy as np

from lorarium.adapter import Array, Delta
from lorarium.algebra.dtypes import DTypeLike
from lorarium.algebra.forms import Vector, form, row_blocks, rows


def dense_delta(delta: Delta, *, dtype: DTypeLike = None) -> Array:
    """ΔW in the shape of its weight, scale included; costs out * n entries of memory."""
    found = form(delta, dtype)
    if isinstance(found, Vector):
        return (found.b * found.b.dtype.type(found.scale)).reshape(delta.shape)
    W = np.concatenate([rows(found, *block) for block in row_blocks(found)])
    return (W * W.dtype.type(found.scale)).reshape(delta.shape)
