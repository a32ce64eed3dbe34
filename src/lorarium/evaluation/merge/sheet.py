"""The contact sheet: a row for each cell, a column for each row of the table."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lorarium.evaluation.base_checks import reference_pictures
from lorarium.evaluation.merge.cells import Cell
from lorarium.evaluation.merge.drawing import PictureCache
from lorarium.evaluation.merge.rows import MergeContender
from lorarium.pictures import enlarged, grid, labelled, write_png

MAX_CELLS = 16  # cells
SHORT = {
    "true renders": "true", "joint training": "joint",
    "subject's adapter alone, genre in words": "subject + word",
    "style's adapter alone, class in words": "word + style",
}  # fmt: skip


def write_sheet(
    path: Path,
    rows: list[MergeContender],
    cells: list[Cell],
    drawings: PictureCache,
    numbers: tuple[int, int, int],
    *,
    force: bool = False,
) -> None:
    """The first picture of each, beside a picture of the subject and of the style."""
    size, chosen = drawings.base.size, cells[:: max(1, -(-len(cells) // MAX_CELLS))]
    pictures = []
    for cell in chosen:
        pictures += [reference_pictures(entry, size)[0] for entry in cell.entries]
        pictures += [drawings[row, cell, *numbers].pictures[0] for row in rows]
    times = max(1, 96 // size)
    top = ["subject", "style", *(SHORT.get(row.name, row.name) for row in rows)]
    sheet = grid(enlarged(np.stack(pictures), times), len(rows) + 2)
    left = [f"{c.entries[0].of[0]} in {c.entries[1].of[0]}" for c in chosen]
    picture = labelled(sheet, top, left, size * times)
    write_png(path, picture, {"lorarium": "evaluate merge"}, force=force)
