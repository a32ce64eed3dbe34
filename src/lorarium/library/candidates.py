"""Pairs of a library that may hold one adapter, by their sketches, never the last word."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from lorarium.adapter import Array
from lorarium.library.compare import NEAR_COSINE
from lorarium.library.snapshot import Snapshot
from lorarium.library.spaces import BUILT_IN

SCREEN = 256  # coordinates of the first comparison of all pairs
BLOCK = 2048
# cosine of ΔW from which a file of lower rank or fewer modules may be cut from another: the root of
# the energy that is left; in large families chance comes nearer
LEAST_CUT, LEAST_CUT_OF_MANY = 0.3, 0.5

Row = Mapping[str, Any]


def candidate_pairs(
    snapshot: Snapshot, by_id: Mapping[str, Row]
) -> Iterator[tuple[str, str, float]]:
    """Ids of two contents of one family, and about their cosine."""
    product = BUILT_IN["product"]
    for family in snapshot.families():
        if product.table(family) not in snapshot.tables:
            continue
        space = snapshot.space(product, family)
        ids = [id for id in space.stored.ids if id in by_id]
        rows = [space.stored.position[id] for id in ids]
        min_cosine = LEAST_CUT if len(ids) <= BLOCK else LEAST_CUT_OF_MANY
        vectors = space.stored.exact.vectors[rows]
        noise = 4 * (1 - NEAR_COSINE**2) / np.sqrt(vectors.shape[-1])
        for i, j in close_pairs(vectors, min_cosine):
            cosine = float(vectors[i].astype(np.float32) @ vectors[j].astype(np.float32))
            if abs(cosine) >= NEAR_COSINE - noise or _one_is_smaller(by_id[ids[i]], by_id[ids[j]]):
                yield ids[i], ids[j], cosine


def _one_is_smaller(a: Row, b: Row) -> bool:
    return a["modules"] != b["modules"] or a["rank"] != b["rank"] or a["kinds"] != b["kinds"]


def close_pairs(vectors: Array, min_cosine: float) -> list[tuple[int, int]]:
    """Pairs of rows whose cosine is at least about `min_cosine` in size, by blocks of all pairs.

    Compared first after a projection to `SCREEN` coordinates, where the cosine of a pair at
    `min_cosine` strays by (1 - min_cosine²) / √SCREEN.
    """
    n, d = vectors.shape
    shadow = vectors
    cut = min_cosine
    if d > SCREEN and n > BLOCK:
        turn = np.random.default_rng(d).standard_normal((d, SCREEN), np.float32)
        shadow = np.concatenate(
            [vectors[i : i + BLOCK].astype(np.float32) @ turn for i in range(0, n, BLOCK)]
        )
        shadow /= np.linalg.norm(shadow, axis=1, keepdims=True)
        cut = min_cosine - 4 * (1 - min_cosine**2) / np.sqrt(SCREEN)
    shadow = shadow.astype(np.float32)
    noise = 4 * (1 - min_cosine**2) / np.sqrt(d)
    pairs_found: list[tuple[int, int]] = []
    for low in range(0, n, BLOCK):
        for right in range(low, n, BLOCK):
            scores = np.abs(shadow[low : low + BLOCK] @ shadow[right : right + BLOCK].T)
            pairs = np.argwhere(scores >= cut) + np.array([low, right])
            pairs = pairs[pairs[:, 0] < pairs[:, 1]]
            for start in range(0, len(pairs), BLOCK):
                some = pairs[start : start + BLOCK]
                a, b = (vectors[some[:, side]].astype(np.float32) for side in (0, 1))
                near = np.abs(np.einsum("ij,ij->i", a, b)) >= min_cosine - noise
                pairs_found += [(int(i), int(j)) for i, j in some[near]]
    return pairs_found
