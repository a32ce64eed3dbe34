"""What stands in the one box."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from lorarium.errors import LorariumError
from lorarium.library.box import read_box
from lorarium.library.where import all_of

FILES = pa.table(
    {
        "path": ["/l/style/Ink.safetensors", "/l/cat.safetensors", "/l/style/old/x.safetensors"],
        "family": ["sdxl", "sd1", "sdxl"],
        "rank": pa.array([8.0, 16.0, None]),
        "size": [5_000_000, 200_000_000, 90_000_000],
        "tags": [["oil paint", "anime"], ["cat"], []],
        "words": [["1nk"], [], None],
        "author": ["Ada", "", ""],
    }
)


@pytest.mark.parametrize(
    "text, words, phrases, without",
    [
        ("dark night", ("dark", "night"), (), ()),
        ('ink "night city" -anime', ("ink",), ("night city",), ("anime",)),
        ('-"two words" x', ("x",), (), ("two words",)),
        ("sci-fi re:zero", ("sci-fi", "re:zero"), (), ()),
        ('"open quote', ("open", "quote"), (), ()),
        ("<b> ' ; DROP TABLE docs; --", ("<b>", "'", ";", "DROP", "TABLE", "docs;"), (), ("-",)),
        ("a: :b", ("a:", ":b"), (), ()),
    ],
)
def test_words(
    text: str, words: tuple[str, ...], phrases: tuple[str, ...], without: tuple[str, ...]
) -> None:
    box = read_box(text)
    assert (box.words, box.phrases, box.without) == (words, phrases, without)
    assert box.masks == ()


@pytest.mark.parametrize(
    "text, rows",
    [
        ("tag:anime", [0]), ("TAG:Oil", [0]), ('tag:"oil paint"', [0]), ("-tag:anime", [1, 2]),
        ("family:sdxl", [0, 2]), ("family:sd", []), ("folder:style", [0, 2]), ("in:old", [2]),
        ("folder:ink", []), ("name:ink", [0]), ("rank>8", [1]), ("rank>=8", [0, 1]),
        ("rank:8", [0]), ("rank > 8", [1]), ("size<100MB", [0, 2]), ("size:>100mb", [1]),
        ("trigger:1nk by:ada", [0]), ("family:sdxl -rank>=8", [2]), ("rank!=8", [1, 2]),
    ],
)  # fmt: skip
def test_filters(text: str, rows: list[int]) -> None:
    box = read_box(text)
    assert (box.words, box.phrases, box.without) == ((), (), ())
    assert np.flatnonzero(all_of(box.masks)(FILES)).tolist() == rows


@pytest.mark.parametrize("text", ["rank:high", "family>3", "size<big"])
def test_filters_that_cannot_be(text: str) -> None:
    with pytest.raises(LorariumError) as caught:
        read_box(text)
    assert str(caught.value).startswith(text) and "\n" not in str(caught.value)


def test_two_boxes_are_one() -> None:
    box = read_box("ink -a rank>8") + read_box('"b c" -d')
    assert (box.words, box.phrases, box.without, len(box.masks)) == (
        ("ink",),
        ("b c",),
        ("a", "d"),
        1,
    )
