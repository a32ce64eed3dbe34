"""Colours: hex to numbers, lightness, ramps between stops."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Array = np.ndarray
Value = Array | np.float32 | float
LIGHTNESS = np.array([0.299, 0.587, 0.114], np.float32)


def rgb(text: str) -> Array:
    """`#rrggbb` as three numbers from 0 to 1."""
    return np.array([int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)], np.float32)


def table(texts: Sequence[str]) -> Array:
    return np.stack([rgb(t) for t in texts])


def lightness(colour: Array, axis: int = -1) -> Array:
    return np.tensordot(colour, LIGHTNESS, axes=([axis], [0])).astype(np.float32)


def mix(a: Value, b: Value, t: Value) -> Array:
    return np.asarray(a + (b - a) * t)
