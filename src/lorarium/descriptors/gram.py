"""Principal axes from inner products alone: n x n, whatever the length of the vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from lorarium.adapter import Array
from lorarium.errors import LorariumError

NOISE = 1e-10  # of the largest eigenvalue or the mean square: axes below it are rounding


@dataclass(frozen=True, eq=False)
class Axes:
    """Q (n, k), L (k,) of the centred Gram matrix; `means` (n,) and `mean` are of the given one."""

    Q: Array
    L: Array
    means: Array
    mean: float

    @classmethod
    def fit(cls, K: Array, size: int | None = None) -> Self:
        """The `size` strongest axes of X from K = X Xᵀ; all of them by default."""
        if not np.isfinite(K).all():
            raise LorariumError("NaN or infinite values in the inner products")
        values, vectors = np.linalg.eigh(centred(K))
        values, vectors = values[::-1], vectors[:, ::-1]
        count = int((values > NOISE * max(values.max(initial=0), np.diag(K).mean())).sum())
        count = count if size is None else min(size, count)
        return cls(vectors[:, :count], values[:count], K.mean(1), float(K.mean()))

    @property
    def coordinates(self) -> Array:
        """Of the fitted vectors, (n, k)."""
        return self.Q * np.sqrt(self.L)

    def place(self, k: Array) -> Array:
        """Coordinates (m, k) of other vectors from their products (m, n) with the fitted ones."""
        inside = k - k.mean(1, keepdims=True) - (self.means - self.mean)
        return inside @ self.Q / np.sqrt(self.L)


def centred(K: Array) -> Array:
    """H K H: products of the vectors with their mean taken away."""
    return K - K.mean(0) - K.mean(1, keepdims=True) + K.mean()


def cosines(K: Array) -> Array:
    """K with a diagonal of ones (zeros stay zeros)."""
    size = np.sqrt(np.diag(K).clip(0))
    scale = np.divide(1, size, out=np.zeros_like(size), where=size > 0)
    return K * scale * scale[:, None]


def unit(vectors: Array) -> Array:
    """Rows of length one, in float32; zeros stay zeros."""
    size = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, size, out=np.zeros_like(vectors), where=size > 0).astype(np.float32)
