"""What is written into a map: the names of clusters where they lie, and those of single points
where there are few."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from lorarium.adapter import Array

FEW = 40  # points up to which each is named
Box = tuple[float, float, float, float]  # left, top, right, bottom


def cluster_names(rows: Sequence[dict[str, Any]], xy: Array) -> list[tuple[str, float, float]]:
    """Name and middle of each cluster, the largest first; middles of coordinates, so that one that
    lies apart moves no name."""
    members: dict[tuple[str, str], list[int]] = {}
    for i, row in enumerate(rows):
        if row["cluster"]:
            members.setdefault((row["family"], row["cluster"]), []).append(i)
    order = sorted(members.items(), key=lambda item: (-len(item[1]), item[0]))
    middles = [(name, np.median(xy[some], axis=0)) for (_, name), some in order]
    return [(name, float(x), float(y)) for name, (x, y) in middles]


def point_name(row: dict[str, Any]) -> str:
    """What stands at a point: its title, or its file's name."""
    return str(row["title"] or PurePath(row["path"]).stem)


def without_overlap(boxes: Iterable[Box], taken: Sequence[Box] = ()) -> Iterator[bool]:
    """For each box in turn whether it has its place to itself, the earlier ones going first."""
    kept = list(taken)
    for left, top, right, bottom in boxes:
        free = all(right <= a or c <= left or bottom <= b or d <= top for a, b, c, d in kept)
        if free:
            kept.append((left, top, right, bottom))
        yield free
