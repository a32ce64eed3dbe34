"""A small picture of each file: what lies beside it, what it holds, or its energies, drawn.

Pictures of others are decoded through the guarded door and written anew, so nothing of a stranger's
file reaches the browser but pixels.
"""

from __future__ import annotations

import hashlib
import html
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from lorarium.descriptors.facts import fact_names
from lorarium.descriptors.select import SORTS
from lorarium.descriptors.sketch import Sketch
from lorarium.errors import LorariumError
from lorarium.formats.inspection.sidecars import find_preview
from lorarium.formats.inspection.thumbnail import read_thumbnail
from lorarium.formats.target import write_atomically
from lorarium.pictures import open_picture
from lorarium.studio.allowed import AllowedFolders

SIDE = 384
WIDTH, HEIGHT = 320, 240


class Previews:
    """`folder` keeps what was made, by the state of the file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def picture(self, path: Path, row: dict[str, Any], allowed: AllowedFolders) -> bytes | None:
        """WebP of the picture beside a file or in its header; None when there is none."""
        state = f"{row['path']}\0{row['modified']}\0{row['size']}\0{row['beside']}"
        beside = find_preview(path)
        if beside is not None:
            state += f"\0{beside.name}\0{beside.stat().st_mtime_ns}"
        kept = self.folder / f"{hashlib.blake2b(state.encode(), digest_size=16).hexdigest()}.webp"
        if kept.is_file():
            return kept.read_bytes() or None
        data = b""
        try:
            if beside is not None:
                data = _small(allowed.file(beside))
            elif not row["error"] and (thumbnail := read_thumbnail(path)):
                data = _small(thumbnail)
        except (LorariumError, OSError):
            data = b""
        write_atomically(kept, [data], force=True)  # empty: looked at, nothing there
        return data or None


def _small(source: Path | bytes) -> bytes:
    with open_picture(source) as picture:
        picture.draft("RGB", (2 * SIDE, 2 * SIDE))  # a large JPEG is decoded small
        upright = ImageOps.exif_transpose(picture).convert("RGB")
        upright.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        held = io.BytesIO()
        upright.save(held, "WEBP", quality=82)
        return held.getvalue()


def energies(sketch: Sketch) -> list[float]:
    """Shares of ‖ΔW‖² by block in the order of the network; by sort of layer elsewhere."""
    names = fact_names(sketch.family)
    blocks = [n for n in names if n.startswith("energy ")]
    inner = blocks[len(SORTS) :] or blocks
    values = [max(0.0, sketch.fact(name)) for name in inner]
    while values and not values[-1]:  # text encoders that are not touched
        values.pop()
    return values


def drawn(values: Sequence[float], seed: str, words: str = "") -> bytes:
    """Energies as bars about a middle line, as SVG; by their hue, copies look alike."""
    digest = hashlib.blake2b(seed.encode(), digest_size=4).digest()
    hue = int.from_bytes(digest[:2], "big") % 360
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}">',
        f'<defs><linearGradient id="g" x1="0" y1="0" x2="1" y2="1">'
        f'<stop offset="0" stop-color="hsl({hue} 34% 46%)"/>'
        f'<stop offset="1" stop-color="hsl({(hue + 38) % 360} 40% 30%)"/></linearGradient></defs>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="url(#g)"/>',
    ]
    heights = [math.sqrt(v) for v in values if math.isfinite(v)]
    top = max(heights, default=0.0)
    if top:
        step = (WIDTH - 48) / len(heights)
        thick = max(1.5, min(14.0, step * 0.62))
        for i, height in enumerate(heights):
            tall = max(2.0, height / top * (HEIGHT - 92))
            x, y = 24 + step * (i + 0.5) - thick / 2, (HEIGHT - tall) / 2
            shade = 0.5 + 0.45 * height / top
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{thick:.1f}" height="{tall:.1f}" '
                f'rx="{min(thick / 2, 4):.1f}" fill="#fff" fill-opacity="{shade:.2f}"/>'
            )
    if words:
        parts.append(
            f'<text x="{WIDTH // 2}" y="{HEIGHT // 2}" fill="#fff" font-family="sans-serif" '
            f'font-size="17" text-anchor="middle">{html.escape(words)}</text>'
        )
    return "".join([*parts, "</svg>"]).encode("ascii", "xmlcharrefreplace")
