"""Orthogonal finetuning: a rotation of the base's weight, a change only beside that weight.

OFT (Qiu et al., 2023) turns blocks of a weight's rows or columns, each by the Cayley transform of
a skew matrix; BOFT (Liu et al., 2024) does it in stages, each over other pairs of half blocks (a
butterfly). LyCORIS turns rows, PEFT columns; their Cayley transforms are each other's inverse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lorarium.adapter import Array
from lorarium.algebra.stacks import finite
from lorarium.errors import LorariumError
from lorarium.soundness import dims


@dataclass(frozen=True, eq=False)
class Rotation:
    """W -> rescale * (its rows or columns turned): `turns` (stages, blocks, b, b) are orthogonal.

    A block takes `b` neighbours; of a butterfly, entries that lie `b/2 * 2**stage` apart (LyCORIS)
    or halves of blocks that do (PEFT). `columns`: the entries of a row are turned, kernel and all;
    `shared`: one block stands for all.
    """

    turns: Array
    columns: bool = False
    rescale: Array | None = None
    shared: bool = False
    butterfly: bool = False

    def turned(self) -> int:
        """How many rows or columns it turns, or a number that must divide them."""
        return int(self.turns.shape[1] * self.turns.shape[2])

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether it can turn a weight of this shape."""
        out, width = shape[0], math.prod(shape[1:])
        size = width if self.columns else out
        divides = size % self.turned() == 0 if self.shared else size == self.turned()
        return divides and (self.rescale is None or self.rescale.size == out)

    def change(self, W: Array) -> Array:
        """ΔW of a weight (out, in, ...), as a matrix (out, n) in float64."""
        if not self.fits(W.shape):
            side = "columns" if self.columns else "rows"
            raise LorariumError(
                f"a rotation of {self.turned()} {side} does not fit a weight {dims(W.shape)}"
            )
        base = W.reshape(len(W), -1).astype(np.float64)
        X = base.T if self.columns else base
        b = self.turns.shape[-1]
        for stage, turns in enumerate(self.turns):
            order = self._order(stage, len(X))
            blocks = turns @ X[order].reshape(-1, b, X.shape[1])
            X = np.empty_like(X)
            X[order] = blocks.reshape(X.shape)
        turned = X.T if self.columns else X
        if self.rescale is not None:
            turned = turned * self.rescale.reshape(-1, 1)
        return turned - base

    def _order(self, stage: int, size: int) -> Array:
        """The entries in the order in which a stage's blocks take them."""
        entries = np.arange(size)
        if not self.butterfly:
            return entries
        half = self.turns.shape[-1] // 2
        if not self.columns:
            return entries.reshape(-1, 2, half * 2**stage).transpose(0, 2, 1).reshape(-1)
        chunks = entries.reshape(-1, 2**stage, 2, half)
        return np.argsort(chunks.transpose(0, 2, 1, 3).reshape(-1))


def rotation_of_rows(
    blocks: Array, rescale: Array | None = None, constraint: float = 0.0
) -> Rotation:
    """LyCORIS: `blocks` (n, b, b) of OFT or (stages, n, b, b) of BOFT, whose skew part counts.

    `constraint` bounds the norm of all blocks together, per row of the weight.
    """
    if blocks.ndim not in (3, 4) or blocks.shape[-1] != blocks.shape[-2]:
        raise LorariumError(f"blocks {dims(blocks)} are no stack of square matrices")
    butterfly = blocks.ndim == 4
    stages = _wide(blocks if butterfly else blocks[None])
    if butterfly:
        _need_butterfly(stages)
    skew = stages - stages.swapaxes(-1, -2)
    limit = constraint * stages.shape[1] * stages.shape[2]
    size = float(np.linalg.norm(skew)) + 1e-8
    if 0 < limit < size:
        skew *= limit / size
    turns = _cayley(skew)
    if not butterfly:
        turns = turns.swapaxes(-1, -2)
    scaled = None if rescale is None else _wide(rescale)
    return Rotation(turns, rescale=scaled, butterfly=butterfly)


def rotation_of_columns(
    upper: Array,
    *,
    shared: bool = False,
    terms: int | None = None,
    limit: float | None = None,
) -> Rotation:
    """PEFT's OFT: `upper` (blocks, b (b-1) / 2) are the entries above each block's diagonal.

    `terms`: the Cayley transform as so many terms of its Neumann series; `limit` is the norm that
    constrained OFT leaves a block, times the root of their number.
    """
    if upper.ndim != 2:
        raise LorariumError(f"the entries {dims(upper)} of blocks are no matrix")
    b = (1 + math.isqrt(1 + 8 * upper.shape[1])) // 2
    if b * (b - 1) // 2 != upper.shape[1]:
        raise LorariumError(f"{upper.shape[1]} entries are not those above a diagonal")
    skew = np.zeros((len(upper), b, b))
    skew[:, *np.triu_indices(b, 1)] = _wide(upper)
    skew -= skew.swapaxes(-1, -2)
    if limit is not None:
        sizes = np.linalg.norm(skew, axis=(1, 2), keepdims=True)
        block_limit = limit / math.sqrt(len(skew))
        skew *= np.where(
            sizes <= block_limit, 1.0, block_limit / np.maximum(sizes, np.finfo(float).tiny)
        )
    turns = _cayley(-skew) if terms is None else _neumann(skew, terms)
    return Rotation(turns[None], columns=True, shared=shared)


def butterfly_of_columns(blocks: Array, rescale: Array | None = None) -> Rotation:
    """PEFT's BOFT: `blocks` (stages, n, b, b), half the skew part of which counts."""
    if blocks.ndim != 4 or blocks.shape[-1] != blocks.shape[-2]:
        raise LorariumError(f"blocks {dims(blocks)} are no stack of square matrices")
    stages = _wide(blocks)
    if len(stages) > 1:
        _need_butterfly(stages)
    turns = _cayley(0.5 * (stages.swapaxes(-1, -2) - stages))
    scaled = None if rescale is None else _wide(rescale)
    return Rotation(turns, columns=True, rescale=scaled, butterfly=len(stages) > 1)


def _wide(array: Array) -> Array:
    return finite(array.astype(np.float64))


def _need_butterfly(stages: Array) -> None:
    count, blocks, b, _ = stages.shape
    if b % 2 or (blocks * b) % (b * 2 ** (count - 1)):
        raise LorariumError(f"blocks {dims(stages)} are no butterfly")


def _cayley(skew: Array) -> Array:
    """(I + S)(I - S)^-1; both factors commute."""
    one = np.eye(skew.shape[-1])
    return np.linalg.solve(one - skew, one + skew)


def _neumann(skew: Array, terms: int) -> Array:
    """The same as I + 2S + 2S² + ... with a last term S^k once, as PEFT cuts it."""
    turns = np.broadcast_to(np.eye(skew.shape[-1]), skew.shape).copy()
    if terms > 1:
        turns += 2 * skew
    if terms > 2:
        power = skew @ skew
        turns += 2 * power
        for _ in range(3, terms - 1):
            power = power @ skew
            turns += 2 * power
        turns += power @ skew
    return turns
