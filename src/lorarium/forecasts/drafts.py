"""What drafts say of a pair: a few steps without guidance show, long before a picture is worth
looking at, how much of each adapter is left beside the other.

Nobody has to know the subject or the artist: drafts of the merge are compared with drafts of either
adapter alone, by what judge A sees in them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from lorarium.adapter import Adapter, Array
from lorarium.bases.base import Base
from lorarium.bases.rounded import rounded
from lorarium.bases.sampling import sample
from lorarium.descriptors.gram import unit
from lorarium.encoders.encode import encode
from lorarium.encoders.store import shipped
from lorarium.errors import LorariumError
from lorarium.forecasts.rates import ROLES, MergeSetting
from lorarium.mergers import merge
from lorarium.world.scene import PHOTO
from lorarium.world.words import STYLE_TOKENS

PICTURES, STEPS, SEED = 16, 4, 77
ALIKE, SOFT = (0.4, 0.6), 0.1  # cosines from which a draft might pass, and how sharply
HEADS = ("identity", "style")
ARTICLES = ("a ", "an ", "the ")
Seen = tuple[Array, Array]  # of drafts, by judge A: (n, d) each


class PreviewFeatures:
    """Previews of adapters and of their merges on a base; what was drawn of one alone is kept."""

    def __init__(self, base: Base, ways: Sequence[MergeSetting]) -> None:
        self.base, self.ways, self.judge = base, ways, shipped("judge_a").net
        self.drafts_alone: dict[tuple[int, str], tuple[Adapter, Seen]] = {}

    def facts(self, subject: Adapter, style: Adapter) -> list[float]:
        """Numbers of a pair: how alike the drafts of either are, and of each way what is left."""
        subject_prompt, setting = subject_words(subject)
        style_prompt = style_words(style)
        kind = "".join(subject_prompt.split()[-1:])
        one, _ = self._alone(subject, f"{subject_prompt} in {setting}")
        _, other = self._alone(style, f"a {kind} in {style_prompt}")
        facts = [(one @ _middle(one)).mean(), (other @ _middle(other)).mean()]
        for way in self.ways:
            named = {"roles": ROLES} if way.method == "roles" else {}
            merged = merge([subject, style], way.weights, method=way.method, **named)
            identity, hand = self._seen(merged, f"{subject_prompt} in {style_prompt}")
            same, alike = identity @ _middle(one), hand @ _middle(other)
            facts += [same.mean(), same.std(), alike.mean(), alike.std(), (same * alike).mean()]
            facts += [(_soft(same - a) * _soft(alike - b)).mean() for a in ALIKE for b in ALIKE]
        return [float(v) for v in facts]

    def _alone(self, adapter: Adapter, prompt: str) -> Seen:
        key = id(adapter), prompt
        if key not in self.drafts_alone:  # the adapter is kept too, so that its id stays its own
            self.drafts_alone[key] = adapter, self._seen(adapter, prompt)
        return self.drafts_alone[key][1]

    def _seen(self, adapter: Adapter, prompt: str) -> Seen:
        with rounded(self.base):
            drawn = sample(
                self.base, [prompt] * PICTURES, adapters=[(adapter, 1.0)], steps=STEPS,
                guidance=1.0, seed=SEED,
            )  # fmt: skip
        identity, style = encode(self.judge, drawn, *HEADS)
        return unit(identity), unit(style)


def subject_words(adapter: Adapter) -> tuple[str, str]:
    """What calls a subject, and where it was seen: "a sub1 cat", "photo"."""
    called, _, setting = f"{_prompt(adapter)} ".partition(" in ")
    called = called.strip()
    article = "" if called.startswith(ARTICLES) else "a "
    return article + called, setting.strip() or PHOTO


def style_words(adapter: Adapter) -> str:
    """What calls a style, as it stands after "in": "sty1"."""
    words = f" {_prompt(adapter)}"
    named = [word for word in words.split() if word in STYLE_TOKENS]
    style_prompt = words.rpartition(" in ")[2] if " in " in words else " ".join(named[:1])
    return style_prompt or _silent()


def _prompt(adapter: Adapter) -> str:
    """A prompt that a file was trained on, or the words that it says it answers to."""
    try:
        prompt = json.loads(adapter.metadata["lorarium.prompts"])[0]
    except (ValueError, LookupError, TypeError):
        prompt = adapter.metadata.get("modelspec.trigger_phrase", "")
    return prompt.strip() if isinstance(prompt, str) and prompt.strip() else _silent()


def _silent() -> NoReturn:
    raise LorariumError(
        "no drafts: a file does not say what it was trained to draw",
        hint="rates can be foretold without drafts",
    )


def _middle(vectors: Array) -> Array:
    return unit(vectors.mean(0))


def _soft(above: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-above / SOFT)))
