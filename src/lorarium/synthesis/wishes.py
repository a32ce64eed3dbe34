"""Whom a generator learns from: an endless row of artists and individuals that two numbers bring
back, so that an audit can ask for those that it did see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES, numbers

LAST = "learned last"  # in a generator's card: the seed and the length of its last row


def wishes(seed: Sequence[int], subjects: float) -> Iterator[tuple[str, str, int, int]]:
    """Kind, genre or class, number, and a seed for the pictures; a share of individuals."""
    random = np.random.default_rng(seed)
    while True:
        kind = "subject" if random.random() < subjects else "style"
        name = str(random.choice(SEEN_GENRES if kind == "style" else SEEN_CLASSES))
        number, pictures = numbers("train", 2, random)
        yield kind, name, number, pictures


def learned_last(card: Mapping[str, Any]) -> list[tuple[str, str, int]] | None:
    """Those that a generator learned from last, the latest first; None when its card does not
    say."""
    if LAST not in card:
        return None
    about = card[LAST]
    row = islice(wishes(about["seed"], about["subjects"]), int(about["count"]))
    return [wish[:3] for wish in row][::-1]
