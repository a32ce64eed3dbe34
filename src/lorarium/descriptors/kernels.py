"""Exact kernels between adapters, from their factors: product, output side, input side.

Per module k(i, j) / √(k(i, i) k(j, j)), averaged over the modules; one that only i or only j has
counts as zero, so the mean is over √(nᵢ nⱼ). Vectors (biases) are left out. Every kernel is blind
to factorisation, rank and kind, and needs no ΔW unless a kind has no factors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from lorarium.adapter import Adapter, Array, Linear, Module
from lorarium.algebra import canonical, lowering_cost
from lorarium.algebra.forms import form, matrix_shape
from lorarium.algebra.lower import lowered_factors
from lorarium.algebra.stacks import HINT, NOT_FINITE
from lorarium.descriptors.changes import matrices
from lorarium.descriptors.gram import Axes, unit
from lorarium.descriptors.protocol import Item, as_adapters, check_family, declared, one_family
from lorarium.errors import LorariumError

KINDS = ("product", "output", "input")
TILE = 2**22  # products of factors' columns that are alive at once

Changes = Mapping[Module, Linear]


def kernel(
    adapters: Sequence[Adapter],
    others: Sequence[Adapter] | None = None,
    *,
    kind: str = "output",
    selection: str = "all",
) -> Array:
    """The normalised kernel of adapters with each other, or with others: float64 (n, m).

    `kind` is `product`, `output` or `input`; `selection` as in `select`.
    """
    if kind not in KINDS:
        raise LorariumError(f"no kernel {kind!r}", hint="one of " + ", ".join(KINDS))
    one_family([*adapters, *(others or ())], f"the kernel {kind}")
    rows = [matrices(adapter, selection) for adapter in adapters]
    columns = rows if others is None else [matrices(adapter, selection) for adapter in others]
    total = np.zeros((len(rows), len(columns)))
    counts = np.zeros(len(rows)), np.zeros(len(columns))
    every = rows if others is None else [*rows, *columns]
    for module in sorted({module for changes in every for module in changes}):
        shapes = {matrix_shape(changes[module]) for changes in every if module in changes}
        if len(shapes) > 1:
            what = "shapes differ: " + " and ".join(map(str, sorted(shapes)))
            raise LorariumError(what, where=str(module), hint="are all for the same base model?")
        left = _side(rows, module, kind)
        right = left if others is None else _side(columns, module, kind)
        counts[0][left.members] += 1
        counts[1][right.members] += 1
        for a, b in _tiles(left, right):
            total[np.ix_(a.members, b.members)] += _products(a, b) / np.outer(a.sizes, b.sizes)
    size = np.sqrt(np.outer(*counts))
    return np.divide(total, size, out=np.zeros_like(total), where=size > 0)


class ExactKernel:
    """Coordinates in the centred kernel's own axes, as unit vectors: the exact centred cosine.

    For many queries at once `kernel` itself is faster.
    """

    metric = "cosine"
    kind: str
    name: str

    def __init__(self, size: int | None = None, selection: str = "all") -> None:
        self._wanted, self.selection = size, selection
        self._axes: Axes | None = None

    @property
    def size(self) -> int:
        return len(self._axes.L) if self._axes else 0

    def fit(self, items: Sequence[Item]) -> Self:
        self._adapters = as_adapters(items, self.name)
        K = kernel(self._adapters, kind=self.kind, selection=self.selection)
        self._axes = Axes.fit(K, self._wanted)
        return self

    @property
    def gallery(self) -> Array | None:
        """The vectors of the fitted adapters."""
        return unit(self._axes.coordinates) if self._axes else None

    def describe(self, item: Item) -> Array:
        return self.describe_all([item])[0]

    def describe_all(self, items: Sequence[Item]) -> Array:
        if self._axes is None:
            raise LorariumError(f"{self.name} has not been fitted")
        adapters = as_adapters(items, self.name)
        for adapter in adapters:
            check_family(adapter, self._adapters[0].family, self.name)
        k = kernel(adapters, self._adapters, kind=self.kind, selection=self.selection)
        return unit(self._axes.place(k))


@declared
class ProductKernel(ExactKernel):
    """<D, D'>: copies and continued runs."""

    kind = name = "product"


