"""What ships with a generator: what it has seen, when pictures disagree, and named directions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from lorarium.recipes.synth_data import artist, individual, look
from lorarium.synthesis import novelty
from lorarium.synthesis.make import EDIT
from lorarium.synthesis.net import KINDS, Eyes, Generator
from lorarium.world.pen import MARKS
from lorarium.world.scene import PHOTO, Style, Subject, View, render
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES, numbers
from lorarium.world.words import COLOURS, attributes

TRAIN_PICTURES, KNOWN_PICTURES = 768, 384
SETS, SET = 96, 4  # validation sets for the limit of agreement, and their size
ODD = 0.02  # share of the pictures of such sets that would be called odd
LABELLED, EACH = 480, 4  # artists or individuals with labels, and their pictures
RARE = 8  # a word with fewer has no direction
LOOKS: dict[str, Callable[[np.ndarray], float]] = {
    "bright": lambda x: float(x.mean()),
    "colourful": lambda x: float((x.max(-1) - x.min(-1)).mean()),
    "contrasty": lambda x: float(x.mean(-1).std((1, 2)).mean()),
    "detailed": lambda x: float(np.abs(np.diff(x.mean(-1), axis=2)).mean()),
}


def memory(eyes: Eyes, size: int) -> dict[str, Tensor]:
    """What `novelty` needs of either kind."""
    tensors: dict[str, Tensor] = {}
    for kind in KINDS:
        random = np.random.default_rng(31)
        train = look(eyes, _strangers(kind, "train", TRAIN_PICTURES, size, random))
        known = look(eyes, _strangers(kind, "validation", KNOWN_PICTURES, size, random))
        tensors |= novelty.measure(train.cpu(), known.cpu(), kind)
    return tensors


def _strangers(
    kind: str, split: str, count: int, size: int, random: np.random.Generator
) -> np.ndarray:
    """Pictures of as many different artists or individuals."""
    people = [Subject(str(random.choice(SEEN_CLASSES)), n) for n in numbers(split, count, random)]
    genres = [PHOTO if kind == "subject" else str(random.choice(SEEN_GENRES)) for _ in people]
    styles = [Style(g, n) for g, n in zip(genres, numbers(split, count, random), strict=True)]
    return render(people, styles, [View(n) for n in numbers(split, count, random)], size)


def limits(eyes: Eyes, size: int) -> dict[str, float]:
    """The agreement below which a picture is called odd, by kind."""
    quantiles = {}
    for kind in KINDS:
        random = np.random.default_rng(32)
        values = []
        for number in numbers("validation", SETS, random):
            if kind == "style":
                style = Style(str(random.choice(SEEN_GENRES)), number)
                drawn = artist(style, "validation", SET, size, random)
            else:
                it = Subject(str(random.choice(SEEN_CLASSES)), number)
                drawn = individual(it, "validation", SET, size, random, others=0.0)
            values.append(novelty.agreement(look(eyes, drawn[1]), kind))
        quantiles[kind] = round(float(torch.quantile(torch.cat(values), ODD)), 4)
    return quantiles


@torch.no_grad()
def named_directions(net: Generator, size: int) -> dict[str, Tensor]:
    """Directions of the condition by label. A word's is the way from everybody's mean to that of
    those who have it; a look's is the step of one spread of it among artists of a genre."""
    random = np.random.default_rng(33)
    directions: dict[str, Tensor] = {}
    drawn = [str(g) for g in random.choice(SEEN_GENRES, LABELLED)]
    pictures = [
        artist(Style(g, n), "train", EACH, size, random)[1]
        for g, n in zip(drawn, numbers("train", LABELLED, random), strict=True)
    ]
    conditions = _conditions(net, torch.stack([look(net.eyes, p) for p in pictures]), "style")
    directions |= {f"style.{k}": v for k, v in _by_word(conditions, [(g,) for g in drawn]).items()}
    inside = _centred(conditions, drawn)
    for name, measure in LOOKS.items():
        values = torch.tensor([measure(p / 255.0) for p in pictures])
        values = _centred(values[:, None], drawn)[:, 0]
        slope = (inside * values[:, None, None]).mean(0) / values.square().mean()
        directions[f"style.{name}"] = slope * values.std()
    kinds = [str(k) for k in random.choice(SEEN_CLASSES, LABELLED)]
    people = [Subject(k, n) for k, n in zip(kinds, numbers("train", LABELLED, random), strict=True)]
    pictures = [individual(p, "train", EACH, size, random, others=0.0)[1] for p in people]
    seen = torch.stack([look(net.eyes, p) for p in pictures])
    conditions = _centred(_conditions(net, seen, "subject"), kinds)
    words = [tuple(w for w in attributes(p) if w in (*COLOURS, *MARKS)) for p in people]
    directions |= {f"subject.{k}": v for k, v in _by_word(conditions, words).items()}
    return {f"{EDIT}{name}": value.cpu() for name, value in directions.items()}


def _conditions(net: Generator, seen: Tensor, kind: str) -> Tensor:
    which = torch.full((len(seen),), KINDS.index(kind), device=seen.device)
    shares = zip(seen.split(32), which.split(32), strict=True)
    return torch.cat([net.query_answers(s, w) for s, w in shares])


def _by_word(conditions: Tensor, words: Sequence[tuple[str, ...]]) -> dict[str, Tensor]:
    directions = {}
    for word in sorted({w for labels in words for w in labels}):
        has = torch.tensor([word in labels for labels in words])
        if int(has.sum()) >= RARE:
            directions[word] = conditions[has].mean(0) - conditions.mean(0)
    return directions


def _centred(values: Tensor, groups: Sequence[str]) -> Tensor:
    """Values less the mean of their group."""
    out = values.clone()
    for group in set(groups):
        members = torch.tensor([g == group for g in groups])
        out[members] -= values[members].mean(0)
    return out
