"""The map as the page draws it: columns of places, names and what points are coloured by."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from lorarium.errors import one_line
from lorarium.formats.target import write_atomically
from lorarium.library import Library
from lorarium.library.page import Points, gather
from lorarium.library.scan import key_of
from lorarium.library.where import Mask
from lorarium.studio.sending import as_json

COLORS = ("cluster", "family", "folder", "tag", "kind", "tool", "base")
NUMBERS = ("rank", "size")
STEPS = 20_000
OUTLIERS = 0.002  # of a family's points at each edge; they do not set its scale


def write_map(library: Library, out: Path, state: str, folders: Sequence[str]) -> dict[str, Any]:
    """Lay out all contents that may be seen; `state` names what of the library this shows."""
    points = gather(library.snapshot, inside(folders) if folders else None, 0)
    document = {"state": state, **columns(points)}
    write_atomically(out, [as_json(document)], force=True)
    return {"points": len(points.rows), "layout": points.layout}


def inside(folders: Sequence[str]) -> Mask:
    """Files below one of the folders; another folder whose name begins alike is not meant."""
    starts = tuple(folder.rstrip(os.sep) + os.sep for folder in folders)
    return lambda table: np.array([p.startswith(starts) for p in table["path"].to_pylist()], bool)


def columns(points: Points) -> dict[str, Any]:
    """Places as whole numbers; words that repeat as numbers into a list."""
    xy = points.xy.copy()
    panels = []
    start = 0
    width, height = points.size
    scale = STEPS / max(width, height)
    for family, count, x, y, side in points.panels:
        xy[start : start + count] = _spread(xy[start : start + count], x, y, side)
        box = [round(v * scale) for v in (x, y, side)]
        panels.append({"family": family, "count": count, "x": box[0], "y": box[1], "side": box[2]})
        start += count
    fields: dict[str, Any] = {}
    for name in COLORS:
        values = [one_line(str(row.get(name) or ""), 80) for row in points.rows]
        words = sorted(set(values))
        if len(words) > 1 or any(words):
            number = {word: i for i, word in enumerate(words)}
            fields[name] = {"words": words, "values": [number[v] for v in values]}
    for name in NUMBERS:
        fields[name] = {"values": [row.get(name) for row in points.rows]}
    return {
        "key": [key_of(row["path"]) for row in points.rows],
        "name": [one_line(PurePath(row["path"]).stem, 100) for row in points.rows],
        "x": np.round(xy[:, 0] * scale).astype(int).tolist(),
        "y": np.round(xy[:, 1] * scale).astype(int).tolist(),
        "width": round(width * scale),
        "height": round(height * scale),
        "panels": panels,
        "fields": fields,
        "layout": re.sub(r"\s+", " ", points.layout),
    }


def _spread(xy: Any, x: float, y: float, side: float) -> Any:
    """A family's points so that all but its outliers fill its square; those stand at the edge."""
    if len(xy) < 20:
        return xy
    low, high = np.quantile(xy, [OUTLIERS, 1 - OUTLIERS], axis=0)
    size = float((high - low).max()) or 1.0
    unit = 0.5 + (xy - (low + high) / 2) / size * 0.94
    return np.array([x, y]) + side * np.clip(unit, 0, 1)
