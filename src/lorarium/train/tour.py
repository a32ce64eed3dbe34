"""The world's part of the tour: a sheet, a LoRA trained before your eyes, before and after."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lorarium.models.base import Base, open_base
from lorarium.models.pictures import enlarged, grid, labelled, write_png
from lorarium.models.sampling import sample
from lorarium.models.sheet import world_sheet
from lorarium.train.manifest import Entry, pool_cell
from lorarium.train.recipe import Recipe
from lorarium.train.run import Progress, train
from lorarium.world.scene import Style, Subject, View, render
from lorarium.world.splits import SEEN_CLASSES

PICTURES, LARGE = 12, 96
NEW = ("cat", "castle", "fish", "tree", "teapot", "rocket")


@dataclass(frozen=True)
class Toured:
    """The files that the tour made."""

    sheet: Path
    pictures: Path
    lora: Path
    before_after: Path
    seconds: float


def world_tour(
    folder: str | Path,
    *,
    artist: tuple[str, int] = ("neon", 7),
    base: Base | str | Path | None = None,
    recipe: Recipe | None = None,
    say: Callable[[str], None] = print,
    progress: Progress | None = None,
) -> Toured:
    """Render a sheet, learn an artist that the base has never seen, and compare, in `folder`.

    >>> world_tour("tour").before_after
    PosixPath('tour/before-after.png')
    """
    started, home = time.monotonic(), Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    model = base if not isinstance(base, str | Path | None) else open_base(base)
    sheet = home / "world.png"
    rows, columns = world_sheet(sheet, "12", "12", LARGE)
    say(f"{sheet}: {len(rows)} subjects x {len(columns)} styles of the drawn world")
    pictures = home / "pictures"
    _hang(pictures, artist)
    say(f"{pictures}: {PICTURES} pictures by {artist[0]} artist {artist[1]}, new to the base")
    lora = home / f"{artist[0]}-{artist[1]}.safetensors"
    adapter = train(
        [pictures],
        lora,
        prompt="a {} in sty1",
        base=model,
        recipe=recipe,
        sheet=False,
        progress=progress,
    )
    say(f"{lora}: a LoRA of rank {adapter.metadata['ss_network_dim']}, an ordinary file")
    compared = home / "before-after.png"
    words = [word for word in NEW if word in SEEN_CLASSES]
    before = sample(model, [f"a {w} in {artist[0]}" for w in words], seed=1)
    after = sample(model, [f"a {w} in sty1" for w in words], adapters=[(adapter, 1.0)], seed=1)
    truth = render(
        [Subject(w, 3) for w in words],
        [Style(*artist)] * len(words),
        [View(i) for i in range(len(words))],
        model.size,
    )
    times = max(1, LARGE // model.size)
    picture = grid(enlarged(np.concatenate([before, after, truth]), times), len(words))
    left = ("the base", "with the LoRA", "the artist")
    write_png(compared, labelled(picture, words, left, model.size * times))
    say(f"{compared}: new subjects before and after, and as the artist would draw them")
    return Toured(sheet, pictures, lora, compared, time.monotonic() - started)


def _hang(folder: Path, artist: tuple[str, int]) -> None:
    """Write an artist's pictures with a word beside each."""
    folder.mkdir(exist_ok=True)
    every = tuple(range(PICTURES))
    entry = Entry("tour", "style", artist, "test", "tour", Recipe(), 0, 0, every)
    cells = [pool_cell(entry, i) for i in every]
    subjects, styles, views, _ = zip(*cells, strict=True)
    drawn = render(subjects, styles, views, LARGE)
    for i, (subject, picture) in enumerate(zip(subjects, drawn, strict=True)):
        path = folder / f"{i + 1:02}-{subject.kind}.png"
        write_png(path, picture)
        path.with_suffix(".txt").write_text(subject.kind + "\n", "utf-8")
