"""Who is voted on: the artists that the sample library has adapters of, individuals of the same
split, and pairs of both; half of them held back.

Which half is held back follows from their names alone, so nobody chooses it after a vote.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lorarium.evaluation.merge.cells import OTHER, Cell
from lorarium.evaluation.synth.targets import Target, style_targets, subject_targets
from lorarium.library.samples import Sampled, sample
from lorarium.training.manifest import Entry
from lorarium.training.recipe import Recipe
from lorarium.world.scene import PHOTO, Style, Subject, View, render

Array = np.ndarray
SPLIT = "test"
SEED = 18
CELLS = 15  # scenes that the targets share, a few each
PER_GENRE = 2
USUAL = {"style": "R0", "subject": "S0"}  # recipes of the zoo: 120 steps of 4 pictures


@dataclass(frozen=True)
class VoteTargets:
    """`scenes` are the numbers of the scenes that each target is asked for, `library` its adapter
    in the sample library if there is one. `deep` are the names of those whose own trainings run to
    the end; `cells` are merges of their adapters in the library."""

    targets: tuple[Target, ...]
    scenes: Mapping[str, tuple[int, ...]]
    held: frozenset[str]
    library: Mapping[str, Sampled]
    deep: tuple[str, ...]
    cells: tuple[Cell, ...]

    def named(self, name: str) -> Target:
        return next(t for t in self.targets if t.name == name)


def vote_targets(
    size: int, *, artists: int = 24, individuals: int = 18, pictures: int = 3, deep: int = 6
) -> VoteTargets:
    """The targets, each with a few scenes of its own, and a block of cells of those held back and
    one of the others."""
    library = {
        f"{one.kind}-{one.of[0]}-{one.of[1]}": one
        for one in reversed(sample().adapters) if one.recipe == USUAL[one.kind]
    }  # fmt: skip
    everybody = style_targets(SPLIT, PER_GENRE, CELLS, size, seed=SEED, held=PER_GENRE)
    styles = [t for t in everybody if t.of[0] != PHOTO and t.name in library]
    styles = sorted(styles, key=lambda t: (t.of[1], _rank(t.name, "chosen")))[:artists]
    subjects = subject_targets(SPLIT, individuals, CELLS, size, seed=SEED)
    held: set[str] = set()
    chosen: dict[str, list[list[str]]] = {}
    for kind, some in (("style", styles), ("subject", subjects)):
        order = sorted(some, key=lambda t: _rank(t.name, "held back"))
        back, free = order[: len(order) // 2], order[len(order) // 2 :]
        held |= {t.name for t in back}
        # what merges has not learned from the genres that were held out whole
        chosen[kind] = [
            [t.name for t in half if not t.hard and t.name in library][: deep // 2]
            for half in (back, free)
        ]
    everyone = [*styles, *subjects]
    places = {
        t.name: tuple((i * pictures + j) % CELLS for j in range(pictures))
        for i, t in enumerate(everyone)
    }
    targets = [_few(t, places[t.name]) for t in everyone]
    halves = [*zip(chosen["subject"], chosen["style"], strict=True)]
    cells = [
        Cell(len(subject_names) * half + i, len(style_names) * half + j,
             (entry(library[subject]), entry(library[style])),
             (library[subject].path, library[style].path))
        for half, (subject_names, style_names) in enumerate(halves)
        for i, subject in enumerate(subject_names)
        for j, style in enumerate(style_names)
    ]  # fmt: skip
    # those of both halves and kinds in turn: a drawing that stops early is of all four alike
    turns = zip(*(names for kind in chosen.values() for names in kind), strict=True)
    names = tuple(name for turn in turns for name in turn)
    return VoteTargets(tuple(targets), places, frozenset(held), library, names, tuple(cells))


def entry(adapter: Sampled) -> Entry:
    """An adapter of the library as an entry of the zoo that it is from."""
    return Entry("", adapter.kind, adapter.of, SPLIT, adapter.recipe, Recipe(), 0, 0,
                 adapter.pictures)  # fmt: skip


def cell_name(cell: Cell) -> str:
    subject, style = cell.entries
    crowd = "".join(f"-and-{e.of[0]}-{e.of[1]}" for e, _ in cell.others)
    return f"merge-{subject.of[0]}-{subject.of[1]}-{style.of[0]}-{style.of[1]}{crowd}"


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


def swap_entry(cell: Cell, place: int) -> Cell:
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
