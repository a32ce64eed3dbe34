"""The world's part of the tour: a sheet, a LoRA trained before your eyes, before and after, and a
subject in the style that was learned."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lorarium.adapter import Adapter
from lorarium.bases.base import Base, at_hand
from lorarium.bases.sampling import sample
from lorarium.bases.sheet import world_sheet
from lorarium.formats.target import write_atomically
from lorarium.pictures import enlarged, grid, labelled, write_png
from lorarium.training.manifest import UNSEEN, Entry, pool_cell
from lorarium.training.recipe import Recipe
from lorarium.training.run import Progress, train
from lorarium.world.scene import PHOTO, Style, Subject, View, render
from lorarium.world.splits import SEEN_CLASSES, split_of

ARTIST = ("neon", 0)  # the zoo has adapters of this one, trained on other pictures
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
    artist: tuple[str, int] = ARTIST,
    base: Base | str | Path | None = None,
    recipe: Recipe | None = None,
    say: Callable[[str], None] = print,
    progress: Progress | None = None,
    force: bool = False,
) -> Toured:
    """Render a sheet, learn an artist that the base has never seen, and compare, in `folder`.

    >>> world_tour("tour").before_after
    PosixPath('tour/before-after.png')
    """
    started, home = time.monotonic(), Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    model = at_hand(base)
    sheet = home / "world.png"
    rows, columns = world_sheet(sheet, "12", "12", LARGE, force=force)
    say(f"{sheet}: {len(rows)} subjects x {len(columns)} styles of the drawn world")
    pictures = home / "pictures"
    _hang(pictures, artist, force)
    say(f"{pictures}: {PICTURES} pictures by {artist[0]} artist {artist[1]}, new to the base")
    lora = fresh_lora(home, artist)
    lora.parent.mkdir(exist_ok=True)
    adapter = train(
        [pictures],
        lora,
        prompt="a {} in sty1",
        base=model,
        recipe=recipe,
        resume=lora.with_name(lora.name + ".checkpoint").exists(),
        sheet=False,
        progress=progress,
        force=force,
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
    write_png(compared, labelled(picture, words, left, model.size * times), force=force)
    say(f"{compared}: new subjects before and after, and as the artist would draw them")
    return Toured(sheet, pictures, lora, compared, time.monotonic() - started)


def fresh_lora(home: Path, artist: tuple[str, int] = ARTIST) -> Path:
    """Where the tour puts the LoRA that it trains: a folder apart from everything else."""
    return home / "trained" / f"{artist[0]}-{artist[1]}.safetensors"


def _hang(folder: Path, artist: tuple[str, int], force: bool) -> None:
    """Write pictures of an artist that no adapter of a zoo saw, with a word beside each."""
    folder.mkdir(exist_ok=True)
    every = tuple(range(UNSEEN, UNSEEN + PICTURES))
    entry = Entry("tour", "style", artist, split_of(artist[1]), "tour", Recipe(), 0, 0, every)
    cells = [pool_cell(entry, i) for i in every]
    subjects, styles, views, _ = zip(*cells, strict=True)
    pictures = render(subjects, styles, views, LARGE)
    for i, (subject, picture) in enumerate(zip(subjects, pictures, strict=True)):
        path = folder / f"{i + 1:02}-{subject.kind}.png"
        write_png(path, picture, force=force)
        words = subject.kind + "\n"
        write_atomically(path.with_suffix(".txt"), [words.encode()], force=force)


def in_style(
    out: Path,
    base: Base,
    subjects: Sequence[tuple[tuple[str, int], Adapter]],
    style: tuple[tuple[str, int], Adapter],
    methods: Mapping[str, Sequence[Adapter]],
    *,
    seed: int = 2,
    force: bool = False,
) -> None:
    """A row for each subject: its own LoRA, the style's, what each method merged of the two (one
    adapter for each subject), and the true picture."""
    kinds = [of[0] for of, _ in subjects]
    columns = {
        "the subject": [
            _draw_one(base, f"a sub1 {of[0]} in {PHOTO}", a, seed) for of, a in subjects
        ],
        "the style": [_draw_one(base, f"a {kind} in sty1", style[1], seed) for kind in kinds],
    }
    for name, merged in methods.items():
        columns[name] = [
            _draw_one(base, f"a sub1 {kind} in sty1", one, seed)
            for kind, one in zip(kinds, merged, strict=True)
        ]
    people = [Subject(*of) for of, _ in subjects]
    views = [View(i) for i in range(len(people))]
    columns["the truth"] = list(render(people, [Style(*style[0])] * len(people), views, base.size))
    times = max(1, LARGE // base.size)
    cells = [columns[name][row] for row in range(len(people)) for name in columns]
    sheet = grid(enlarged(np.stack(cells), times), len(columns))
    write_png(out, labelled(sheet, list(columns), kinds, base.size * times), force=force)


def _draw_one(base: Base, prompt: str, adapter: Adapter, seed: int) -> np.ndarray:
    return sample(base, [prompt], adapters=[(adapter, 1.0)], seed=seed)[0]
