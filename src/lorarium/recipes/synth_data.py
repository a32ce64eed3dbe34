"""What the generator learns from: endless artists and individuals, references and targets apart."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
import torch
from torch import Tensor

from lorarium.encoders.encode import as_input
from lorarium.synthesis.net import KINDS, Eyes
from lorarium.synthesis.wishes import wishes
from lorarium.training.own_pictures import OwnPictures
from lorarium.world.scene import PHOTO, Style, Subject, View, render
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES, numbers

MOST_REFERENCES = 12
POOL = MOST_REFERENCES + 16  # pictures that are drawn of one artist or individual
OTHER_GENRES = 0.15  # share of an individual's targets that are not `photo`
OWN_SHARE = 0.15  # of somebody's own pictures, where there are some

START = 32  # artists and individuals to choose among from the first step on

Drawn = tuple[str, np.ndarray, tuple[str, ...], np.ndarray]  # the first fields of a Source
Wish = tuple[str, str, int, int]


@dataclass(frozen=True)
class Source:
    """One artist's or individual's pictures (n, s, s, 3) uint8, their prompts, which of them may
    be references, and what the generator sees of each."""

    kind: str
    pictures: np.ndarray
    prompts: tuple[str, ...]
    may: np.ndarray
    seen: Tensor


@dataclass(frozen=True)
class Batch:
    seen: Tensor  # (b, n, ...), what the generator sees of the references
    kind: Tensor  # (b,)
    targets: Tensor  # (b, m, s, s, 3) uint8
    prompts: tuple[str, ...]  # b m


def artist(style: Style, split: str, count: int, size: int, random: np.random.Generator) -> Drawn:
    """Pictures of one artist, each of another individual."""
    kinds = [str(k) for k in random.choice(SEEN_CLASSES, count, replace=False)]
    people = [Subject(k, n) for k, n in zip(kinds, numbers(split, count, random), strict=True)]
    views = [View(n) for n in numbers(split, count, random)]
    pictures = render(people, [style] * count, views, size)
    prompts = tuple(f"a {k} in sty1" for k in kinds)
    return "style", pictures, prompts, np.ones(count, bool)


def individual(
    subject: Subject, split: str, count: int, size: int, random: np.random.Generator,
    others: float = OTHER_GENRES,
) -> Drawn:  # fmt: skip
    """Pictures of one individual: photographs, of which references are taken, and a share of
    drawings."""
    genres = [
        str(random.choice(SEEN_GENRES)) if random.random() < others else PHOTO for _ in range(count)
    ]
    styles = [Style(g, n) for g, n in zip(genres, numbers(split, count, random), strict=True)]
    views = [View(n) for n in numbers(split, count, random)]
    pictures = render([subject] * count, styles, views, size)
    prompts = tuple(f"a sub1 {subject.kind} in {g}" for g in genres)
    return "subject", pictures, prompts, np.array([g == PHOTO for g in genres])


def own_source(own: OwnPictures, size: int) -> Drawn:
    """All pictures of somebody's own artist or thing."""
    pictures, prompts = own.read(size)
    return own.kind, pictures, prompts, np.ones(len(pictures), bool)


def embed_source(eyes: Eyes, drawn: Drawn) -> Source:
    return Source(*drawn, look(eyes, drawn[1]))


def look(eyes: Eyes, pictures: np.ndarray) -> Tensor:
    device = next(eyes.parameters()).device
    return eyes(as_input(pictures).to(device))


class Endless:
    """New artists and individuals of the train split as it goes; each is met a few times.

    Whom a step meets follows from the seed and the step's number alone, so that a run that goes on
    meets whom it would have met. With workers, other processes draw the next ones meanwhile. Where
    there are pictures of somebody's `own`, they take the place of a share of the others.
    """

    def __init__(
        self, size: int, eyes: Eyes, seed: Sequence[int], *, subjects: float, fresh: float = 0.25,
        room: int = 256, workers: int = 0, step: int = 0, own: Sequence[Drawn] = (),
    ) -> None:  # fmt: skip
        self.size, self.eyes, self.seed = size, eyes, list(seed)
        self.own = [embed_source(eyes, drawn) for drawn in own]
        self.fresh, self.room, self.step = fresh, room, step
        self.asked = 0  # how many of the row were met by now
        self.row = wishes(seed, subjects)
        self.wishes: dict[int, Wish] = {}
        self.first_wish = 0
        self.pool: dict[int, Source] = {}
        self.workers = workers
        self.processes = ProcessPoolExecutor(workers, get_context("spawn")) if workers else None
        self.coming: dict[int, Future[Drawn]] = {}

    def batch(self, sources: int, targets: int) -> Batch:
        random = np.random.default_rng([*self.seed, 1, self.step])
        before, self.asked = (
            START + int(step * sources * self.fresh) for step in (self.step, self.step + 1)
        )
        self.step += 1
        oldest = max(0, self.asked - self.room)
        fresh = range(before, self.asked)
        known = random.integers(oldest, self.asked, sources - len(fresh))
        self._forget(oldest)
        chosen = [self._source(int(i)) for i in (*fresh, *known)]
        self._draw_ahead(4 * self.workers)
        if self.own:
            for place in np.flatnonzero(random.random(sources) < OWN_SHARE):
                chosen[place] = self.own[int(random.integers(len(self.own)))]
        count = int(random.integers(1, MOST_REFERENCES + 1))
        return assemble_batch(chosen, count, targets, random)

    def _source(self, number: int) -> Source:
        if number not in self.pool:
            coming = self.coming.pop(number, None)
            drawn = coming.result() if coming else _drawn(*self._wish(number), self.size)
            self.pool[number] = embed_source(self.eyes, drawn)
        return self.pool[number]

    def _wish(self, number: int) -> Wish:
        while number >= self.first_wish + len(self.wishes):
            self.wishes[self.first_wish + len(self.wishes)] = next(self.row)
        return self.wishes[number]

    def _forget(self, oldest: int) -> None:
        self._wish(oldest)
        for number in range(self.first_wish, oldest):
            self.wishes.pop(number)
            self.pool.pop(number, None)
        self.first_wish = oldest

    def _draw_ahead(self, count: int) -> None:
        for number in range(self.asked, self.asked + count):
            if number not in self.coming and self.processes is not None:
                wish = self._wish(number)
                self.coming[number] = self.processes.submit(_drawn, *wish, self.size)


def _drawn(kind: str, name: str, number: int, seed: int, size: int) -> Drawn:
    random = np.random.default_rng(seed)
    if kind == "subject":
        return individual(Subject(name, number), "train", POOL, size, random)
    return artist(Style(name, number), "train", POOL, size, random)


def assemble_batch(
    sources: Sequence[Source], references: int, targets: int, random: np.random.Generator
) -> Batch:
    """References and other pictures of each source; where it has few, they come again."""
    inputs, wanted, prompts = [], [], []
    for source in sources:
        most = min(references, len(source.pictures) // 2)
        known = _filled(random.permutation(np.flatnonzero(source.may))[:most], references, random)
        others = random.permutation(np.setdiff1d(np.arange(len(source.pictures)), known))
        rest = _filled(others[:targets], targets, random)
        inputs.append(source.seen[known])
        wanted.append(source.pictures[rest])
        prompts += [source.prompts[i] for i in rest]
    kind = torch.tensor([KINDS.index(s.kind) for s in sources])
    asked = torch.from_numpy(np.stack(wanted))
    return Batch(torch.stack(inputs), kind, asked, tuple(prompts))


def _filled(numbers: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    return random.choice(numbers, count) if len(numbers) < count else numbers
