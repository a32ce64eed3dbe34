"""What can be said of an artist or individual in the world's words: the ground truth of texts."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from lorarium.adapter import Array
from lorarium.training.manifest import UNSEEN, Entry, pool_cell
from lorarium.world import colour
from lorarium.world.scene import Style, Subject, View, render
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES, TRAIN_NUMBERS, numbers
from lorarium.world.words import COLOURS, attributes

PIXELS = 24
# with twelve pictures four artists of ten get another word from other pictures, with 96 one
LOOKED_AT, COMPARED, EACH = 96, 32, 16


@lru_cache(maxsize=4096)
def attribute_words(kind: str, word: str, number: int, split: str) -> tuple[str, ...]:
    """Genre and colour of an artist, class, colour and mark of an individual; nothing of one whose
    genre or class the language has no word for.

    An artist's colour is the one that their pictures hold most of beside the genre's other artists.
    """
    if kind == "subject":
        return (word, *attributes(Subject(word, number))) if word in SEEN_CLASSES else ()
    if word not in SEEN_GENRES:
        return ()
    return word, list(COLOURS)[int(hues_of(word, number, split).argmax())]


@lru_cache(maxsize=4096)
def hues_of(genre: str, number: int, split: str, count: int = LOOKED_AT, first: int = 0) -> Array:
    """How much of each colour so many pictures of an artist hold (colours,), in spreads above the
    mean of the genre's artists."""
    entry = Entry("", "style", (genre, number), split, "", None, 0, 0, ())  # type: ignore[arg-type]
    cells = [pool_cell(entry, UNSEEN + first + i) for i in range(count)]
    subjects, styles, views, _ = zip(*cells, strict=True)
    mean, spread = _genre(genre)
    return (shares(render(subjects, styles, views, PIXELS)) - mean) / spread


def texts_of(words: tuple[str, ...]) -> list[str]:
    """From the general to the particular: "a ink", "a red ink"; "a cat", "a spotted red cat"."""
    if not words:
        return []
    word, *more = words
    return [f"a {word}", " ".join(["a", *reversed(more), word])]


def shares(pictures: Array) -> Array:
    """Share of the pixels (colours,) nearest to each colour word."""
    table = colour.table(list(COLOURS.values()))
    pixels = pictures.reshape(-1, 3).astype(np.float32) / 255
    nearest = np.abs(pixels[:, None] - table).sum(2).argmin(1)
    return np.bincount(nearest, minlength=len(table)) / len(pixels)


@lru_cache(maxsize=64)
def _genre(genre: str) -> tuple[Array, Array]:
    """Mean and spread of the shares over train artists of a genre."""
    random = np.random.default_rng(11)
    rows = []
    for i in range(COMPARED):
        kinds = [str(k) for k in random.choice(SEEN_CLASSES, EACH)]
        identities = zip(kinds, numbers("train", EACH, random), strict=True)
        people = [Subject(k, n) for k, n in identities]
        views = [View(n) for n in numbers("train", EACH, random)]
        hands = [Style(genre, TRAIN_NUMBERS[0] + 5000 + i)] * EACH
        rows.append(shares(render(people, hands, views, PIXELS)))
    table = np.stack(rows)
    return table.mean(0), table.std(0) + 0.02
