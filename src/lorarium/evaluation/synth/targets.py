"""Who is to be learned, from which pictures, and what the judge compares with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from lorarium.training.manifest import UNSEEN, Entry, pool_cell
from lorarium.training.recipe import Recipe
from lorarium.world.scene import PHOTO, Style, Subject, View, render
from lorarium.world.splits import HELD_GENRES, SEEN_CLASSES, SEEN_GENRES, artists, individuals

Array = np.ndarray
T = TypeVar("T")
MAX_PICTURES = 12  # pictures at most that a LoRA is made from
JUDGED_BY = {"style": 12, "subject": 5}  # pictures that no adapter was made from


@dataclass(frozen=True, eq=False)
class Target:
    """An artist or individual: pictures to learn from with their prompts, pictures to judge by,
    and the prompts, seeds and true pictures of the cells."""

    kind: str
    of: tuple[str, int]
    hard: bool  # a genre that was held out whole
    pictures: Array = field(repr=False)
    prompts: tuple[str, ...]
    references: Array = field(repr=False)
    cells: tuple[str, ...]
    plain: tuple[str, ...]  # the same for the base alone: the genre or the class in words
    true: Array = field(repr=False)

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.of[0]}-{self.of[1]}"


def style_targets(
    split: str, per_genre: int, cells: int, size: int, *, seed: int, max_artists: int | None = None,
    held: int = 1,
) -> list[Target]:  # fmt: skip
    """Artists of the seen genres, then of those held out whole, each on the same individuals."""
    kinds = [str(k) for k in np.random.default_rng(seed).permutation(SEEN_CLASSES)[:cells]]
    first = {"test": 500, "validation": 1500}[split]
    people = [Subject(k, first + i) for i, k in enumerate(kinds)]
    views = [View(seed * 1000 + i) for i in range(cells)]
    targets = []
    chosen = _spread(artists(split, per_genre, SEEN_GENRES), max_artists)
    for style in [*chosen, *artists(split, held, HELD_GENRES[split])]:
        of, hard = (style.genre, style.number), style.genre not in SEEN_GENRES
        pictures, prompts = pool("style", of, split, range(MAX_PICTURES), size)
        references, _ = pool("style", of, split, _reference_numbers("style"), size)
        true = render(people, [style] * cells, views, size)
        word = "sty1" if hard else style.genre
        targets.append(Target(
            "style", of, hard, pictures, prompts, references,
            tuple(f"a {k} in sty1" for k in kinds), tuple(f"a {k} in {word}" for k in kinds), true,
        ))  # fmt: skip
    return targets


def subject_targets(split: str, count: int, cells: int, size: int, *, seed: int) -> list[Target]:
    """Individuals of the seen classes in photographs by the same photographers."""
    first = {"test": 500, "validation": 1500}[split]
    styles = [Style(PHOTO, first + i) for i in range(cells)]
    views = [View(seed * 1000 + i) for i in range(cells)]
    targets = []
    for subject in _spread(individuals(split, 1), count):
        of = (subject.kind, subject.number)
        pictures, prompts = pool("subject", of, split, range(MAX_PICTURES), size)
        references, _ = pool(
            "subject", of, split, range(UNSEEN, UNSEEN + JUDGED_BY["subject"]), size
        )
        true = render([subject] * cells, styles, views, size)
        words, plain = f"a sub1 {subject.kind} in {PHOTO}", f"a {subject.kind} in {PHOTO}"
        targets.append(Target(
            "subject", of, False, pictures, prompts, references, (words,) * cells, (plain,) * cells,
            true,
        ))  # fmt: skip
    return targets


def pool(
    kind: str, of: tuple[str, int], split: str, which: Sequence[int], size: int
) -> tuple[Array, tuple[str, ...]]:
    """Pictures of an artist or individual, numbered as the zoo has them, and their prompts."""
    entry = Entry("", kind, of, split, "", Recipe(), 0, 0, ())
    subjects, styles, views, prompts = zip(*(pool_cell(entry, i) for i in which), strict=True)
    return render(subjects, styles, views, size), tuple(prompts)


def _reference_numbers(kind: str) -> range:
    return range(UNSEEN, UNSEEN + JUDGED_BY[kind])


def _spread(items: Sequence[T], count: int | None) -> list[T]:
    if count is None or count >= len(items):
        return list(items)
    return [items[i] for i in np.linspace(0, len(items) - 1, count).round().astype(int)]
