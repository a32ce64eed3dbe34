"""Changes that are none without the base's weight: DoRA and rotations, taken at that weight."""

from __future__ import annotations

import numpy as np

from lorarium.adapter import Array, Delta, Dora
from lorarium.algebra.dense import dense_delta
from lorarium.algebra.rotations import Rotation
from lorarium.errors import LorariumError
from lorarium.soundness import dims


def change_on(delta: Delta | Rotation, W: Array) -> Array:
    """ΔW of any change at the base's weight W, of W's shape and type."""
    if isinstance(delta, Rotation):
        return delta.change(W).reshape(W.shape).astype(W.dtype)
    if isinstance(delta, Dora):
        return _dora(delta, W)
    return dense_delta(delta).reshape(W.shape)


def _dora(delta: Dora, W: Array) -> Array:
    """magnitude * (W + inner) / ‖W + inner‖ - W, norms by output or by input."""
    moved = W + dense_delta(delta.inner).reshape(W.shape)
    magnitude = delta.magnitude.astype(W.dtype)
    magnitude_axis = 1 if len(magnitude) == 1 and magnitude.size > 1 else 0
    if magnitude.size != moved.shape[magnitude_axis]:
        raise LorariumError(f"{magnitude.size} magnitudes do not fit a weight of {dims(W)}")
    axes = tuple(axis for axis in range(moved.ndim) if axis != magnitude_axis)
    norm = np.sqrt(np.sum(np.square(moved, dtype=np.float64), axis=axes, keepdims=True))
    size = magnitude.reshape(norm.shape) / np.maximum(norm, np.finfo(np.float32).tiny)
    moved *= size.astype(W.dtype)
    moved -= W
    return moved
