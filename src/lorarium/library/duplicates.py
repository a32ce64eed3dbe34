"""Groups of files that hold one adapter, however they were written.

Equal bytes, equal payloads and equal fingerprints are certain. The rest is found by the cosine of
ΔW: other number types, rotated factors, another strength, rounding, truncation to a lower rank or
to fewer modules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lorarium.adapter import Array
from lorarium.library.relate import LEAST_RESIZED, Weights, changes, cosine
from lorarium.library.spaces import BUILT_IN
from lorarium.library.view import View

WIDTH = {"float64": 64, "float32": 32, "bfloat16": 16, "float16": 17}  # more mantissa first
SCREEN = 128  # coordinates of the first comparison of all pairs
BLOCK = 2048


@dataclass(frozen=True)
class Copy:
    path: str
    changes: tuple[str, ...]  # from the file that is worth keeping to this one
    cosine: float
    size: int

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "changes": list(self.changes),
            "cosine": round(self.cosine, 6),
            "size": self.size,
        }


@dataclass(frozen=True)
class Group:
    """Files of one adapter; `keep` is the finest: highest rank, widest numbers."""

    family: str
    keep: str
    copies: tuple[Copy, ...]

    def to_json(self) -> dict[str, Any]:
        copies = [copy.to_json() for copy in self.copies]
        return {"family": self.family, "keep": self.keep, "copies": copies}


def duplicates(view: View, where: str | None = None) -> list[Group]:
    """All groups, the largest first."""
    files = view.files if where is None else view.files.filter(view.mask(where))
    rows = [row for row in files.to_pylist() if row["id"]]
    links = Links(row["key"] for row in rows)
    for name in ("id", "payload_sha256", "fingerprint"):
        _link_equal(links, rows, name)
    by_id: dict[str, dict[str, Any]] = {}
    for row in rows:
        by_id.setdefault(row["id"], row)
    for a, b in _near(view, by_id):
        links.join(a["key"], b["key"])
    groups = [_group(view, found) for found in links.groups(rows)]
    return sorted(groups, key=lambda g: (-len(g.copies), g.keep))


class Links:
    """Which rows belong together (union-find)."""

    def __init__(self, keys: Iterable[str]) -> None:
        self.above = {key: key for key in keys}

    def root(self, key: str) -> str:
        while self.above[key] != key:
            self.above[key] = key = self.above[self.above[key]]
        return key

    def join(self, a: str, b: str) -> None:
        self.above[self.root(a)] = self.root(b)

    def groups(self, rows: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            found.setdefault(self.root(row["key"]), []).append(row)
        return [group for group in found.values() if len(group) > 1]


def _link_equal(links: Links, rows: Sequence[dict[str, Any]], name: str) -> None:
    first: dict[tuple[str, str], str] = {}
    for row in rows:
        # changes that are zero are all alike, which makes nobody a copy
        if row[name] and (name == "id" or row["described"]):
            key = first.setdefault((row["family"], row[name]), row["key"])
            links.join(row["key"], key)


def _near(
    view: View, by_id: dict[str, dict[str, Any]]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Pairs of contents that are copies by their sketches."""
    product = BUILT_IN["product"]
    for family in view.families():
        if product.table(family) not in view.tables:
            continue
        space = view.space(product, family)
        ids = [id for id in space.stored.ids if id in by_id]
        rows = [space.stored.position[id] for id in ids]
        pairs = close_pairs(space.stored.exact.vectors[rows], LEAST_RESIZED)
        # equal prints are linked already
        pairs = [
            (i, j) for i, j in pairs if by_id[ids[i]]["fingerprint"] != by_id[ids[j]]["fingerprint"]
        ]
        sketches = view.sketches(sorted({ids[i] for pair in pairs for i in pair}))
        weights = {id: Weights(by_id[id], sketch) for id, sketch in sketches.items()}
        for i, j in pairs:
            a, b = weights.get(ids[i]), weights.get(ids[j])
            if a is not None and b is not None and changes(a, b) is not None:
                yield by_id[ids[i]], by_id[ids[j]]


def close_pairs(vectors: Array, least: float) -> list[tuple[int, int]]:
    """Pairs of rows whose cosine is at least about `least` in size, by blocks of all pairs.

    Compared first after a projection to `SCREEN` coordinates, where the cosine of a pair at
    `least` strays by (1 - least²) / √SCREEN.
    """
    n, d = vectors.shape
    shadow = vectors
    cut = least
    if d > SCREEN and n > BLOCK:
        turn = np.random.default_rng(d).standard_normal((d, SCREEN), np.float32)
        shadow = np.concatenate(
            [vectors[i : i + BLOCK].astype(np.float32) @ turn for i in range(0, n, BLOCK)]
        )
        shadow /= np.linalg.norm(shadow, axis=1, keepdims=True)
        cut = least - 4 * (1 - least**2) / np.sqrt(SCREEN)
    shadow = shadow.astype(np.float32)
    noise = 4 * (1 - least**2) / np.sqrt(d)
    found: list[tuple[int, int]] = []
    for low in range(0, n, BLOCK):
        for right in range(low, n, BLOCK):
            scores = np.abs(shadow[low : low + BLOCK] @ shadow[right : right + BLOCK].T)
            pairs = np.argwhere(scores >= cut) + np.array([low, right])
            pairs = pairs[pairs[:, 0] < pairs[:, 1]]
            for start in range(0, len(pairs), BLOCK):
                some = pairs[start : start + BLOCK]
                a, b = (vectors[some[:, side]].astype(np.float32) for side in (0, 1))
                near = np.abs(np.einsum("ij,ij->i", a, b)) >= least - noise
                found += [(int(i), int(j)) for i, j in some[near]]
    return found


def _group(view: View, rows: list[dict[str, Any]]) -> Group:
    rows.sort(key=_worth)
    best, others = rows[0], rows[1:]
    sketches = view.sketches(sorted({row["id"] for row in rows}))
    weights = {id: Weights(row, sketches[id]) for row in rows if (id := row["id"]) in sketches}
    copies = []
    for row in others:
        a, b = weights.get(best["id"]), weights.get(row["id"])
        done = ["identical file"]
        c = 1.0
        if row["id"] == best["id"]:
            if row["inode"] == best["inode"] and row["changed"] == best["changed"]:
                done = ["the same file by another name"]
        elif a is not None and b is not None:
            done = changes(a, b) or ["a copy of another copy"]
            c = cosine(a.product, b.product)
        copies.append(Copy(row["path"], tuple(done), c, row["size"]))
    return Group(best["family"], best["path"], tuple(copies))


def _worth(row: dict[str, Any]) -> tuple[float, float, float, int, str]:
    """Smallest for the finest; among equals for the shortest path."""
    width = WIDTH.get(row["dtype"], 0)
    return -row["modules"], -(row["rank"] or 0), -width, len(row["path"]), row["path"]
