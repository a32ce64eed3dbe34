"""The kinds of blind sheets: what a voter is asked, and the words that answer it.

A question knows nothing of models or methods, so that whoever votes learns nothing from it.
"""

from __future__ import annotations

from dataclasses import dataclass

from lorarium.errors import LorariumError, quoted

YES_NO = ("yes", "no")


@dataclass(frozen=True)
class Kind:
    """`references` names the sets of reference pictures and their captions on the sheet. `answers`
    are the words a voter may give; those in `accepts` count as accepted. `controls` are what is
    expected of true pictures and of strangers."""

    name: str
    references: dict[str, str]
    question: str
    answers: tuple[str, ...]
    accepts: tuple[str, ...] = ()
    controls: tuple[str, str] = YES_NO
    paired: bool = False


STYLE = Kind(
    "style",
    {"style": "All of these are by one artist"},
    "The pictures above the line are all by one artist: one hand, with its own lines, colours,"
    " grounds and textures. For each numbered picture below the line, answer yes if you would take"
    " it for another picture by this same artist, and no if you would not. What a picture shows"
    " does not matter, only how it is made.",
    YES_NO,
    ("yes",),
)
SUBJECT = Kind(
    "subject",
    {"subject": "All of these show one and the same individual"},
    "The pictures above the line all show one and the same individual, before different"
    " backgrounds. For each numbered picture below the line, answer yes if it shows this same"
    " individual, with its own form, colours, pattern and marks, and no if it shows another one of"
    " its sort, or none. The background does not matter.",
    YES_NO,
    ("yes",),
)
MERGE = Kind(
    "merge",
    {
        "subject": "All of these show one and the same individual",
        "style": "All of these are by one artist",
    },
    "Above the line, the first row shows one and the same individual, and the second row shows"
    " pictures of other things, all by one artist. For each numbered picture below the line, answer"
    " with one word: both, if it shows this same individual and is drawn by this same artist;"
    " subject, if it shows this individual but is by another hand; style, if it is by this artist"
    " but shows another individual; neither, if it is neither. The artist may give an individual"
    " other colours and other lines: its form, its pattern and its marks stay.",
    ("both", "subject", "style", "neither"),
    ("both",),
    ("both", "neither"),
)
PAIR = Kind(
    "pair",
    {"subject": "All of these show one and the same individual",
     "style": "All of these are by one artist"},
    "The pictures above the line are references. Below the line are numbered pairs, each of a"
    " picture A (left) and a picture B (right). For each pair answer with one word: a, if A goes"
    " better with the references; b, if B does; same, if neither does better.",
    ("a", "b", "same"),
    paired=True,
)  # fmt: skip
KINDS = {kind.name: kind for kind in (STYLE, SUBJECT, MERGE, PAIR)}


def kind_named(name: str) -> Kind:
    if name not in KINDS:
        raise LorariumError(
            f"no sheets are of kind {quoted(name)}", hint="one of " + ", ".join(KINDS)
        )
    return KINDS[name]
