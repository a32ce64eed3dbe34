"""Files of a library that may hold one adapter, by their marks and sketches: never the last word.

Of files that nothing is like, which are nearly all of a large library, no row is made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from lorarium.adapter import Array
from lorarium.library.arrow import pc
from lorarium.library.compare import NEAR_COSINE
from lorarium.library.snapshot import Snapshot
from lorarium.library.spaces import BUILT_IN

SCREEN = 256  # coordinates of the first comparison of all pairs
BLOCK = 2048
# cosine of ΔW from which a file of lower rank or fewer modules may be cut from another: the root of
# the energy that is left; in large families chance comes nearer
LEAST_CUT, LEAST_CUT_OF_MANY = 0.3, 0.5

Row = Mapping[str, Any]
Form = tuple[int, float | None, tuple[str, ...]]  # modules, rank and kinds


def print_of(family: str, fingerprint: str, id: str, described: bool) -> tuple[str, str]:
    """Equal for files with the same weights."""
    # changes that are zero are all alike, which makes nobody a copy
    return family, fingerprint if described and fingerprint else id


def repeated_rows(files: pa.Table) -> tuple[list[Row], pa.Table]:
    """The rows of files that are not alone with their print, and the table of those that are;
    files that could not be read are in neither."""
    files = files.filter(pc.not_equal(files["id"], ""))
    columns = (files[name].to_pylist() for name in ("family", "fingerprint", "id", "described"))
    prints = [print_of(*values) for values in zip(*columns, strict=True)]
    count = Counter(prints)
    alone = pa.array([count[mark] == 1 for mark in prints], pa.bool_())
    return files.filter(pc.invert(alone)).to_pylist(), files.filter(alone)


def rows_with(files: pa.Table, ids: Collection[str]) -> list[Row]:
    return files.filter(pc.is_in(files["id"], pa.array(sorted(ids), pa.string()))).to_pylist()


def form_of(row: Row) -> Form:
    return row["modules"], row["rank"], tuple(row["kinds"])


def forms_of(files: pa.Table) -> dict[str, Form]:
    """By id, of those that have a sketch."""
    columns = files.filter(files["described"]).select(["id", "modules", "rank", "kinds"])
    known: dict[Form, Form] = {}
    forms = {}
    for id, *values in zip(*columns.to_pydict().values(), strict=True):
        form = values[0], values[1], tuple(values[2])
        forms[id] = known.setdefault(form, form)
    return forms


def candidate_pairs(
    snapshot: Snapshot, forms: Mapping[str, Form]
) -> Iterator[tuple[str, str, float]]:
    """Ids of two contents of one family, and about their cosine."""
    product = BUILT_IN["product"]
    for family in snapshot.families():
        if product.table(family) not in snapshot.tables:
            continue
        space = snapshot.space(product, family)
        rows = [row for row, id in enumerate(space.stored.ids) if id in forms]
        ids = [space.stored.ids[row] for row in rows]
        min_cosine = LEAST_CUT if len(ids) <= BLOCK else LEAST_CUT_OF_MANY
        vectors = space.stored.exact.vectors
        vectors = vectors if len(rows) == len(vectors) else vectors[rows]
        noise = 4 * (1 - NEAR_COSINE**2) / np.sqrt(vectors.shape[-1])
        for i, j in close_pairs(vectors, min_cosine):
            cosine = float(vectors[i].astype(np.float32) @ vectors[j].astype(np.float32))
            if abs(cosine) >= NEAR_COSINE - noise or forms[ids[i]] != forms[ids[j]]:
                yield ids[i], ids[j], cosine


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
        shadow = np.empty((n, SCREEN), np.float32)
        for i in range(0, n, BLOCK):
            shadow[i : i + BLOCK] = vectors[i : i + BLOCK].astype(np.float32) @ turn
        shadow /= np.linalg.norm(shadow, axis=1, keepdims=True)
        cut = min_cosine - 4 * (1 - min_cosine**2) / np.sqrt(SCREEN)
    shadow = shadow.astype(np.float32, copy=False)
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
