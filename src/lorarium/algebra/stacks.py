"""Modules of equal shape stacked for batched linear algebra, a bounded chunk at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lorarium.adapter import Adapter, Array, LowRank, Module
from lorarium.algebra.dtypes import compute_dtype
from lorarium.algebra.forms import flat
from lorarium.errors import LorariumError

NOT_FINITE, HINT = "NaN or infinite values in the factors", "see `lorarium inspect`"
CHUNK_BYTES = 2**24  # of stacked float32 factors; what is computed from them is about six times it


def finite(matrix: Array) -> Array:
    """The matrix, or an error where an SVD of it would not converge."""
    if not np.isfinite(matrix).all():
        raise LorariumError(NOT_FINITE, hint=HINT)
    return matrix


def low_rank_stacks(
    adapter: Adapter, chunk_bytes: int = CHUNK_BYTES
) -> Iterator[tuple[list[Module], tuple[Array, Array] | None]]:
    """Plain LowRank modules of equal shape as stacked B (k, out, r) and A (k, r, n), scale apart;
    every other module by itself with None.
    """
    groups: dict[tuple, list[Module]] = {}
    for module, delta in adapter.items():
        if isinstance(delta, LowRank) and delta.mid is None:
            out, r = delta.up.shape[:2]
            key = (out, r, delta.down[:1].size, compute_dtype(delta.up, delta.down).char)
            groups.setdefault(key, []).append(module)
        else:
            yield [module], None
    for (out, r, n, char), members in groups.items():
        step = max(1, chunk_bytes // max(1, 4 * r * (out + n)))
        for start in range(0, len(members), step):
            chunk = members[start : start + step]
            B = np.empty((len(chunk), out, r), char)
            A = np.empty((len(chunk), r, n), char)
            for i, module in enumerate(chunk):
                delta = adapter[module]
                assert isinstance(delta, LowRank)
                B[i] = delta.up.reshape(out, r)
                A[i] = flat(delta.down)
                if not (np.isfinite(B[i]).all() and np.isfinite(A[i]).all()):
                    raise LorariumError(NOT_FINITE, where=str(module), hint=HINT)
            yield chunk, (B, A)