@declared
class OutputKernel(ExactKernel):
    """<D Dᵀ, D' D'ᵀ>: content."""

    kind = name = "output"


@declared
class InputKernel(ExactKernel):
    """<Dᵀ D, D'ᵀ D'>: initialisation."""

    kind = name = "input"


@dataclass(frozen=True, eq=False)
class _Side:
    """One module of those adapters that change it: columns whose products make the kernel."""

    members: Array
    first: list[Array]  # (d, r) each
    second: list[Array]  # empty but for `product`
    sizes: Array  # √k(i, i)

    def part(self, low: int, high: int) -> _Side:
        chosen = slice(low, high)
        return _Side(
            self.members[chosen], self.first[chosen], self.second[chosen], self.sizes[chosen]
        )


def _side(adapters: Sequence[Changes], module: Module, kind: str) -> _Side:
    members, first, second, sizes = [], [], [], []
    for i, adapter in enumerate(adapters):
        if module not in adapter:
            continue
        B, A = factors(adapter[module])
        BB, AA = (X.astype(np.float64) for X in (B.T @ B, A @ A.T))
        if not (np.isfinite(BB).all() and np.isfinite(AA).all()):
            raise LorariumError(NOT_FINITE, where=str(module), hint=HINT)
        if kind == "product":
            square = float((BB * AA).sum())
        elif kind == "output":
            B = B @ _root(AA).astype(B.dtype)
            square = float(np.square(B.T @ B, dtype=np.float64).sum())
        else:
            B = A.T @ _root(BB).astype(B.dtype)
            square = float(np.square(B.T @ B, dtype=np.float64).sum())
        if square > 0:
            members.append(i)
            first.append(B)
            second += [A.T] if kind == "product" else []
            sizes.append(np.sqrt(square))
    return _Side(np.array(members, np.intp), first, second, np.array(sizes))


def factors(change: Linear) -> tuple[Array, Array]:
    """B (out, r) with the scale in it and A (r, n), for any matrix; by its SVD if need be."""
    lowered = form(change)
    if lowering_cost(change).full and len(change.shape) > 1:
        svd = canonical(change, dense=True)
        return svd.U * svd.S, svd.V.T
    pair = lowered_factors(lowered)
    return pair.B * pair.B.dtype.type(pair.scale), pair.A


def _root(gram: Array) -> Array:
    """L with L Lᵀ = gram, which may be singular."""
    values, vectors = np.linalg.eigh(gram)
    return vectors * np.sqrt(values.clip(0))


def _tiles(left: _Side, right: _Side) -> Iterator[tuple[_Side, _Side]]:
    widths = [max((x.shape[1] for x in side.first), default=1) for side in (left, right)]
    step = max(1, int((TILE / (widths[0] * widths[1])) ** 0.5))
    for i in range(0, len(left.members), step):
        for j in range(0, len(right.members), step):
            yield left.part(i, i + step), right.part(j, j + step)


def _products(a: _Side, b: _Side) -> Array:
    """k(i, j) of the module: sums over the blocks of one large product of stacked columns."""
    X, Y = np.concatenate(a.first, 1), np.concatenate(b.first, 1)
    G = X.T @ Y
    G = G * (np.concatenate(a.second, 1).T @ np.concatenate(b.second, 1)) if a.second else G * G
    starts = [np.cumsum([0, *(x.shape[1] for x in s.first[:-1])]) for s in (a, b)]
    sums = np.add.reduceat(G, starts[0], axis=0, dtype=np.float64)
    return np.add.reduceat(sums, starts[1], axis=1)
