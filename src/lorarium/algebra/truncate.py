"""The leading singular vectors of one given matrix.

Small matrices have an exact SVD; of large ones a random start is improved by subspace iteration
(Halko, Martinsson and Tropp 2011, algorithm 4.4) until a pass lowers the squared error by less
than a thousandth, so that the error stays well within 1% of the optimum.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lorarium.adapter import Array, LowRank
from lorarium.algebra.canonical import Canonical
from lorarium.algebra.forms import form, row_blocks, rows
from lorarium.errors import LorariumError

EXACT = 512  # matrices with no more rows or columns have an exact SVD
PASSES = (4, 40)  # at least and at most
GAIN = 1e-3  # of the squared error: a pass that gains less is the last
FLOOR = 1e-8  # of the squared norm: gains below it are rounding


class Truncated(NamedTuple):
    """At most `rank` components, the Frobenius norm of the matrix, and how they were found."""

    svd: Canonical
    norm: float
    exact: bool


def dense_truncated(
    D: Array, rank: int, *, energy: float | None = None, seed: int = 0
) -> Truncated:
    """The best components of D (out, n): `rank`, or as few as hold `energy` of its square.

    Components that are only rounding are left out, so an exact low rank is found as such.
    """
    total = _squared(D)
    if not np.isfinite(total):
        raise LorariumError("NaN or infinite values in the matrix", hint="is the file broken?")
    width = rank + max(10, rank // 2)
    exact = min(D.shape) <= EXACT or 3 * width >= min(D.shape)
    if exact:
        U, S, Vt = np.linalg.svd(D, full_matrices=False)
    else:
        U, S, Vt = _iterated(D, rank, width, total, seed)
    wide = S.astype(np.float64)
    noise = wide[0] * max(D.shape) * float(np.finfo(D.dtype).eps) / 8
    keep = min(rank, int((wide > noise).sum()))
    if energy is not None:
        held = np.cumsum(wide**2)
        keep = min(keep, int(np.searchsorted(held, energy * total * (1 - 1e-12))) + 1)
    peak = np.take_along_axis(U, np.abs(U).argmax(0)[None], 0)
    sign = np.where(peak < 0, -1, 1).astype(U.dtype)
    components = Canonical(U * sign, S.astype(D.dtype), Vt.T * sign).cut(keep)
    return Truncated(components, float(np.sqrt(total)), exact)


def dense_error(D: Array, delta: LowRank) -> float:
    """‖D - ΔW‖, with the factors as they are stored, a block of rows at a time."""
    matrix = form(delta)
    total = 0.0
    for first, last in row_blocks(matrix):  # type: ignore[arg-type]
        block = rows(matrix, first, last)  # type: ignore[arg-type]
        total += _squared(D[first:last] - block * block.dtype.type(delta.scale))
    return float(np.sqrt(total))


def _iterated(
    D: Array, rank: int, width: int, total: float, seed: int
) -> tuple[Array, Array, Array]:
    start = np.random.default_rng(seed).standard_normal((D.shape[1], width), np.float32)
    Q = np.linalg.qr(D @ start.astype(D.dtype))[0]
    before = 0.0
    for done in range(1, PASSES[1] + 1):
        Z = D.T @ Q
        P, R = np.linalg.qr(Z.astype(np.float64))
        u, S, vt = np.linalg.svd(R.T)
        held = float((S[:rank] ** 2).sum())
        if done >= PASSES[0] and held - before <= max(GAIN * (total - held), FLOOR * total):
            break
        before = held
        Q = np.linalg.qr(D @ P.astype(D.dtype))[0]
    # Z = P R, so the part of D in the span of Q is Q Rᵀ Pᵀ
    return Q @ u.astype(D.dtype), S, (vt @ P.T).astype(D.dtype)


def _squared(D: Array) -> float:
    """‖D‖² summed in float64 without a copy of D in it."""
    return float(sum(np.sum(np.square(block, dtype=np.float64)) for block in _blocks(D)))


def _blocks(D: Array) -> list[Array]:
    return np.array_split(D, max(1, D.size // 2**20))
