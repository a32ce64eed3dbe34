"""Trim, elect, merge (TIES, Yadav et al. 2023): the steps that several methods share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lorarium.adapter import Array

ELECTIONS = ("total", "frequency")  # votes weigh by magnitude, or count one each


def largest(x: Array, density: float) -> Array:
    """x with all but its int(density * size) largest entries set to 0."""
    keep = int(density * x.size)
    if keep >= x.size:
        return x
    if not keep:
        return np.zeros_like(x)
    size = np.abs(x).reshape(-1)
    mask = np.zeros(x.size, bool)
    mask[np.argpartition(size, x.size - keep)[x.size - keep :]] = True
    return x * mask.reshape(x.shape)


def elected(changes: Sequence[Array], weights: Sequence[float], election: str) -> Array:
    """Per entry the mean of the weighted values that have the majority's sign."""
    votes = sum(x if election == "total" else np.sign(x) for x in changes)
    positive = votes >= 0
    total = np.zeros_like(changes[0])
    count = np.zeros_like(changes[0])
    for x, weight in zip(changes, weights, strict=True):
        agrees = np.where(positive, x > 0, x < 0)
        total += x * agrees * x.dtype.type(weight)
        count += agrees
    return total / np.maximum(count, 1)


def weighted_sum(changes: Sequence[Array], weights: Sequence[float]) -> Array:
    total = np.zeros_like(changes[0])
    for x, weight in zip(changes, weights, strict=True):
        total += x * x.dtype.type(weight)
    return total
