"""The first look at a base: which words of the drawn world mean anything to it.

A base need not have seen the world. But a word that tells it nothing, so that true pictures are as
likely to it under another word, is one that adapters cannot stand on, and is left out of the zoo.
It is asked as a diffusion classifier is: by the errors of its predictions of the same noisy picture
under two prompts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from lorarium.bases.base import Base, losses
from lorarium.errors import LorariumError
from lorarium.recipes.timebox import ENDLESS, TimeBox
from lorarium.trained import write_json
from lorarium.world.scene import PHOTO, Style, Subject, View, render
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES, numbers

PICTURES = 16  # of each word
TIMES = (0.4, 0.55, 0.7, 0.85)  # where it is decided what is shown
LEAST = {"class": 12, "genre": 8}  # words that must mean something
Words = dict[str, dict[str, float]]  # "class" or "genre": by word, how surely it is known


def survey(base: Base, kept: Path, box: TimeBox = ENDLESS) -> Words:
    """By how many standard errors true pictures are likelier under their own word than under
    others of its sort. What was asked is kept there."""
    words: Words = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    for sort, names in (("class", SEEN_CLASSES), ("genre", SEEN_GENRES)):
        known = words.setdefault(sort, {})
        for name in names:
            if name not in known:
                box.check(f"{sum(map(len, words.values()))} words of the world were asked for")
                known[name] = round(certainty(base, sort, name, names), 2)
                write_json(kept, words)
    return words


def unknown(words: Words, where: str = "") -> frozenset[str]:
    """The words that mean nothing to a base; refused when hardly any do."""
    left_out = set()
    for sort, least in LEAST.items():
        mute = {name for name, sure in words[sort].items() if sure <= 0}
        if len(words[sort]) - len(mute) < least:
            raise LorariumError(
                f"only {len(words[sort]) - len(mute)} of {len(words[sort])} words for a {sort} "
                "mean anything to this base",
                where=where, hint="it cannot be adopted: what is learned stands on such words",
            )  # fmt: skip
        left_out |= mute
    return frozenset(left_out)


@torch.no_grad()
def certainty(base: Base, sort: str, name: str, names: Sequence[str]) -> float:
    """The mean advantage of the right word over another one, in standard errors."""
    random = np.random.default_rng([SEEN_CLASSES.index(name), 1] if sort == "class" else
                                   [SEEN_GENRES.index(name), 2])  # fmt: skip
    kinds = [name] * PICTURES if sort == "class" else list(random.choice(SEEN_CLASSES, PICTURES))
    genres = [PHOTO] * PICTURES if sort == "class" else [name] * PICTURES
    wrong = random.choice([other for other in names if other != name], PICTURES)
    people = [
        Subject(str(k), n) for k, n in zip(kinds, numbers("train", PICTURES, random), strict=True)
    ]
    hands = [Style(g, n) for g, n in zip(genres, numbers("train", PICTURES, random), strict=True)]
    views = [View(n) for n in numbers("train", PICTURES, random)]
    drawn = torch.from_numpy(render(people, hands, views, base.size)).permute(0, 3, 1, 2)
    noises = torch.Generator().manual_seed(int(random.integers(2**31)))
    advantage = []
    for i, share in enumerate(np.resize(TIMES, PICTURES)):
        x = base.to_latent(drawn[i : i + 1].float().to(base.device) / 127.5 - 1)
        own = f"a {kinds[i]} in {genres[i]}"
        other = f"a {wrong[i]} in {genres[i]}" if sort == "class" else f"a {kinds[i]} in {wrong[i]}"
        noise = torch.randn(x.shape, generator=noises).to(x)
        t = torch.full((2,), float(share), device=x.device)
        right, false = losses(
            base, x.repeat(2, 1, 1, 1), base.encode([own, other]), t, noise.repeat(2, 1, 1, 1)
        ).tolist()
        advantage.append((false - right) / (false + right))
    return float(np.mean(advantage) / (np.std(advantage, ddof=1) / len(advantage) ** 0.5 + 1e-12))
