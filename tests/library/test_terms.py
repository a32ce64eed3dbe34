"""How names and sentences are taken apart, and how far typing mistakes are apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorarium.library.terms import edits_between, joined_terms, one_edit_away, split_terms


@pytest.mark.parametrize(
    "text, terms",
    [
        ("PokémonStyle_v2", "pokemon style v 2"),
        ("pixel-art-xl", "pixel art xl"),
        ("XLPixelArt", "xl pixel art"),
        ("90sRetroAnime", "90 s retro anime"),
        ("Bjørn's café", "bjørn s cafe"),
        ("VÉGÉTAL", "vegetal"),
        ("sd1.5", "sd 1 5"),
        ("墨心 MoXin", "墨心 mo xin"),
        ("大概是盲盒", "大概 概是 是盲 盲盒"),
        ("猫", "猫"),
        ("マンガ風", "マン ンカ カ風"),
        ("  ,;-- ", ""),
    ],
)
def test_split(text: str, terms: str) -> None:
    assert " ".join(split_terms(text)) == terms


def test_neighbours_are_also_one() -> None:
    assert joined_terms(["spider", "man", "x"]) == ["spiderman", "manx"]


@given(st.text(max_size=60))
def test_any_text_has_terms_that_are_terms(text: str) -> None:
    for term in split_terms(text):
        assert 0 < len(term) <= 80 and not any(c.isspace() or c == '"' for c in term)


@pytest.mark.parametrize(
    "a, b, edits",
    [
        ("pokmeon", "pokemon", 1), ("ghibly", "ghibli", 1), ("realizm", "realism", 1),
        ("claymaiton", "claymation", 1), ("ink", "ink", 0), ("abc", "xyz", 3),
        ("", "ab", 2), ("kitten", "sitting", 3),
    ],
)  # fmt: skip
def test_edits(a: str, b: str, edits: int) -> None:
    assert edits_between(a, b, 2) == edits_between(b, a, 2) == min(edits, 3)


@given(st.text("abc", min_size=1, max_size=5), st.data())
def test_one_edit_is_one(word: str, data: st.DataObject) -> None:
    other = data.draw(st.sampled_from(sorted(one_edit_away(word))))
    assert edits_between(word, other, 1) == 1
