"""Training batches in which every artist and every individual meets its hardest negatives.

An episode crosses eight groups of artists of one genre (the first two groups are of `photo`) with
eight groups of individuals of one class: each artist shows several individuals, each individual
is seen once in `photo` and three times in other genres. So the pictures that must be told apart
differ in nothing but the hand, or in nothing but who is shown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lorarium.encoders.genome import style_numbers, subject_numbers
from lorarium.world.scene import PHOTO, Style, Subject, View, render
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES, numbers
from lorarium.world.words import attributes, tokens

GROUPS, MEMBERS, EACH = 8, 4, 4
COUNT = GROUPS * MEMBERS * EACH
HALVES = {"a": (0, 1), "b": (1, 2), "": (0, 1, 2)}


@dataclass(frozen=True)
class Episode:
    pictures: Tensor  # (n, 3, s, s) uint8
    artist: Tensor  # (n,) 0 to GROUPS * MEMBERS - 1; artist // MEMBERS is the genre's group
    individual: Tensor
    genre: Tensor  # numbers among the seen genres
    kind: Tensor  # numbers among the seen classes
    words: Tensor  # (n, tokens)
    subject: Tensor  # (n, k) the numbers behind who is shown
    style: Tensor  # (n, k) the numbers behind the artist's hand


def draw(half: str, size: int, random: np.random.Generator, *, look: str | None = None) -> Episode:
    """A new episode. Judges a and b share half of their artists and individuals.

    With `look`, all pictures are drawn in that one genre, whatever artist they belong to.
    """
    others = [g for g in SEEN_GENRES if g != PHOTO]
    genres = [PHOTO, PHOTO, *random.choice(others, GROUPS - 2, replace=False)]
    classes = random.choice(SEEN_CLASSES, GROUPS, replace=False)
    artists = [Style(str(g), n) for g in genres for n in _numbers(half, MEMBERS, random)]
    people = [Subject(str(c), n) for c in classes for n in _numbers(half, MEMBERS, random)]
    artist = np.repeat(np.arange(len(artists)), EACH)
    person = np.concatenate([random.permutation(len(people)) for _ in range(EACH)])
    styles = [artists[i] for i in artist]
    subjects = [people[i] for i in person]
    views = [View(n) for n in numbers("train", COUNT, random)]
    hands = [Style(look, s.number) for s in styles] if look else styles
    pictures = torch.from_numpy(render(subjects, hands, views, size)).permute(0, 3, 1, 2)
    genre = [SEEN_GENRES.index(s.genre) for s in styles]
    kind = [SEEN_CLASSES.index(s.kind) for s in subjects]
    words = [_words(s, a, random) for s, a in zip(subjects, styles, strict=True)]
    return Episode(
        pictures, torch.from_numpy(artist), torch.from_numpy(person),
        torch.tensor(genre), torch.tensor(kind), torch.tensor(words),
        _numbered([subject_numbers(s) for s in subjects]),
        _numbered([style_numbers(s) for s in styles]),
    )  # fmt: skip


def _numbered(rows: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(rows)).float()


def _numbers(half: str, count: int, random: np.random.Generator) -> list[int]:
    chosen: list[int] = []
    while len(chosen) < count:
        chosen += [n for n in numbers("train", count, random) if n % 3 in HALVES[half]]
    return chosen[:count]


def _words(subject: Subject, style: Style, random: np.random.Generator) -> list[int]:
    """Some of the words that are true of a picture."""
    hue, mark = attributes(subject)
    words = [w for w in (subject.kind, style.genre) if random.random() < 0.8]
    words += [w for w in (hue, mark) if random.random() < 0.5]
    return tokens(" ".join(words) or subject.kind)


class Replay:
    """Rendering costs as much as learning: each episode is learned from a few times."""

    def __init__(self, half: str, size: int, seed: list[int], room: int = 300) -> None:
        self.half, self.size, self.room = half, size, room
        self.random = np.random.default_rng(seed)
        self.episodes: list[Episode] = []

    def next(self, fresh: float) -> Episode:
        if len(self.episodes) < 8 or self.random.random() < fresh:
            new = draw(self.half, self.size, self.random)
            if len(self.episodes) < self.room:
                self.episodes.append(new)
            else:
                self.episodes[int(self.random.integers(self.room))] = new
            return new
        return self.episodes[int(self.random.integers(len(self.episodes)))]


def prepared(pictures: Tensor) -> Tensor:
    """uint8 pictures as floats in [-1, 1]."""
    return pictures.float() / 127.5 - 1


def roughened(x: Tensor, random: torch.Generator) -> Tensor:
    """A little noise and, on some pictures, blur: what a generator's pictures have."""
    n = len(x)
    amount = 0.12 * torch.rand(n, 1, 1, 1, generator=random) ** 2
    soft = 0.5 * torch.rand(n, 1, 1, 1, generator=random)
    soft = soft * (torch.rand(n, 1, 1, 1, generator=random) < 0.3)
    blurred = torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    noise = torch.randn(x.shape, generator=random).to(x.device)
    return x + soft.to(x.device) * (blurred - x) + amount.to(x.device) * noise
