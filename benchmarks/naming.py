"""Can a stranger name what the world draws?

    python benchmarks/naming.py sheets DIR        # numbered, unlabelled pictures to show somebody
    python benchmarks/naming.py score ANSWERS.json

ANSWERS.json is {"viewer": who, "classes": [40 words], "genres": [16 words]}; words that mean the
same count as right (`SAME`). Prints the confusions, writes benchmarks/results/naming.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from machine import machine, save
from PIL import Image, ImageDraw

from lorarium.world.scene import Style, Subject, View, render
from lorarium.world.splits import SEEN_GENRES
from lorarium.world.subjects import CLASSES

SEED = 113
SAME = {
    "plane": "airplane jet aircraft", "cup": "mug coffee", "cherry": "cherries",
    "fir": "pine christmas-tree spruce",
    "sailboat": "boat ship sailboat", "train": "locomotive", "balloon": "hot-air-balloon",
    "comic": "cartoon", "glass": "stained-glass", "halftone": "halftone-dots",
    "hatching": "pen-hatching engraving cross-hatching",
    "ink": "brush-ink ink-brush brush-painting ink-drawing",
    "mosaic": "tile-art", "neon": "neon-sign", "oil": "oil-painting impressionism",
    "pastel": "colored-pencil crayon", "photo": "flat flat-vector vector", "pixel": "pixel-art",
    "pointillist": "pointillism", "stencil": "stencil-spray-paint spray-paint graffiti",
    "watercolour": "watercolor", "blueprint": "technical-drawing", "chalk": "chalk-drawing",
}  # fmt: skip


def cells() -> tuple[list[Subject], list[Style], list[str]]:
    """Forty classes, each in one random genre, and the sixteen genres in random order."""
    random = np.random.default_rng(SEED)
    kinds = [str(c) for c in random.permutation(sorted(CLASSES))[:40]]
    genres = [str(random.choice(SEEN_GENRES)) for _ in kinds]
    subjects = [Subject(k, int(random.integers(900))) for k in kinds]
    styles = [Style(g, int(random.integers(900))) for g in genres]
    return subjects, styles, [str(g) for g in random.permutation(SEEN_GENRES)]


def sheets(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    subjects, styles, genres = cells()
    pictures = render(subjects, styles, [View(5000 + i) for i in range(40)], 128)
    _sheet(pictures, [str(i + 1) for i in range(40)]).save(folder / "classes.png")
    random = np.random.default_rng(SEED + 1)
    rows = [g for g in genres for _ in range(8)]
    subjects = [Subject(str(random.choice(list(CLASSES))), int(random.integers(900))) for _ in rows]
    styles = [Style(g, int(random.integers(900))) for g in rows]
    pictures = render(subjects, styles, [View(7000 + i) for i in range(len(rows))], 96)
    labels = [str(i // 8 + 1) if i % 8 == 0 else "" for i in range(len(rows))]
    _sheet(pictures, labels).save(folder / "genres.png")


def _sheet(pictures: np.ndarray, labels: list[str], columns: int = 8) -> Image.Image:
    size = pictures.shape[1]
    sheet = Image.new(
        "RGB", (columns * (size + 8), -(-len(pictures) // columns) * (size + 22)), "white"
    )
    pen = ImageDraw.Draw(sheet)
    for i, picture in enumerate(pictures):
        x, y = (i % columns) * (size + 8), (i // columns) * (size + 22)
        pen.text((x + 4, y + 1), labels[i], fill="black")
        sheet.paste(Image.fromarray(picture), (x, y + 14))
    return sheet


def score(answers: Path) -> None:
    said = json.loads(answers.read_text())
    subjects, _, genres = cells()
    truth = {"classes": [s.kind for s in subjects], "genres": genres}
    figures: dict[str, object] = {"viewer": said["viewer"]}
    for what, names in truth.items():
        wrong = {
            n: word
            for n, word in zip(names, said[what], strict=True)
            if word != n and word not in SAME.get(n, "").split()
        }
        figures[what] = {"right": len(names) - len(wrong), "of": len(names), "confused": wrong}
        print(f"{what}: {len(names) - len(wrong)} of {len(names)} right; confused: {wrong}")
    save("naming", {"command": "naming.py score", "machine": machine(), "seeds": [SEED], **figures})


if __name__ == "__main__":
    {"sheets": lambda: sheets(Path(sys.argv[2])), "score": lambda: score(Path(sys.argv[2]))}[
        sys.argv[1]
    ]()
