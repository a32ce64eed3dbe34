"""The world's language: a small vocabulary and the prompts that describe a picture.

`sub1`-`sub4` and `sty1`-`sty4` are reserved: the base meets them bound to nothing, so that a LoRA
can name its own subject or style with them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

import numpy as np

from lorarium.errors import LorariumError
from lorarium.world import colour
from lorarium.world.pen import MARKS
from lorarium.world.scene import Style, Subject, features
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES

SUBJECT_TOKENS = ("sub1", "sub2", "sub3", "sub4")
STYLE_TOKENS = ("sty1", "sty2", "sty3", "sty4")
COLOURS = {
    "red": "#d1382f", "orange": "#e58a1f", "yellow": "#f2c832", "green": "#3f9a4a",
    "blue": "#2f6fc0", "purple": "#8a4fb0", "pink": "#e070a0", "brown": "#7a4a28",
    "black": "#303038", "grey": "#8a9098", "white": "#f0ece4",
}  # fmt: skip
VOCABULARY = (
    "", "a", "in", *SUBJECT_TOKENS, *STYLE_TOKENS, *COLOURS, *MARKS, *SEEN_GENRES, *SEEN_CLASSES,
)  # fmt: skip
LONGEST = 12
_NUMBER = {word: i for i, word in enumerate(VOCABULARY)}
SILENT = {"the", "an", "of", "picture", "style", "by", "with", "and"}


def tokens(prompt: str) -> list[int]:
    """Word numbers of a prompt, padded with 0; an unknown word is an error that suggests others."""
    numbers = []
    for word in re.findall(r"[a-z0-9]+", prompt.lower()):
        if word in SILENT:
            continue
        if word not in _NUMBER:
            near = difflib.get_close_matches(word, VOCABULARY[1:], 3, 0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else "see `lorarium world words`"
            raise LorariumError(f"the world has no word {word[:40]!r}", where="prompt", hint=hint)
        numbers.append(_NUMBER[word])
    if len(numbers) > LONGEST:
        raise LorariumError(f"{len(numbers)} words", where="prompt", hint=f"use at most {LONGEST}")
    return numbers + [0] * (LONGEST - len(numbers))


def attributes(subject: Subject) -> tuple[str, str]:
    """An individual's colour word and mark word."""
    main, mark = features(subject)
    distance = np.abs(colour.table(list(COLOURS.values())) - main).sum(1)
    return list(COLOURS)[int(distance.argmin())], MARKS[mark]


def prompt(subject: Subject, style: Style, random: np.random.Generator | None = None) -> str:
    """What a picture shows; with `random`, said in one of the ways the base is trained on."""
    hue, mark = attributes(subject)
    if random is None:
        return f"a {subject.kind} in {style.genre}"
    words = ["a"]
    if random.random() < 0.1:
        words.append(_one(SUBJECT_TOKENS, random))
    if random.random() < 0.4:
        words.append(hue)
    if random.random() < 0.4:
        words.append(mark)
    if random.random() < 0.96:
        words.append(subject.kind)
    chance = random.random()
    if chance < 0.86:
        words += ["in", style.genre]
    elif chance < 0.95:
        words += ["in", _one(STYLE_TOKENS, random)]
    return " ".join(words)


def _one(words: Sequence[str], random: np.random.Generator) -> str:
    return words[int(random.integers(len(words)))]
