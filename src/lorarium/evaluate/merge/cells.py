"""Cells: a subject's adapter and a style's, what is asked of the two, and how it truly looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from lorarium.adapter import Array
from lorarium.errors import LorariumError
from lorarium.evaluate.base_checks import reference_pictures
from lorarium.evaluate.describe.zoo import RANDOM, Zoo
from lorarium.train.manifest import Entry, pool_cell
from lorarium.train.mint import path_of
from lorarium.world.scene import PHOTO, Style, Subject, View, render
from lorarium.world.splits import SEEN_GENRES
from lorarium.world.words import STYLE_TOKENS, SUBJECT_TOKENS

OTHER = 500  # of the same split, never minted: who stands for somebody else


@dataclass(frozen=True)
class Cell:
    """`subject` and `style` say where it stands in the table."""

    subject: int
    style: int
    entries: tuple[Entry, Entry]
    paths: tuple[Path, Path]

    @property
    def prompt(self) -> str:
        """What a merge is asked for, in the words the two adapters were trained on."""
        who, how = self.entries
        return f"a {token(who)} {who.of[0]} in {token(how)}"

    @property
    def seed(self) -> int:
        return 1000 * (100 * self.subject + self.style)


def token(entry: Entry) -> str:
    """The reserved word that an adapter answers to."""
    said = pool_cell(entry, entry.pictures[0])[3].split()
    known = SUBJECT_TOKENS if entry.kind == "subject" else STYLE_TOKENS
    found = [word for word in said if word in known]
    if not found:
        raise LorariumError("it answers to no reserved word", where=entry.id)
    return found[0]


def members(zoo: Zoo, kind: str, split: str, most: int, recipe: str | None = None) -> list[Entry]:
    """One adapter each of at most so many artists or individuals, one of each genre or class
    before a second one; the first copy of the recipe (without one: of that which has most)."""
    entries = [e for e in zoo.part(kind, split) if e.recipe != RANDOM]
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
    pool = once if most <= len(once) else ranked[:most]
    chosen = np.linspace(0, len(pool) - 1, min(most, len(pool))).round().astype(int)
    return [pool[i] for i in chosen]


def table(zoo: Zoo, subjects: Sequence[Entry], styles: Sequence[Entry]) -> list[Cell]:
    return [
        Cell(i, j, (who, how), (path_of(zoo.folder, who), path_of(zoo.folder, how)))
        for i, who in enumerate(subjects)
        for j, how in enumerate(styles)
    ]


def spread(count: int, of: int) -> list[int]:
    """`count` places of `of`, evenly."""
    return sorted({int(i) for i in np.linspace(0, of - 1, min(count, of)).round()})


@lru_cache(maxsize=256)
def shown(entry: Entry, size: int) -> Array:
    """Pictures of an artist or individual that the adapter was not trained on."""
    return reference_pictures(entry, size)


def true_pictures(cell: Cell, count: int, size: int, *, first: int = 0) -> Array:
    """The subject in the style, in views nobody was trained on."""
    who, how = cell.entries
    return _drawn(Subject(*who.of), Style(*how.of), cell.seed, first, count, size)


def strangers(cell: Cell, count: int, size: int) -> Array:
    """Another individual of the class in the hand of another artist of the genre."""
    who, how = cell.entries
    subject = Subject(who.of[0], who.of[1] + OTHER)
    return _drawn(subject, Style(how.of[0], how.of[1] + OTHER), cell.seed, 0, count, size)


def _drawn(subject: Subject, style: Style, seed: int, first: int, count: int, size: int) -> Array:
    views = [View(10_000_000 + seed + first + i) for i in range(count)]
    return render([subject] * count, [style] * count, views, size)
