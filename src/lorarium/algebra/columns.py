"""ΔW diag(m): a factor for each input of a layer, in factors B (A diag m)."""

from __future__ import annotations

import numpy as np

from lorarium.adapter import Array, Delta, Dense, LowRank
from lorarium.algebra.dtypes import DTypeLike, compute_dtype, factor_dtype
from lorarium.algebra.forms import flat
from lorarium.algebra.lower import lower
from lorarium.errors import LorariumError


def scale_columns(delta: Delta, m: Array, *, dtype: DTypeLike = None) -> Delta:
    """Column j of ΔW times m_j, of the same rank; `m` is (in,), a kernel's places share theirs.

    `up` stays the same object and `down` keeps its dtype unless `dtype` says otherwise. A full
    difference stays one; LoKr without small factors is refused.
    """
    shape = delta.shape
    if len(shape) < 2 or m.shape != (shape[1],):
        raise LorariumError(f"{m.size} factors do not fit the columns of {shape}")
    if isinstance(delta, Dense):
        stored = factor_dtype([delta.weight.dtype]) if dtype is None else dtype
        return Dense(_times(delta.weight, m, stored), delta.scale)
    low = lower(delta)
    stored = factor_dtype([low.down.dtype]) if dtype is None else dtype
    down = _times(low.down, m, stored)
    return LowRank(low.up, down, scale=low.scale)


def _times(array: Array, m: Array, stored: DTypeLike) -> Array:
    """(r, in, kh, kw) times (in,) along the second axis."""
    wide = flat(array).astype(compute_dtype(array, m), copy=False)
    places = wide.shape[1] // len(m)
    return (wide * np.repeat(m, places).astype(wide.dtype)).astype(stored).reshape(array.shape)
