"""The language of filters."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorarium.errors import LorariumError
from lorarium.library.schema import SCHEMA
from lorarium.library.where import FIELDS, where

ROWS = [
    {"path": "/l/ink.safetensors", "family": "sd1", "rank": 4.0, "tags": ["ink wash", "tree"]},
    {"path": "/l/Anime.safetensors", "family": "sdxl", "rank": 16.0, "tags": ["anime"]},
    {"path": "/l/x.safetensors", "family": "sd1", "rank": None, "tags": [], "title": "it's 50%_*"},
    {"path": "/l/bad.safetensors", "error": "broken", "tags": None, "size": 12_000_000},
]
TABLE = pa.Table.from_pylist([{"error": "", **row} for row in ROWS], SCHEMA)


@pytest.mark.parametrize(
    "expression, rows",
    [
        ("family = sd1", [0, 2]),
        ("family != sd1", [1, 3]),
        ("family in (sd1, sdxl)", [0, 1, 2]),
        ("rank >= 8", [1]),
        ("rank < 8", [0]),
        ("not rank < 8", [1, 2, 3]),
        ("rank = 4 or tags = anime", [0, 1]),
        ("family = sd1 and not tags = tree", [2]),
        ("family = sd1 and (rank > 2 or title ~ 50)", [0, 2]),
        ("tags = 'ink wash'", [0]),
        ("tags ~ INK", [0]),
        ("tags != anime", [0, 2, 3]),
        ("text ~ anime", [1]),
        ("path ~ '.safetensors'", [0, 1, 2, 3]),
        ('title = "it\'s 50%_*"', [2]),
        ("title ~ '.*'", []),
        ("error != ''", [3]),
        ("size > 11.5MB", [3]),
        ("rank in (4, 16)", [0, 1]),
    ],
)
def test_rows(expression: str, rows: list[int]) -> None:
    assert np.flatnonzero(where(expression)(TABLE)).tolist() == rows


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "family",
        "family =",
        "family = sd1 sd2",
        "colour = red",
        "rank = many",
        "rank ~ 4",
        "family < sd1",
        "(family = sd1",
        "family = sd1)",
        "family in sd1",
        "family in (sd1",
        "family = 'sd1",
        "and family = sd1",
        "not",
        "1=1; drop table files",
        "(" * 60 + "rank = 4" + ")" * 60,
        "rank = 4 or " * 500 + "rank = 4",
        "rank = nan",
        "rank = 1e999",
    ],
)
def test_errors_are_one_line(expression: str) -> None:
    with pytest.raises(LorariumError) as caught:
        where(expression)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


@given(
    st.lists(st.sampled_from([*FIELDS, *"=<>~(),!'\"", "and", "or", "not", "in", "4"]), max_size=9)
)
def test_anything_is_a_mask_or_a_sentence(words: list[str]) -> None:
    try:
        mask = where(" ".join(words))
    except LorariumError:
        return
    assert mask(TABLE).shape == (len(ROWS),)
