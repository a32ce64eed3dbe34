"""A contact sheet of the drawn world: each row one individual, each column one artist."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lorarium.errors import LorariumError
from lorarium.formats.target import check_target
from lorarium.pictures import grid, labelled, write_png
from lorarium.world.scene import Style, Subject, View, render
from lorarium.world.styles import GENRES
from lorarium.world.subjects import CLASSES

LARGEST, MOST_PIXELS = 2048, 120_000_000


def world_sheet(
    out: Path,
    subjects: str,
    styles: str,
    size: int,
    seed: int = 0,
    labels: bool = True,
    *,
    force: bool = False,
) -> tuple[list[str], list[str]]:
    """Write the sheet; `subjects` and `styles` are a number or words with commas."""
    check_target(out, force=force, suffixes=(".png",))
    rows = chosen(subjects, sorted(CLASSES), seed, "subject")
    columns = chosen(styles, sorted(GENRES), seed + 1, "style")
    if not 8 <= size <= LARGEST or len(rows) * len(columns) * size * size > MOST_PIXELS:
        raise LorariumError(
            f"{len(rows)} x {len(columns)} pictures of {size} pixels",
            hint=f"use a size of 8 to {LARGEST}, and {MOST_PIXELS // 1_000_000} megapixels in all",
        )
    cells = [(row, column) for row in rows for column in columns]
    pictures = render(
        [Subject(kind, seed) for kind, _ in cells],
        [Style(genre, seed) for _, genre in cells],
        [View(seed * 1000 + rows.index(kind)) for kind, _ in cells],
        size,
    )
    sheet = grid(pictures, len(columns), max(2, size // 24))
    if labels:
        sheet = labelled(sheet, columns, rows, size, max(2, size // 24))
    text = {"lorarium": f"world sheet, size {size}, seed {seed}"}
    write_png(out, sheet, text, force=force)
    return rows, columns


def chosen(wish: str, words: Sequence[str], seed: int, what: str) -> list[str]:
    """So many of the known words, spread by the seed, or the ones that are named."""
    if wish.strip().isdecimal():
        count = int(wish)
        if not 1 <= count <= len(words):
            raise LorariumError(f"there are {len(words)} {what}s, not {count}")
        order = np.random.default_rng(seed).permutation(len(words))[:count]
        return [words[i] for i in sorted(order)]
    names = [word.strip() for word in wish.split(",") if word.strip()]
    for word in names:
        if word not in words:
            near = difflib.get_close_matches(word, words, 3, 0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(words)}"
            raise LorariumError(f"no {what} is called {word[:40]!r}", hint=hint)
    if not names:
        raise LorariumError(f"no {what} was named")
    return names
