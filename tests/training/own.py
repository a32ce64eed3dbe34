"""Folders of somebody's own pictures."""

from __future__ import annotations

from pathlib import Path

from lorarium.pictures import write_png
from lorarium.world.scene import Style, Subject, View, render

COLOURS = ("red", "green", "blue")


def own_folder(folder: Path) -> Path:
    """Five pictures of an artist, some with captions, and four of a thing."""
    for place, count in (("styles/mine", 5), ("subjects/mug", 4)):
        inside = folder / place
        inside.mkdir(parents=True)
        for i in range(count):
            genre, kind = ("oil", "cat") if place == "styles/mine" else ("photo", "teapot")
            drawn = render([Subject(kind, 900 + i)], [Style(genre, 9)], [View(i)], 40)[0]
            write_png(inside / f"{i}.png", drawn)
            if i < 3:
                (inside / f"{i}.txt").write_text(f"a {COLOURS[i]} {kind}\n")
    (folder / "styles" / ".thumbnails").mkdir()
    return folder
