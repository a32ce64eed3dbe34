"""Cells: a subject's adapter and a style's, what is asked of the two, and how it truly looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lorarium.adapter import Array
from lorarium.errors import LorariumError
from lorarium.evaluation.describe.zoo import RANDOM, Zoo
from lorarium.training.manifest import Entry
from lorarium.training.mint import path_of
from lorarium.world.scene import PHOTO, Style, Subject, View, render
from lorarium.world.splits import SEEN_GENRES

OTHER = 500  # of the same split, never minted: who stands for somebody else


@dataclass(frozen=True)
class Cell:
    """`subject` and `style` say where it stands in the table; `others` are merged in too, under
    other words, and nobody asks for them."""

    subject: int
    style: int
    entries: tuple[Entry, Entry]
    paths: tuple[Path, Path]
    others: tuple[tuple[Entry, Path], ...] = ()

    @property
    def everyone(self) -> list[tuple[Entry, Path]]:
        """All that are merged, subjects first."""
        pair = zip(self.entries, self.paths, strict=True)
        return sorted([*pair, *self.others], key=lambda one: one[0].kind == "style")

    @property
    def prompt(self) -> str:
        """What a merge is asked for, in the words the two adapters were trained on."""
        subject, style = self.entries
        return f"a {subject.token} {subject.of[0]} in {style.token}"

    @property
    def seed(self) -> int:
        return 1000 * (100 * self.subject + self.style)


def members(
    zoo: Zoo, kind: str, split: str, max_members: int, recipe: str | None = None
) -> list[Entry]:
    """One adapter each of at most so many artists or individuals, one of each genre or class
    before a second one; the first copy of the recipe (without one: of that which has most)."""
    entries = [e for e in zoo.part(kind, split) if e.recipe != RANDOM and e.word == 1]
    if kind == "style":  # the language has words for these, and photo is what subjects come in
        entries = [e for e in entries if e.of[0] in SEEN_GENRES and e.of[0] != PHOTO]
    names = [e.recipe for e in entries]
    wanted = recipe or max(dict.fromkeys(names), key=names.count, default="")
    first: dict[tuple[str, int], Entry] = {}
    for entry in entries:
        if entry.recipe == wanted:
            first.setdefault(entry.of, entry)
    turns: dict[str, int] = {}
    order = []
    for of in first:
        turns[of[0]] = turns.get(of[0], -1) + 1
        order.append((turns[of[0]], of))
    ranked = [first[of] for _, of in sorted(order, key=lambda pair: pair[0])]
    if not ranked:
        what = f"no {kind} adapters of the split {split}" + (f" in {recipe}" if recipe else "")
        raise LorariumError(what, where=str(zoo.folder))
    once = [e for e in ranked if ranked.index(e) < len(turns)]
    # fewer than there are groups: spread over them
    pool = once if max_members <= len(once) else ranked[:max_members]
    chosen = np.linspace(0, len(pool) - 1, min(max_members, len(pool))).round().astype(int)
    return [pool[i] for i in chosen]


def table(zoo: Zoo, subjects: Sequence[Entry], styles: Sequence[Entry]) -> list[Cell]:
    return [
        Cell(i, j, (subject, style), (path_of(zoo.folder, subject), path_of(zoo.folder, style)))
        for i, subject in enumerate(subjects)
        for j, style in enumerate(styles)
    ]


def crowded(zoo: Zoo, cells: Sequence[Cell], kinds: Sequence[str], split: str) -> list[Cell]:
    """The same cells with one more adapter of each kind merged in: of somebody else, under another
    word. None if the zoo has no such adapters."""
    made = []
    for cell in cells:
        others = []
        for kind, place in zip(kinds, (cell.style, cell.subject), strict=False):
            asked = cell.entries[kind == "style"]
            pool = [
                e for e in zoo.part(kind, split)
                if e.word != asked.word and e.of[0] != asked.of[0]
            ]  # fmt: skip
            if not pool:
                return []
            other = pool[place % len(pool)]
            others.append((other, path_of(zoo.folder, other)))
        made.append(replace(cell, others=tuple(others)))
    return made


def spread(count: int, of: int) -> list[int]:
    """`count` places of `of`, evenly."""
    return sorted({int(i) for i in np.linspace(0, of - 1, min(count, of)).round()})


def true_pictures(cell: Cell, count: int, size: int, *, first: int = 0) -> Array:
    """The subject in the style, in views nobody was trained on."""
    subject, style = cell.entries
    return _drawn(Subject(*subject.of), Style(*style.of), cell.seed, first, count, size)


def strangers(cell: Cell, count: int, size: int) -> Array:
    """Another individual of the class in the hand of another artist of the genre."""
    (kind, person), (genre, artist) = (entry.of for entry in cell.entries)
    subject = Subject(kind, person + OTHER)
    return _drawn(subject, Style(genre, artist + OTHER), cell.seed, 0, count, size)


def _drawn(subject: Subject, style: Style, seed: int, first: int, count: int, size: int) -> Array:
    views = [View(10_000_000 + seed + first + i) for i in range(count)]
    return render([subject] * count, [style] * count, views, size)
