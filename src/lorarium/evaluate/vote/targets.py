"""Who is voted on: artists and individuals of the test split and pairs of them, half held back.

Which half is held back follows from their names alone, so nobody chooses it after a vote.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lorarium.evaluate.merge.cells import OTHER, Cell
from lorarium.evaluate.synth.targets import Target, style_targets, subject_targets
from lorarium.train.manifest import Entry
from lorarium.train.recipe import Recipe
from lorarium.world.scene import PHOTO, Style, Subject, View, render

Array = np.ndarray
SPLIT = "test"
SEED = 18
CELLS = 15  # scenes that the targets share, a few each
PER_GENRE = 2


@dataclass(frozen=True)
class VoteTargets:
    """`scenes` are the numbers of the scenes that each target is asked for. `deep` are the names of
    those whose trainings run to the end, and `cells` are made of them."""

    targets: tuple[Target, ...]
    scenes: Mapping[str, tuple[int, ...]]
    held: frozenset[str]
    deep: tuple[str, ...]
    cells: tuple[Cell, ...]

    def named(self, name: str) -> Target:
        return next(t for t in self.targets if t.name == name)


def vote_targets(
    size: int, folder: Path, *, artists: int = 24, individuals: int = 18, pictures: int = 3,
    deep: int = 6,
) -> VoteTargets:  # fmt: skip
    """The targets, each with a few scenes of its own, and a block of cells of those held back and
    one of the others. `folder` has the adapters that are merged, see `adapter_path`."""
    styles = [
        t for t in style_targets(SPLIT, PER_GENRE, CELLS, size, seed=SEED) if t.of[0] != PHOTO
    ]
    styles = sorted(styles, key=lambda t: (t.of[1], _rank(t.name, "chosen")))[:artists]
    subjects = subject_targets(SPLIT, individuals, CELLS, size, seed=SEED)
    held: set[str] = set()
    chosen: dict[str, list[list[str]]] = {}
    for kind, some in (("style", styles), ("subject", subjects)):
        order = sorted(some, key=lambda t: _rank(t.name, "held back"))
        back, free = order[: len(order) // 2], order[len(order) // 2 :]
        held |= {t.name for t in back}
        # what merges has not learned from the genres that were held out whole
        chosen[kind] = [[t.name for t in half if not t.hard][: deep // 2] for half in (back, free)]
    everyone = [*styles, *subjects]
    places = {
        t.name: tuple((i * pictures + j) % CELLS for j in range(pictures))
        for i, t in enumerate(everyone)
    }
    targets = [_few(t, places[t.name]) for t in everyone]
    by_name = {t.name: t for t in targets}
    halves = [*zip(chosen["subject"], chosen["style"], strict=True)]
    cells = [
        Cell(len(who) * half + i, len(how) * half + j,
             (entry(by_name[subject]), entry(by_name[style])),
             (adapter_path(folder, subject), adapter_path(folder, style)))
        for half, (who, how) in enumerate(halves)
        for i, subject in enumerate(who)
        for j, style in enumerate(how)
    ]  # fmt: skip
    # those of both halves and kinds in turn: a drawing that stops early is of all four alike
    turns = zip(*(names for kind in chosen.values() for names in kind), strict=True)
    names = tuple(name for turn in turns for name in turn)
    return VoteTargets(tuple(targets), places, frozenset(held), names, tuple(cells))


def entry(target: Target, word: int = 1) -> Entry:
    """The target as what an adapter was trained on."""
    count = len(target.pictures)
    return Entry(
        "", target.kind, target.of, SPLIT, "", Recipe(), 0, 0, tuple(range(count)), word=word
    )


def cell_name(cell: Cell) -> str:
    who, how = cell.entries
    crowd = "".join(f"-and-{e.of[0]}-{e.of[1]}" for e, _ in cell.others)
    return f"merge-{who.of[0]}-{who.of[1]}-{how.of[0]}-{how.of[1]}{crowd}"


def adapter_path(folder: Path, name: str, steps: int = 300) -> Path:
    return folder / f"{name}-{steps}.safetensors"


def strangers_of(target: Target, which: Sequence[int]) -> Array:
    """The target's scenes of these numbers, by another artist of its genre or of another individual
    of its class."""
    views = [View(SEED * 1000 + i) for i in which]
    (word, number), side = target.of, int(target.pictures.shape[1])
    if target.kind == "subject":
        photographers = [Style(PHOTO, OTHER + i) for i in which]
        return render([Subject(word, number + OTHER)] * len(views), photographers, views, side)
    kinds = [prompt.split()[1] for prompt in target.cells]
    people = [Subject(kind, OTHER + i) for kind, i in zip(kinds, which, strict=True)]
    return render(people, [Style(word, number + OTHER)] * len(views), views, side)


def swapped(cell: Cell, place: int) -> Cell:
    """The cell with another individual of the class (0) or artist of the genre (1)."""
    entries = list(cell.entries)
    word, number = entries[place].of
    entries[place] = replace(entries[place], of=(word, number + OTHER))
    return replace(cell, entries=(entries[0], entries[1]))


def _few(target: Target, which: Sequence[int]) -> Target:
    return replace(
        target,
        cells=tuple(target.cells[i] for i in which),
        plain=tuple(target.plain[i] for i in which),
        true=target.true[list(which)],
    )


def _rank(name: str, purpose: str) -> str:
    return hashlib.sha256(f"{purpose}: {name}".encode()).hexdigest()
