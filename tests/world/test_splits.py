"""Splits never share anybody."""

import numpy as np

from lorarium.world import splits
from lorarium.world.styles import GENRES
from lorarium.world.subjects import CLASSES


def test_sizes_promised():
    assert len(splits.SEEN_CLASSES) >= 40 and len(splits.SEEN_GENRES) >= 16


def test_held_out_words_are_real_and_unseen():
    for held in splits.HELD_CLASSES.values():
        assert set(held) <= set(CLASSES) and not set(held) & set(splits.SEEN_CLASSES)
    for held in splits.HELD_GENRES.values():
        assert set(held) <= set(GENRES) and not set(held) & set(splits.SEEN_GENRES)


def test_numbers_belong_to_their_split():
    random = np.random.default_rng(0)
    for split in splits.SPLITS:
        assert {splits.split_of(n) for n in splits.numbers(split, 500, random)} == {split}
        assert {splits.split_of(a.number) for a in splits.artists(split, 4)} == {split}
        assert {splits.split_of(s.number) for s in splits.individuals(split, 2)} == {split}
