"""Who is asked and who is searched: the same recipe, other recipes, random ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lorarium.adapter import Array
from lorarium.evaluation.describe.zoo import RANDOM, Corpus

SPLITS = ("same", "cross", "random")


class Fold(NamedTuple):
    """Numbers of adapters; every query's artist is in the gallery, no query is."""

    split: str
    gallery: Array
    queries: Array


def folds(corpus: Corpus) -> Iterator[Fold]:
    """`same`: each copy of the usual recipe in turn asks the other copies; `cross` and `random`:
    adapters of the other recipes ask all of the usual one."""
    usual = corpus.recipe == corpus.usual
    for copy in np.unique(corpus.copy[usual]):
        asked = usual & (corpus.copy == copy)
        yield from _fold(corpus, "same", usual & ~asked, asked)
    yield from _fold(corpus, "cross", usual, ~usual & (corpus.recipe != RANDOM))
    yield from _fold(corpus, "random", usual, corpus.recipe == RANDOM)


def _fold(corpus: Corpus, split: str, gallery: Array, asked: Array) -> Iterator[Fold]:
    known = asked & np.isin(corpus.artist, corpus.artist[gallery])
    if known.any():
        yield Fold(split, np.flatnonzero(gallery), np.flatnonzero(known))
