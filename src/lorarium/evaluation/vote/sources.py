"""What ships today, drawn for a vote: each source's pictures of each target are one small file.

Drawing again goes on with what is there. Checkpoints of 10, 30, 100 and 300 steps are of one run,
as they lie in people's folders; the last one alone has cooled down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lorarium.adapter import Adapter
from lorarium.bases.base import Base
from lorarium.bases.sampling import sample
from lorarium.evaluation.base_checks import reference_pictures
from lorarium.evaluation.merge.cells import Cell, true_pictures
from lorarium.evaluation.merge.cells import strangers as strangers_of_cell
from lorarium.evaluation.merge.rows import MERGES, MergeContender, named
from lorarium.evaluation.merge.rows import draw as draw_cell
from lorarium.evaluation.synth.targets import Target
from lorarium.evaluation.vote.ballots import Ballot, Candidates
from lorarium.evaluation.vote.targets import (
    SEED,
    VoteTargets,
    cell_name,
    strangers_of,
    swap_entry,
)
from lorarium.formats import read, write
from lorarium.synthesis.make import synthesize
from lorarium.synthesis.store import Synth
from lorarium.training.fit import Fit
from lorarium.training.recipe import Job, Recipe

Array = np.ndarray
Say = Callable[[str], None]
TRUE, STRANGER = "true renders", "strangers"
OTHER_SUBJECT, OTHER_STYLE = "strangers in the style", "the subject by strangers"
WORDS = "base, in words"
GENERATED = {"generated, 12 pictures": 12, "generated, 1 picture": 1}
LIBRARY = "library LoRA, 120 steps"
MERGED = ("sum", "np-lora", "lora-rar", "roles")
SLOW = "ziplora"  # trained for each cell
CHECKPOINTS = (10, 30, 100, 300)
SHORT = CHECKPOINTS[:2]  # of those that are not deep
RECIPE = Recipe(steps=CHECKPOINTS[-1], batch=3)  # as many pictures as merge.toml's 240 x 4
RATES = {"style": 1e-2, "subject": 5e-3}
TOGETHER = 4  # trainings in one batch


def adapter_path(folder: Path, name: str, steps: int) -> Path:
    return folder / f"{name}-{steps}.safetensors"


def trained_name(steps: int) -> str:
    return f"trained, {steps} steps"


class PictureStore:
    """Pictures (n, s, s, 3) by target and source, kept in a folder."""

    def __init__(self, folder: Path, base: Base, steps: int) -> None:
        self.folder, self.base, self.steps = folder, base, steps

    def place(self, target: str, source: str) -> Path:
        return self.folder / target / f"{source.replace(',', '').replace(' ', '-')}.npz"

    def get(self, target: str, source: str) -> Array | None:
        path = self.place(target, source)
        if not path.exists():
            return None
        with np.load(path, allow_pickle=False) as held:
            return np.asarray(held["pictures"])

    def keep(self, target: str, source: str, make: Callable[..., Array], *arguments: Any) -> None:
        """What `make` gives of all that is given, unless it is there."""
        path = self.place(target, source)
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".new.npz")
        np.savez_compressed(beside, pictures=make(*arguments))
        beside.rename(path)

    def sampled(self, target: Target, adapter: Adapter | None, plain: bool = False) -> Array:
        """The target's scenes; every source starts from the same noise."""
        seeds = [_number(target.name) + i for i in range(len(target.cells))]
        return sample(
            self.base, list(target.plain if plain else target.cells),
            adapters=[] if adapter is None else [(adapter, 1.0)], steps=self.steps, seed=seeds,
        )  # fmt: skip

    def sampled_from(self, target: Target, path: Path) -> Array:
        return self.sampled(target, read(path))


def draw_plain(store: PictureStore, everyone: VoteTargets, synth: Synth) -> None:
    """All sources that need no training."""
    for t in everyone.targets:
        store.keep(t.name, TRUE, np.asarray, t.true)
        store.keep(t.name, STRANGER, strangers_of, t, everyone.scenes[t.name])
        store.keep(t.name, WORDS, store.sampled, t, None, True)
        for source, count in GENERATED.items():

            def generated(t: Target = t, count: int = count) -> Array:
                made = synthesize(synth, store.base, t.pictures[:count], kind=t.kind)
                return store.sampled(t, made.adapter)

            store.keep(t.name, source, generated)


