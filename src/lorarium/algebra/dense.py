"""ΔW itself, one module at a time: the oracle of the tests, and for those who bake or compare."""

from __future__ import annotations

import numpy as np

from lorarium.adapter import Array, Delta
from lorarium.algebra.dtypes import DTypeLike
from lorarium.algebra.forms import FullMatrix, Vector, form, row_blocks, rows
from lorarium.algebra.sides import need_formable


def dense_delta(delta: Delta, *, dtype: DTypeLike = None) -> Array:
    """ΔW in the shape of its weight, scale included; costs out * n entries of memory."""
    matrix = form(delta, dtype)
    if isinstance(matrix, Vector):
        return (matrix.b * matrix.b.dtype.type(matrix.scale)).reshape(delta.shape)
    if not isinstance(matrix, FullMatrix):
        need_formable(*matrix.shape)
    W: Array | None = None
    for low, high in row_blocks(matrix):  # in place: a copy of a large matrix more is too much
        block = rows(matrix, low, high)
        if W is None:
            W = np.empty(matrix.shape, block.dtype)
        np.multiply(block, block.dtype.type(matrix.scale), out=W[low:high])
    assert W is not None
    return W.reshape(delta.shape)
