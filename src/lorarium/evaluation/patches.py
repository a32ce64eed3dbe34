"""Untrained statistics of small pieces of pictures: what nothing learns from, nothing games.

A picture's patches are cast on random directions; the sorted shadows of the references are averaged
(their Wasserstein barycentre), and a picture's distance is how far its own lie from that. Two
scales, because strokes are wide and narrow.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

Array = np.ndarray
SIDE = 7  # pixels of a patch
DIRECTIONS = 96
LEVELS = (np.arange(48) + 0.5) / 48
SEED = 7
GREY = np.array([0.299, 0.587, 0.114], np.float32)


def relative_distance(pictures: Array, references: Array, *, colour: bool = False) -> Array:
    """Distances (n,) of uint8 pictures (n, h, w, 3) from references (m, h, w, 3), m at least 3; 1
    is what a reference has from the others.

    Without `colour` patches are of lightness, their mean taken away: strokes and grain alone.
    """
    known, asked = shadows(references, colour), shadows(pictures, colour)
    others = (known.sum(0) - known) / (len(known) - 1)
    usual = np.abs(known - others).mean()
    return np.abs(asked - known.mean(0)).mean((1, 2)) / max(float(usual), 1e-6)


def shadows(pictures: Array, colour: bool) -> Array:
    """Quantiles of a picture's patches on every direction, (n, levels, directions)."""
    x = pictures.astype(np.float32) / 255
    return _cast(x, keep_means=True) if colour else _cast((x @ GREY)[..., None])


def tints(pictures: Array) -> Array:
    """Those of lightness and of two differences of colours, means taken away, side by side."""
    x = pictures.astype(np.float32) / 255
    red, green, blue = np.moveaxis(x, -1, 0)
    planes = (x @ GREY, red - green, blue - (red + green) / 2)
    return np.concatenate([_cast(plane[..., None]) for plane in planes], 2)


def fineness(pictures: Array) -> Array:
    """How much more changes from pixel to pixel than from two pixels to the next two, (n,), as a
    logarithm: wide strokes have little, grain has much."""
    x = pictures.astype(np.float32) @ GREY
    return np.log(_steps(x)) - np.log(_steps(_halved(x[..., None])[..., 0]))


def _steps(x: Array) -> Array:
    sizes = [np.abs(np.diff(x, axis=axis)).mean((1, 2)) for axis in (1, 2)]
    return np.mean(sizes, axis=0) + 0.5  # a flat picture has steps of nothing


def _halved(x: Array) -> Array:
    n, h, w, c = x.shape
    return x[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, c).mean((2, 4))


def _cast(x: Array, keep_means: bool = False) -> Array:
    quantiles = []
    for _ in range(2):
        patches = np.lib.stride_tricks.sliding_window_view(x, (SIDE, SIDE), (1, 2))[:, ::2, ::2]
        flat = patches.reshape(len(x), -1, SIDE * SIDE * x.shape[-1])
        if not keep_means:
            flat = flat - flat.mean(-1, keepdims=True)
        cast = flat @ _directions(flat.shape[-1])
        cast.sort(axis=1)
        place = LEVELS * (cast.shape[1] - 1)
        quantiles.append(cast[:, place.round().astype(int)])
        x = _halved(x)
    return np.concatenate(quantiles, 2)


@lru_cache
def _directions(width: int) -> Array:
    random = np.random.default_rng([SEED, width])
    directions = random.standard_normal((width, DIRECTIONS)).astype(np.float32)
    return directions / np.linalg.norm(directions, axis=0)
