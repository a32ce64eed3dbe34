"""The map as a PNG."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lorarium.adapter import Array
from lorarium.errors import need_packages, one_line
from lorarium.formats.target import write_atomically
from lorarium.library.map_names import FEW, cluster_names, point_name, without_overlap
from lorarium.library.page import NUMBERS, Points

if TYPE_CHECKING:
    from PIL import ImageDraw

WIDTH, LEGEND, MARGIN, TWICE = 1200, 260, 40, 2
PAPER, INK, SOFT = (255, 255, 255), (34, 34, 34), (120, 120, 120)
COLORS = (
    *((0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (213, 94, 0)),
    *(
        (140, 107, 177),
        (178, 161, 0),
        (127, 85, 57),
        (95, 158, 160),
        (231, 41, 138),
        (102, 166, 30),
    ),
)
GREY = (154, 154, 154)
RAMP = np.array([(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)])
Color = tuple[int, int, int]


def write_picture(out: Path, points: Points, color: str, *, force: bool = False) -> None:
    need_packages("a map as .png (unlike one as .html)", ("PIL",), "map")
    from PIL import Image, ImageDraw

    width, height = points.size
    scale = (WIDTH - 2 * MARGIN) / width
    size = (WIDTH + LEGEND, max(320, int(height * scale) + 2 * MARGIN))
    large = Image.new("RGB", (size[0] * TWICE, size[1] * TWICE), PAPER)
    pen = ImageDraw.Draw(large)
    colors, legend = _colors(points, color)
    radius = TWICE * float(np.clip(90 / np.sqrt(len(points.rows)), 1.5, 6))
    for (x, y), fill in zip(MARGIN + points.xy * scale, colors, strict=True):
        place = TWICE * x, TWICE * y
        box = (place[0] - radius, place[1] - radius, place[0] + radius, place[1] + radius)
        pen.ellipse(box, fill=fill)
    picture = large.resize(size, Image.Resampling.LANCZOS)
    pen = ImageDraw.Draw(picture)
    for family, count, x, y, _ in points.panels:
        at = (MARGIN + x * scale, MARGIN + y * scale - 24)
        pen.text(at, _plain(f"{family} ({count})"), fill=INK, font_size=15)
    _write_names(pen, points, MARGIN + points.xy * scale, radius / TWICE)
    pen.text((WIDTH, MARGIN - 24), color, fill=SOFT, font_size=14)
    for row, (name, fill) in enumerate(legend):
        top = MARGIN + 22 * row
        pen.ellipse((WIDTH, top + 3, WIDTH + 11, top + 14), fill=fill)
        pen.text((WIDTH + 18, top), _plain(name), fill=INK, font_size=13)
    stream = io.BytesIO()
    picture.save(stream, "png")
    write_atomically(out, [stream.getvalue()], force=force)


def _write_names(pen: ImageDraw.ImageDraw, points: Points, xy: Array, radius: float) -> None:
    """Marked points, then clusters, then, where there are few, every other point; a name that
    would stand on another is left out."""
    far = radius + 5
    names: list[tuple[str, float, float]] = []
    for row, (x, y) in zip(points.rows, xy, strict=True):
        if row["marked"]:
            pen.ellipse((x - far, y - far, x + far, y + far), outline=INK, width=2)
            names.append((row["title"] or row["shown"], x, y - far - 4))
    marked = len(names)
    names += cluster_names(points.rows, xy)
    clusters = len(names)
    if len(points.rows) <= FEW:
        names += [
            (point_name(row), x, y - radius - 3)
            for row, (x, y) in zip(points.rows, xy, strict=True)
            if not row["marked"]
        ]
    texts = [_plain(name) for name, _, _ in names]
    sizes = [15 if i < clusters else 11 for i in range(len(names))]
    boxes = [
        pen.textbbox((x, y), text, font_size=size, anchor="mb")
        for text, size, (_, x, y) in zip(texts, sizes, names, strict=True)
    ]
    for i, free in enumerate(without_overlap(boxes)):
        if free or i < marked:
            place, fill = names[i][1:], INK if i < clusters else SOFT
            pen.text(
                place, texts[i], fill=fill, font_size=sizes[i], anchor="mb",
                stroke_width=2, stroke_fill=PAPER,
            )  # fmt: skip


def _plain(text: str) -> str:
    return one_line(text, 34)


def _colors(points: Points, field: str) -> tuple[list[Color], list[tuple[str, Color]]]:
    """A colour for each point, and what the colours mean."""
    values = [row.get(field) for row in points.rows]
    if field in NUMBERS:
        numbers = np.array([np.nan if v is None else v for v in values], float)
        known = numbers[np.isfinite(numbers)]
        if not len(known):
            return [GREY] * len(values), [("none", GREY)]
        low, high = np.quantile(known, [0.02, 0.98])
        shares = (numbers - low) / ((high - low) or 1)
        colors = [_mix(float(s)) if np.isfinite(s) else GREY for s in shares]
        marks = np.linspace(0, 1, 5)
        return colors, [(f"{low + m * (high - low):.4g}", _mix(float(m))) for m in marks]
    words = [str(v or "") for v in values]
    counts = Counter(word for word in words if word)
    named = [word for word, _ in counts.most_common(len(COLORS))]
    fill = dict(zip(named, COLORS, strict=False))
    legend = [(f"{word} ({counts[word]})", fill[word]) for word in named]
    others = len(words) - sum(counts[word] for word in named)
    if others:
        legend.append((f"other or none ({others})", GREY))
    return [fill.get(word, GREY) for word in words], legend


def _mix(share: float) -> Color:
    at = float(np.clip(share, 0, 1)) * (len(RAMP) - 1)
    i = min(int(at), len(RAMP) - 2)
    mixed: Array = RAMP[i] + (at - i) * (RAMP[i + 1] - RAMP[i])
    r, g, b = (int(v) for v in mixed)
    return r, g, b
