"""Vectors of known styles: few-shot centroids, and how far queries drift from their gallery."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from lorarium.adapter import Array
from lorarium.descriptors.gram import unit

Label = Hashable


def centroids(vectors: Array, labels: Sequence[Label]) -> tuple[list[Any], Array]:
    """The labels in order of appearance and the unit mean of the unit vectors of each.

    One to a few adapters of a style are enough; a query's cosine with each is `unit(q) @ rows.T`.
    """
    names = list(dict.fromkeys(labels))
    where = np.array([names.index(label) for label in labels])
    rows = [unit(vectors)[where == i].mean(0) for i in range(len(names))]
    return names, unit(np.stack(rows))


def drift(
    gallery: Array, labels: Sequence[Label], queries: Array, query_labels: Sequence[Label]
) -> float:
    """How far queries fall from the gallery of their own style, in standard deviations within it.

    Mean over styles of ‖mean(queries) - mean(gallery)‖, over the root mean square distance of a
    gallery point from its style's mean. About 1/√(points of a style) is what chance leaves.
    """
    tags, query_tags = np.array(labels), np.array(query_labels)
    shared = [tag for tag in dict.fromkeys(labels) if (query_tags == tag).any()]
    apart, within = [], []
    for tag in shared:
        points = gallery[tags == tag]
        mean = points.mean(0)
        apart.append(np.linalg.norm(queries[query_tags == tag].mean(0) - mean))
        within.append(np.square(points - mean).sum(1).mean())
    spread = float(np.sqrt(np.mean(within)))
    return float(np.mean(apart)) / spread if spread else float("inf")
