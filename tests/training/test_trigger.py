"""The words that an adapter answers to, from the prompts that it was trained on."""

from __future__ import annotations

import pytest

from lorarium.training.trigger import kind_named, trigger_phrase


@pytest.mark.parametrize(
    ("prompts", "phrase"),
    [
        (["a cat in sty1", "a red boat in sty1"], "in sty1"),
        (["a in sty1"], "in sty1"),
        (["in sty2"], "in sty2"),
        (["a sub1 cat in photo"], "sub1 cat"),
        (["a sub1 cat in photo", "a sub1 cat in photo"], "sub1 cat"),
        (["a sub1", "the sub1"], "sub1"),
        (["photo of sks dog on grass", "photo of sks dog at night"], "photo of sks dog"),
        (["  a   cat in  sty1 ", "a boat in sty1"], "in sty1"),
        (["a cat in ink", "a dog in oil"], ""),
        (["a", "the cat"], ""),
        (["", "a cat in sty1"], ""),
        ([], ""),
        (["smile, by xyz, tree", "night, by xyz, smile"], "by xyz"),
    ],
)
def test_what_all_prompts_say(prompts: list[str], phrase: str) -> None:
    assert trigger_phrase(prompts) == phrase
    assert trigger_phrase(iter(prompts[::-1])) == phrase


def test_thousands_of_long_captions_take_no_time() -> None:
    captions = [" ".join(f"w{(i * 7 + j) % 300}" for j in range(150)) for i in range(5000)]
    assert trigger_phrase(captions) == ""
    assert trigger_phrase([f"{c} by abc" for c in captions]) == "by abc"


def test_a_reserved_word_says_what_it_is() -> None:
    assert kind_named("in sty3") == "style" and kind_named("sub2 cat") == "subject"
    assert kind_named("photo of sks dog") == "" == kind_named("")
