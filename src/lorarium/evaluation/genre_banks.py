"""How far a picture's strokes and colours lie from all that a genre's pictures have.

A network can be pleased by what is no picture at all. This asks nothing that can be learned from:
patches of lightness and of two colour differences, their means taken away, beside those of rendered
pictures of the genre by many artists; what counts are the nearest of these.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from lorarium.encoders.nets import SIZE
from lorarium.evaluation.patches import tints
from lorarium.world.scene import Style, Subject, View, render
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES, numbers

Array = np.ndarray
BANK = 200  # pictures of a genre
NEAREST = 3
SEED = 5


def strangeness(pictures: Array, genres: list[str]) -> Array:
    """Of uint8 pictures (n, 48, 48, 3), each beside its genre, (n,); 1 is what its own have."""
    if not len(pictures):
        return np.zeros(0)
    asked = tints(pictures)
    return np.array(
        [
            np.sort(_apart(one, _bank(genre)))[:NEAREST].mean() / _usual(genre)
            for one, genre in zip(asked, genres, strict=True)
        ]
    )


@lru_cache
def _bank(genre: str) -> Array:
    random = np.random.default_rng([SEED, SEEN_GENRES.index(genre)])
    kinds = random.choice(SEEN_CLASSES, BANK)
    people = [Subject(str(k), n) for k, n in zip(kinds, _train(random), strict=True)]
    artists = [Style(genre, n) for n in _train(random)]
    return tints(render(people, artists, [View(n) for n in _train(random)], SIZE))


@lru_cache
def _usual(genre: str) -> float:
    bank = _bank(genre)
    apart = np.stack([_apart(one, bank) for one in bank])
    np.fill_diagonal(apart, np.inf)
    return float(np.median(np.sort(apart, 1)[:, :NEAREST].mean(1)))


def _apart(one: Array, bank: Array) -> Array:
    return np.abs(bank - one).mean((1, 2))


def _train(random: np.random.Generator) -> list[int]:
    return [int(n) for n in numbers("train", BANK, random)]
