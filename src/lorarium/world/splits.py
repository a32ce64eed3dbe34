"""Who belongs to which split. Individuals and artists are split by number, never shared.

Numbers below 1,000 are test, the next 1,000 validation, all others train: endless. Some classes
and genres are held out whole (the hard split): no base, judge or generator learns from them.
"""

from __future__ import annotations

import numpy as np

from lorarium.world.scene import Style, Subject
from lorarium.world.styles import GENRES
from lorarium.world.subjects import CLASSES

SPLITS = ("test", "validation", "train")
HELD_GENRES = {"validation": ("risograph",), "test": ("papercut", "stitch", "woodcut")}
HELD_CLASSES = {
    "validation": ("bell", "cherry", "mouse"),
    "test": ("camera", "frog", "king", "shirt", "snail", "windmill"),
}
SEEN_GENRES = tuple(sorted(set(GENRES) - {g for held in HELD_GENRES.values() for g in held}))
SEEN_CLASSES = tuple(sorted(set(CLASSES) - {c for held in HELD_CLASSES.values() for c in held}))
TRAIN_NUMBERS = (2_000, 2_000_000_000)


def split_of(number: int) -> str:
    """The split of an individual's or artist's number."""
    return SPLITS[min(number // 1000, 2)]


def numbers(split: str, count: int, random: np.random.Generator) -> list[int]:
    """Random numbers of a split."""
    low, high = {"test": (0, 1000), "validation": (1000, 2000), "train": TRAIN_NUMBERS}[split]
    return [int(n) for n in random.integers(low, high, count)]


def artists(split: str, per_genre: int, genres: tuple[str, ...] = SEEN_GENRES) -> list[Style]:
    """The first artists of a split, genre by genre."""
    start = {"test": 0, "validation": 1000, "train": TRAIN_NUMBERS[0]}[split]
    return [Style(genre, start + i) for genre in genres for i in range(per_genre)]


def individuals(
    split: str, per_class: int, classes: tuple[str, ...] = SEEN_CLASSES
) -> list[Subject]:
    """The first individuals of a split, class by class."""
    start = {"test": 0, "validation": 1000, "train": TRAIN_NUMBERS[0]}[split]
    return [Subject(kind, start + i) for kind in classes for i in range(per_class)]
