"""The map of a library: one page that needs nothing else, or a picture."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from lorarium.adapter import Array
from lorarium.errors import LorariumError, one_line, quoted
from lorarium.formats.target import write_atomically
from lorarium.library.clusters import clusters, family_vectors
from lorarium.library.layout import places, squares
from lorarium.library.map_names import cluster_names
from lorarium.library.snapshot import Snapshot
from lorarium.library.where import Mask

TEXTS = ("cluster", "tag", "family", "dialect", "kind", "dtype", "tool", "base", "author", "folder")
NUMBERS = ("rank", "modules", "norm", "steps", "size")
COLORS = (*TEXTS, *NUMBERS)
STEPS = 10_000  # of a coordinate on the page
MOST_WORDS = 8
SUFFIXES = (".html", ".png")


@dataclass(frozen=True)
class Drawn:
    path: str
    points: int
    families: dict[str, int]
    layout: str


@dataclass(frozen=True)
class Points:
    """What is drawn: a row of facts and a place for each content."""

    rows: list[dict[str, Any]]
    xy: Array  # (n, 2), y downwards
    panels: list[tuple[str, int, float, float, float]]  # family, count, corner, side
    layout: str

    @property
    def size(self) -> tuple[float, float]:
        right = max(x + side for _, _, x, _, side in self.panels)
        low = max(y + side for _, _, _, y, side in self.panels)
        return right, low


def draw(
    snapshot: Snapshot,
    out: Path,
    *,
    color: str = "cluster",
    where: str | None = None,
    marked: Sequence[Path] = (),
    seed: int = 0,
    force: bool = False,
) -> Drawn:
    """Write the map; the suffix of `out` says as what. Files that are `marked` get a ring."""
    if color not in COLORS:
        what = f"no field {quoted(color)} to colour by"
        raise LorariumError(what, hint=f"there are {', '.join(COLORS)}")
    points = gather(snapshot, where, seed, marked)
    if out.suffix.lower() == ".html":
        write_atomically(out, [page(points, color).encode()], force=force)
    else:
        from lorarium.library.picture import write_picture

        write_picture(out, points, color, force=force)
    counts = {family: count for family, count, *_ in points.panels}
    return Drawn(str(out), len(points.rows), counts, points.layout)


def gather(
    snapshot: Snapshot, where: str | Mask | None, seed: int, marked: Sequence[Path] = ()
) -> Points:
    """Lay out every family and collect the facts of each content, those of a file that passes."""
    allowed = snapshot.allowed(where)
    visible = None
    if where is not None:
        visible = set(snapshot.files["key"].filter(snapshot.mask(where)).to_pylist())
    marks = {str(path.resolve()) for path in marked}
    cluster_of = {path: c.name for c in clusters(snapshot, where) for path in c.paths}
    layouts = []
    for family, _ in snapshot.families().most_common():
        ids, vectors = family_vectors(snapshot, family, allowed)
        if ids:
            layouts.append((family, ids, *places(vectors, seed)))
    if not layouts:
        raise LorariumError("there is nothing to draw", hint="index a folder, or change --where")
    corners = squares([len(ids) for _, ids, _, _ in layouts])
    rows: list[dict[str, Any]] = []
    xy, panels = [], []
    for (family, ids, unit, _), (x, y, side) in zip(layouts, corners, strict=True):
        for of_content in snapshot.rows(ids):
            passing = [row for row in of_content if visible is None or row["key"] in visible]
            rows += [_row(passing, marks)] if passing else []
        xy.append(np.array([x, y]) + side * unit)
        panels.append((family, len(ids), x, y, side))
    for mark in sorted(marks - {row["marked"] for row in rows}):
        raise LorariumError("the map has no such file", where=mark, hint="index it first")
    common = _common([row["path"] for row in rows])
    for row in rows:
        row["tag"] = next(iter(row["tags"]), "")
        row["cluster"] = cluster_of.get(row["path"], "")
        row["shown"] = row["path"][len(common) :]
        row["folder"] = os.path.dirname(row["shown"])
    methods = {method for *_, method in layouts}
    return Points(rows, np.concatenate(xy), panels, " and ".join(sorted(methods)))


def _row(files: Sequence[dict[str, Any]], marks: set[str]) -> dict[str, Any]:
    """The facts of one content: of its first file, or of the one that is marked."""
    chosen = next((file for file in files if file["path"] in marks), files[0])
    mark = chosen["path"] if chosen["path"] in marks else ""
    return chosen | {"also": len(files) - 1, "marked": mark}


def _common(paths: list[str]) -> str:
    """The folder that all paths are in, with its last slash."""
    folder = os.path.commonpath([os.path.dirname(path) for path in paths])
    return folder.rstrip(os.sep) + os.sep


def page(points: Points, color: str) -> str:
    """HTML with everything inside. Text from files stands only in JSON, and is shown as text."""
    part = files("lorarium.library")
    script = part.joinpath("map.js").read_text("utf-8")
    style = part.joinpath("map.css").read_text("utf-8")
    data = json.dumps(_data(points, color), ensure_ascii=True, allow_nan=False)
    # the only way out of a script element is its end tag
    data = data.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    policy = f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}"
    title = html.escape(f"{len(points.rows)} adapters")
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{style}</style>\n"
        '<header><h1></h1><label>colour <select id="color"></select></label>'
        '<label>find <input id="find" type="search" placeholder="name, tag, word"></label>'
        '<span id="count" role="status"></span></header>\n'
        '<main><canvas tabindex="0" aria-label="map of adapters"></canvas>'
        '<aside id="legend"></aside><div id="card" hidden></div></main>\n'
        f'<script id="data" type="application/json">{data}</script>\n'
        f"<script>{script}</script>\n</html>\n"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _data(points: Points, color: str) -> dict[str, Any]:
    """Columns; words that repeat are numbers into a list."""
    rows = points.rows
    width, height = points.size
    scale = STEPS / max(width, height)
    fields: dict[str, Any] = {}
    for name in TEXTS:
        values = [one_line(str(row.get(name) or ""), 80) for row in rows]
        if any(values):
            words = sorted(set(values))
            number = {word: i for i, word in enumerate(words)}
            fields[name] = {"words": words, "values": [number[v] for v in values]}
    for name in NUMBERS:
        if any(row.get(name) is not None for row in rows):
            fields[name] = {"values": [_short(row.get(name)) for row in rows]}
    return {
        "x": np.round(points.xy[:, 0] * scale).astype(int).tolist(),
        "y": np.round(points.xy[:, 1] * scale).astype(int).tolist(),
        "width": round(width * scale),
        "height": round(height * scale),
        "panels": [
            {
                "family": family,
                "count": count,
                "x": round(x * scale),
                "y": round(y * scale),
                "side": round(side * scale),
            }
            for family, count, x, y, side in points.panels
        ],
        "path": [one_line(row["shown"], 300) for row in rows],
        "title": [one_line(row["title"] or "", 100) for row in rows],
        "words": [
            [one_line(w, 60) for w in (*row["words"], *row["tags"])][:MOST_WORDS] for row in rows
        ],
        "also": [row["also"] for row in rows],
        "names": [
            {"text": one_line(name, 40), "x": round(x * scale), "y": round(y * scale)}
            for name, x, y in cluster_names(rows, points.xy)
        ],
        "marked": [i for i, row in enumerate(rows) if row["marked"]],
        "fields": fields,
        "color": color if color in fields else "family",
        "layout": points.layout,
    }


def _short(value: Any) -> float | None:
    return None if value is None or not np.isfinite(value) else float(f"{float(value):.5g}")
