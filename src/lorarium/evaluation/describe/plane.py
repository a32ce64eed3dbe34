"""Adapters in the plane, for people to look at."""

from __future__ import annotations

import numpy as np

from lorarium.adapter import Array
from lorarium.descriptors.gram import Axes, centred
from lorarium.evaluation.describe.measures import distances
from lorarium.evaluation.describe.rows import Placed


def plane(placed: Placed, *, seed: int) -> Array:
    """(n, 2) between 0 and 1: t-SNE, or the two main axes of a handful."""
    apart = distances(placed)
    if len(apart) < 10:
        spots = Axes.fit(centred(-np.square(apart) / 2), 2).coordinates
        spots = np.pad(spots, ((0, 0), (0, 2 - spots.shape[1])))
    else:
        from sklearn.manifold import TSNE

        spread = min(30.0, (len(apart) - 1) / 3)
        spots = TSNE(
            2, perplexity=spread, metric="precomputed", init="random", random_state=seed
        ).fit_transform(apart)
    low, high = spots.min(0), spots.max(0)
    return (spots - low) / np.maximum(high - low, 1e-9)