def draw_library(store: PictureStore, everyone: VoteTargets) -> None:
    """The adapters that come with the package."""
    for t in everyone.targets:
        if t.name in everyone.library:
            path = everyone.library[t.name].path
            store.keep(t.name, LIBRARY, store.sampled_from, t, path)


def train(base: Base, targets: Sequence[Target], folder: Path, upto: int, say: Say) -> None:
    """Write the checkpoints up to a step of all targets that lack one."""
    wanted = [n for n in CHECKPOINTS if n <= upto]
    todo = [t for t in targets if not adapter_path(folder, t.name, wanted[-1]).exists()]
    for start in range(0, len(todo), TOGETHER):
        some = todo[start : start + TOGETHER]
        run = Fit(base, [job(t) for t in some])
        while run.done < upto:
            run.step()
            if run.done in wanted:
                for target, adapter in zip(some, run.adapters(), strict=True):
                    write(adapter, adapter_path(folder, target.name, run.done), force=True)
                say(f"{run.done} steps of {', '.join(t.name for t in some)}")


def job(target: Target) -> Job:
    return Job(
        target.pictures, target.prompts, replace(RECIPE, lr=RATES[target.kind]),
        _number(target.name), mirror=target.kind == "style",
    )  # fmt: skip


def draw_trained(
    store: PictureStore, targets: Sequence[Target], folder: Path, steps: Sequence[int]
) -> None:
    for t in targets:
        for n in steps:
            path = adapter_path(folder, t.name, n)
            store.keep(t.name, trained_name(n), store.sampled_from, t, path)


def draw_merged(
    store: PictureStore, cells: Sequence[Cell], names: Sequence[str], count: int
) -> None:
    """The cells by these methods, beside true pictures and three kinds of wrong ones."""
    side = store.base.size
    for cell in cells:
        name = cell_name(cell)
        store.keep(name, TRUE, true_pictures, cell, count, side)
        store.keep(name, STRANGER, strangers_of_cell, cell, count, side)
        store.keep(name, OTHER_SUBJECT, true_pictures, swap_entry(cell, 0), count, side)
        store.keep(name, OTHER_STYLE, true_pictures, swap_entry(cell, 1), count, side)
        for method in names:
            row = named(MERGES, method)

            def merged(cell: Cell = cell, row: MergeContender = row) -> Array:
                return draw_cell(row, cell, store.base, count, store.steps, SEED).pictures

            store.keep(name, method, merged)


def _number(name: str) -> int:
    """A seed of each target's own."""
    return SEED * 1_000_000 + sum(ord(c) * (i + 1) for i, c in enumerate(name)) * 10


CONTROLS = {
    "style": {TRUE: "yes", STRANGER: "no"},
    "subject": {TRUE: "yes", STRANGER: "no"},
    "merge": {TRUE: "both", STRANGER: "neither", OTHER_SUBJECT: "style", OTHER_STYLE: "subject"},
}
SINGLE = (TRUE, STRANGER, WORDS, LIBRARY, *map(trained_name, CHECKPOINTS), *GENERATED)
PAIRED = (TRUE, STRANGER, OTHER_SUBJECT, OTHER_STYLE, *MERGED, SLOW)


def ballots(store: PictureStore, everyone: VoteTargets) -> list[Ballot]:
    """Everything that is drawn, as it goes to the vote; not targets that have controls alone."""
    drawn = []
    for t in everyone.targets:
        references = {t.kind: t.references}
        rows = _rows(store, t.name, t.kind, SINGLE)
        drawn.append(Ballot(t.name, t.kind, references, rows, t.name in everyone.held))
    for cell in everyone.cells:
        subject, style = (reference_pictures(e, store.base.size) for e in cell.entries)
        target = cell_name(cell)
        held = f"subject-{cell.entries[0].of[0]}-{cell.entries[0].of[1]}" in everyone.held
        rows = _rows(store, target, "merge", PAIRED)
        drawn.append(Ballot(target, "merge", {"subject": subject, "style": style}, rows, held))
    return [b for b in drawn if any(row.expected is None for row in b.rows)]


def _rows(
    store: PictureStore, target: str, kind: str, names: Sequence[str]
) -> tuple[Candidates, ...]:
    pictures = {name: store.get(target, name) for name in names}
    return tuple(
        Candidates(name, some, CONTROLS[kind].get(name))
        for name, some in pictures.items() if some is not None
    )  # fmt: skip
