"""Prompts and the vocabulary."""

import numpy as np
import pytest

from lorarium.errors import LorariumError
from lorarium.world import splits, words
from lorarium.world.scene import Style, Subject


def test_every_described_picture_has_tokens():
    random = np.random.default_rng(0)
    for kind in splits.SEEN_CLASSES:
        subject, style = Subject(kind, 9000), Style("ink", 9000)
        for _ in range(5):
            assert len(words.tokens(words.prompt(subject, style, random))) == words.LONGEST


def test_reserved_words_are_known_and_words_unique():
    assert any(words.tokens("a sub1 cat in sty4"))
    assert len(set(words.VOCABULARY)) == len(words.VOCABULARY)


def test_unknown_word_is_named_with_suggestions():
    with pytest.raises(LorariumError, match=r"'pinguin'.*penguin"):
        words.tokens("a pinguin in ink")


def test_too_long_a_prompt_is_refused():
    with pytest.raises(LorariumError, match="at most"):
        words.tokens("cat " * 20)


def test_held_out_words_cannot_be_prompted():
    for word in (*splits.HELD_GENRES["test"], *splits.HELD_CLASSES["test"]):
        with pytest.raises(LorariumError):
            words.tokens(word)
