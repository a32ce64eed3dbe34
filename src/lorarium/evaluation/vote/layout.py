"""One blind sheet as a picture: references above a line, numbered candidates below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Array = np.ndarray
TILE = 160  # side of a picture at least: smaller ones are enlarged
LARGEST = 1500  # pixels of a sheet in either direction
ACROSS = 6
GAP = 10
HEAD = 30  # above a picture, for its number
CAPTION = 34
LINE = 18
INK, PAPER, RULE = (20, 20, 20), (255, 255, 255), (120, 120, 120)


@dataclass(frozen=True)
class Box:
    left: int
    top: int
    width: int
    height: int


def columns(tile: int, paired: bool) -> int:
    """Cells side by side."""
    width = 2 * tile if paired else tile
    fitting = (LARGEST - GAP) // (width + GAP)
    return max(1, min(ACROSS // 2 if paired else ACROSS, fitting))


def capacity(tile: int, references: int, paired: bool) -> int:
    """Cells on a sheet with so many rows of references."""
    above = GAP + references * (CAPTION + tile + GAP) + LINE
    return max(1, (LARGEST - above) // (HEAD + tile + GAP)) * columns(tile, paired)


def draw_sheet(
    references: Mapping[str, Array], captions: Mapping[str, str], cells: Sequence[Sequence[Array]],
    tile: int = TILE,
) -> tuple[Array, list[Box]]:  # fmt: skip
    """The sheet (h, w, 3) and where each cell stands on it. A cell is one picture, or the two of a
    pair."""
    paired = len(cells[0]) == 2
    across = columns(tile, paired)
    per_line = max(1, (across * (2 if paired else 1)))
    cell_width = 2 * tile if paired else tile
    rows = -(-len(cells) // across)
    width = GAP + across * (cell_width + GAP)
    above = GAP + len(references) * (CAPTION + tile + GAP)
    height = above + LINE + rows * (HEAD + tile + GAP)
    canvas = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(canvas)
    small, large = ImageFont.load_default(18), ImageFont.load_default(24)
    top = GAP
    for name, pictures in references.items():
        draw.text((GAP, top + 5), captions[name], INK, small)
        for i, picture in enumerate(pictures[:per_line]):
            canvas.paste(scaled(picture, tile), (GAP + i * (tile + GAP), top + CAPTION))
        top += CAPTION + tile + GAP
    draw.line((GAP, top + LINE // 2 - 4, width - GAP, top + LINE // 2 - 4), RULE, 3)
    boxes = []
    for i, cell in enumerate(cells):
        left = GAP + i % across * (cell_width + GAP)
        y = above + LINE + i // across * (HEAD + tile + GAP)
        for j, picture in enumerate(cell):
            canvas.paste(scaled(picture, tile), (left + j * tile, y + HEAD))
            if paired:
                letter = (left + j * tile + tile / 2, y + HEAD - 4)
                draw.text(letter, "AB"[j], INK, small, anchor="ms")
        draw.text((left + 2, y + HEAD - 5), str(i + 1), INK, large, anchor="ls")
        boxes.append(Box(left, y, cell_width, HEAD + tile))
    return np.asarray(canvas), boxes


def scaled(picture: Array, tile: int) -> Image.Image:
    """The whole picture inside a square of `tile`, smoothly enlarged or made smaller."""
    image = Image.fromarray(np.ascontiguousarray(picture))
    times = tile / max(image.size)
    size = (max(1, round(image.width * times)), max(1, round(image.height * times)))
    image = image.resize(size, Image.Resampling.LANCZOS)
    if image.size == (tile, tile):
        return image
    square = Image.new("RGB", (tile, tile), PAPER)
    square.paste(image, ((tile - image.width) // 2, (tile - image.height) // 2))
    return square
