"""Pictures that show neither the subject nor the style: what a judge must say no to."""

from __future__ import annotations

import numpy as np

from lorarium.world.scene import Style, Subject, View, render
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES

Array = np.ndarray
DRAWN, MOST_GIVEN = 8, 16
NUMBERS = 1_900_000_000  # individuals and artists that nobody else uses


def drawn_strangers(size: int, seed: int = 0) -> Array:
    """Random individuals by random artists of the drawn world. Easy ones: a judge that says yes
    even to these says yes to everything."""
    random = np.random.default_rng(seed)
    kinds = random.permutation(SEEN_CLASSES)[:DRAWN]
    genres = random.permutation(SEEN_GENRES)[:DRAWN]
    numbers = NUMBERS + random.permutation(10_000)[: 2 * DRAWN]
    return render(
        [Subject(str(k), int(n)) for k, n in zip(kinds, numbers, strict=False)],
        [Style(str(g), int(n)) for g, n in zip(genres, numbers[DRAWN:], strict=False)],
        [View(int(n)) for n in numbers[:DRAWN]],
        min(size, 256),
    )


def spread(pictures: Array, count: int) -> Array:
    """At most so many of them, evenly taken."""
    if len(pictures) <= count:
        return pictures
    return pictures[np.linspace(0, len(pictures) - 1, count).round().astype(int)]
