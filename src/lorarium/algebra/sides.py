"""The two sides of a Kronecker product, each given whole or as factors that are multiplied as late
as can be: small factors can claim a matrix that no memory holds."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from lorarium.adapter import Array
from lorarium.errors import LorariumError

MOST_FORMED = 2**27  # entries that a product of factors may have; 18432 x 4608 is the largest known


@dataclass(frozen=True, eq=False)
class KronFactor:
    """`matrix` (rows, columns), or the two factors it is the product of."""

    matrix: Array | None
    pair: tuple[Array, Array] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        if self.pair is None:
            assert self.matrix is not None
            return self.matrix.shape[0], self.matrix.shape[1]
        return self.pair[0].shape[0], self.pair[1].shape[1]

    @property
    def rank(self) -> int:
        """An upper bound."""
        return min(self.shape) if self.pair is None else min(*self.shape, self.pair[0].shape[1])

    @property
    def thin(self) -> bool:
        """Whether it is worked on through its factors: they are no more than it would be."""
        if self.pair is None:
            return False
        (rows, columns), middle = self.shape, self.pair[0].shape[1]
        return middle * (rows + columns) <= rows * columns

    @functools.cached_property
    def array(self) -> Array:
        if self.pair is None:
            assert self.matrix is not None
            return self.matrix
        need_formable(*self.shape)
        return self.pair[0] @ self.pair[1]

    def rows(self, chosen: Array) -> Array:
        if not self.thin:
            return self.array[chosen]
        assert self.pair is not None
        return self.pair[0][chosen] @ self.pair[1]

    def apply(self, x: Array) -> Array:
        if not self.thin:
            return self.array @ x
        assert self.pair is not None
        return self.pair[0] @ (self.pair[1] @ x)

    @property
    def T(self) -> KronFactor:
        pair = None if self.pair is None else (self.pair[1].T, self.pair[0].T)
        return KronFactor(None if self.matrix is None else self.matrix.T, pair)


def need_formable(rows: int, columns: int) -> None:
    """Refuse a matrix that is too large to be formed."""
    if rows * columns > MOST_FORMED:
        gigabytes = rows * columns * 4 / 2**30
        raise LorariumError(
            f"its {rows} x {columns} matrix would take {gigabytes:.1f} GB",
            hint="no layer that such factors are made for is as large",
        )
