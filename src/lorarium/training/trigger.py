"""The words that an adapter answers to: what all prompts say that it was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lorarium.world.words import STYLE_TOKENS, SUBJECT_TOKENS

PHRASE = "modelspec.trigger_phrase"  # the key under which interfaces and `inspect` look for it
EMPTY = {"a", "an", "the", "in", "of", "by", "on", "with", "and", "at", "to"}
ARTICLES = {"a", "an", "the"}
LOOKED_AT = 200  # different prompts


def trigger_phrase(prompts: Iterable[str]) -> str:
    """The longest run of words in all prompts, without articles at its ends; "" when it says
    nothing. Of a named subject its setting is left out.

    >>> trigger_phrase(["a cat in sty1", "a red boat in sty1"])
    'in sty1'
    >>> trigger_phrase(["a sub1 cat in photo"])
    'sub1 cat'
    """
    run = _shared_run(sorted(set(prompts))[:LOOKED_AT])
    if set(run) & set(SUBJECT_TOKENS) and "in" in run:
        run = run[: run.index("in")]
    while run and run[0] in ARTICLES:
        run = run[1:]
    while run and run[-1] in EMPTY:
        run = run[:-1]
    return " ".join(run).strip(",.;: ")


def kind_named(phrase: str) -> str:
    """`subject` or `style` by micro-1's reserved word in a phrase, "" without one."""
    words = set(phrase.split())
    if words & set(SUBJECT_TOKENS):
        return "subject"
    return "style" if words & set(STYLE_TOKENS) else ""


def _shared_run(prompts: Sequence[str]) -> list[str]:
    """The longest run of words that stands in every prompt, the first of several."""
    if not prompts:
        return []
    words = prompts[0].split()
    others = [f" {' '.join(prompt.split())} " for prompt in prompts[1:]]
    for length in range(len(words), 0, -1):
        for start in range(len(words) - length + 1):
            run = words[start : start + length]
            if set(run) <= EMPTY:
                continue
            if all(f" {' '.join(run)} " in other for other in others):
                return run
    return []
