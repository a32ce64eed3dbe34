"""Adapters of one recipe as vectors: canonical factors, one after the other, on PCA axes.

B A is one matrix; its SVD, split evenly with a fixed sign, is the same for every pair of factors
that multiply to it. One global spread normalises, as in the authors' code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lorarium.adapter import Adapter, Delta, LowRank, Module
from lorarium.algebra import canonical_adapter
from lorarium.errors import LorariumError

Array = np.ndarray
MOST_AXES = 512
Shape = tuple[Module, tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class Space:
    """`axes` (k, N) are orthonormal, so that squared errors are those of the whole vectors but for
    what no axis has."""

    shapes: tuple[Shape, ...]  # module, up, down
    mean: Array
    axes: Array
    spread: float
    like: Adapter  # whose family and dialect the decoded have

    def encode(self, adapters: Sequence[Adapter]) -> Array:
        """float32 (n, k)."""
        rows = np.stack([vector(a, self.shapes) for a in adapters])
        return ((rows - self.mean) @ self.axes.T / self.spread).astype(np.float32)

    def decode(self, rows: Array) -> list[Adapter]:
        vectors = rows.astype(np.float64) @ self.axes * self.spread + self.mean
        return [self._adapter(row.astype(np.float32)) for row in vectors]

    def _adapter(self, row: Array) -> Adapter:
        deltas: dict[Module, Delta] = {}
        start = 0
        for module, up, down in self.shapes:
            middle, end = start + int(np.prod(up)), start + int(np.prod(up)) + int(np.prod(down))
            B, A = row[start:middle].reshape(up), row[middle:end].reshape(down)
            deltas[module] = LowRank(B.copy(), A.copy())
            start = end
        about = {k: v for k, v in self.like.metadata.items() if k == "lorarium.base_hash"}
        return Adapter(deltas, self.like.family, about, dialect=self.like.dialect)


def space_of(adapters: Sequence[Adapter], axes: int = MOST_AXES) -> Space:
    """The space that adapters of one recipe span."""
    if len(adapters) < 3:
        raise LorariumError(f"{len(adapters)} adapters are too few to learn from")
    first = canonical_adapter(adapters[0])
    shapes = tuple((m, *_factors(m, d)) for m, d in first.items())
    rows = np.stack([vector(a, shapes) for a in adapters])
    mean = rows.mean(0)
    rows = rows - mean
    # the Gram matrix is small, the vectors are long
    values, vectors = np.linalg.eigh((rows @ rows.T).astype(np.float64))
    keep = values.argsort()[::-1][: min(axes, len(adapters) - 1)]
    keep = keep[values[keep] > values.max() * 1e-10]
    basis = (vectors[:, keep] / np.sqrt(values[keep])).T @ rows
    spread = float(np.sqrt(values[keep].sum() / len(adapters) / len(keep)))
    return Space(shapes, mean, basis.astype(np.float32), spread, adapters[0])


def vector(adapter: Adapter, shapes: Sequence[Shape]) -> Array:
    """float32 (N,): factors of all modules in the order of their names."""
    canonical = canonical_adapter(adapter)
    pieces = []
    for module, up, down in shapes:
        delta = canonical.deltas.get(module)
        if delta is None or _factors(module, delta) != (up, down):
            raise LorariumError("the adapters are not of one recipe", where=str(module))
        assert isinstance(delta, LowRank)
        root = abs(delta.scale) ** 0.5
        pieces += [delta.up.ravel() * (root if delta.scale >= 0 else -root)]
        pieces += [delta.down.ravel() * root]
    return np.concatenate(pieces).astype(np.float32)


def _factors(module: Module, delta: Delta) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if not isinstance(delta, LowRank) or delta.mid is not None:
        raise LorariumError("only plain LoRA modules become vectors", where=str(module))
    return delta.up.shape, delta.down.shape
