"""Canonical SVD tokens: a few singular directions of every module, for networks to read.

As in W2T (arXiv 2603.15990) a token is one direction σ u vᵀ. That fixes the sign of (u, v) by a
rule, which is a coin toss between nearly equal entries; here every number is even in (u, v): with
fixed random matrices R, (R₁ᵀu)∘(R₂ᵀv), (R₁ᵀu)∘(R₃ᵀu), (R₂ᵀv)∘(R₄ᵀv) and log σ. Modules of one width
share the matrices. Directions of nearly equal σ may still mix among themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from lorarium.adapter import Adapter, Array, Module
from lorarium.algebra import canonical_stream
from lorarium.descriptors.changes import matrices
from lorarium.descriptors.probes import probes
from lorarium.descriptors.protocol import Item, as_adapters, check_family, declared
from lorarium.errors import LorariumError

TOP, PROBES = 4, 16
FEATURES = 3 * PROBES + 1


@declared
class Tokens:
    """Tokens (modules, TOP, FEATURES) flattened, for the modules that the fitted set changes;
    what an adapter leaves alone is zero."""

    name, metric = "tokens", "cosine"

    def __init__(self, top: int = TOP, selection: str = "all") -> None:
        self.top, self.selection = top, selection
        self.modules: list[Module] = []

    @property
    def size(self) -> int:
        return len(self.modules) * self.top * FEATURES

    def fit(self, items: Sequence[Item]) -> Self:
        adapters = as_adapters(items, self.name)
        self._family = adapters[0].family
        self.modules = sorted({m for a in adapters for m in matrices(a, self.selection)})
        return self

    def describe(self, item: Item) -> Array:
        if not self.modules:
            raise LorariumError(f"{self.name} has not been fitted")
        [adapter] = as_adapters([item], self.name)
        check_family(adapter, self._family, self.name)
        by_module = tokens(adapter, self.top, self.selection)
        nothing = np.zeros((self.top, FEATURES), np.float32)
        return np.stack([by_module.get(module, nothing) for module in self.modules]).reshape(-1)


def tokens(adapter: Adapter, top: int = TOP, selection: str = "all") -> dict[Module, Array]:
    """Each module's strongest directions, float32 (top, FEATURES); log2 σ is the last feature."""
    part = adapter.with_(deltas=matrices(adapter, selection))
    by_module = {}
    for module, svd in canonical_stream(part, dense=True):
        U, S, V = svd.cut(top)
        alive = S > 0
        left, right = (probes(len(X), 4 * PROBES).T @ X[:, alive] for X in (U, V))
        left, right = left[: 2 * PROBES], right[2 * PROBES :]
        table = np.zeros((top, FEATURES), np.float32)
        table[: alive.sum()] = np.concatenate(
            [
                left[:PROBES] * right[:PROBES],
                left[:PROBES] * left[PROBES:],
                right[:PROBES] * right[PROBES:],
                np.log2(S[alive])[None],
            ]
        ).T
        by_module[module] = table
    return by_module
