"""Untrained statistics of small pieces of pictures: what nothing learns from, nothing games.

A picture's patches against those of reference pictures, by sliced Wasserstein distance: both sets
are cast on the same random directions and their sorted shadows compared. Two scales, because
strokes are wide and narrow.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

Array = np.ndarray
SIDE = 7  # pixels of a patch
DIRECTIONS = 96
QUANTILES = 48
SEED = 7


def patch_distance(pictures: Array, references: Array, *, colour: bool = False) -> Array:
    """Distances (n,) of uint8 pictures (n, h, w, 3) from the patches of references (m, h, w, 3).

    Without `colour` patches are of lightness, their mean taken away: strokes and grain alone.
    """
    known = _shadows(references, colour)
    found = np.zeros(len(pictures))
    for scale, reference in enumerate(known):
        pooled = np.quantile(reference.reshape(-1, reference.shape[-1]), _levels(), axis=0)
        for i, picture in enumerate(pictures):
            own = np.quantile(_shadows(picture[None], colour)[scale][0], _levels(), axis=0)
            found[i] += np.abs(own - pooled).mean()
    return found


def _shadows(pictures: Array, colour: bool) -> list[Array]:
    """Patches of every picture on the directions, (n, patches, directions), scale by scale."""
    x = pictures.astype(np.float32) / 255
    if not colour:
        x = (x @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]
    found = []
    for _ in range(2):
        patches = np.lib.stride_tricks.sliding_window_view(x, (SIDE, SIDE), (1, 2))[:, ::2, ::2]
        flat = patches.reshape(len(x), -1, SIDE * SIDE * x.shape[-1])
        if not colour:
            flat = flat - flat.mean(-1, keepdims=True)
        found.append(flat @ _directions(flat.shape[-1]))
        n, h, w, c = x.shape
        x = x[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, c).mean((2, 4))
    return found


@lru_cache
def _directions(width: int) -> Array:
    random = np.random.default_rng([SEED, width])
    found = random.standard_normal((width, DIRECTIONS)).astype(np.float32)
    return found / np.linalg.norm(found, axis=0)


def _levels() -> Array:
    return (np.arange(QUANTILES) + 0.5) / QUANTILES
