"""What the generator learns from: endless artists and individuals, references and targets apart."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context

import numpy as np
import torch
from torch import Tensor

from lorarium.encoders.encode import as_input
from lorarium.synthesis.net import KINDS, Eyes
from lorarium.synthesis.wishes import wishes
from lorarium.world.scene import PHOTO, Style, Subject, View, render
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES, numbers

MOST_REFERENCES = 12
POOL = MOST_REFERENCES + 16  # pictures that are drawn of one artist or individual
OTHER_GENRES = 0.15  # share of an individual's targets that are not `photo`


Drawn = tuple[str, np.ndarray, tuple[str, ...], np.ndarray]  # the first fields of a Source


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

    def first(self, count: int) -> Batch:
        """The same with the first targets of each source only."""
        b, m = self.targets.shape[:2]
        prompts = tuple(self.prompts[i * m + k] for i in range(b) for k in range(count))
        return replace(self, targets=self.targets[:, :count], prompts=prompts)


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


def embed_source(eyes: Eyes, drawn: Drawn) -> Source:
    return Source(*drawn, look(eyes, drawn[1]))


def look(eyes: Eyes, pictures: np.ndarray) -> Tensor:
    device = next(eyes.parameters()).device
    return eyes(as_input(pictures).to(device))


class Endless:
    """New artists and individuals of the train split as it goes; each is seen a few times.

    With workers, other processes draw as fast as they can, which is what a GPU needs; else a
    `fresh` share is drawn here.
    """

    def __init__(
        self, size: int, eyes: Eyes, seed: Sequence[int], *, subjects: float, fresh: float = 0.25,
        room: int = 256, workers: int = 0,
    ) -> None:  # fmt: skip
        self.size, self.eyes = size, eyes
        self.fresh, self.room = fresh, room
        self.random = np.random.default_rng([*seed, 1])
        self.row, self.asked = wishes(seed, subjects), 0
        self.pool: list[Source] = []
        self.workers = workers
        self.processes = ProcessPoolExecutor(workers, get_context("spawn")) if workers else None
        self.coming: deque[Future[Drawn]] = deque()

    def batch(self, sources: int, targets: int) -> Batch:
        chosen = [self._next() for _ in range(sources)]
        count = int(self.random.integers(1, MOST_REFERENCES + 1))
        return assemble_batch(chosen, count, targets, self.random)

    def _next(self) -> Source:
        full = len(self.pool) >= 32
        if self.processes is not None:
            while len(self.coming) < 4 * self.workers:
                self.coming.append(self.processes.submit(_drawn, *self._wish()))
            if full and not self.coming[0].done():
                return self._known()
            return self._add(self.coming.popleft().result())
        if full and self.random.random() >= self.fresh:
            return self._known()
        return self._add(_drawn(*self._wish()))

    def _wish(self) -> tuple[str, str, int, int, int]:
        self.asked += 1
        return *next(self.row), self.size

    def _known(self) -> Source:
        return self.pool[int(self.random.integers(len(self.pool)))]

    def _add(self, drawn: Drawn) -> Source:
        new = embed_source(self.eyes, drawn)
        if len(self.pool) < self.room:
            self.pool.append(new)
        else:
            self.pool[int(self.random.integers(self.room))] = new
        return new


def _drawn(kind: str, name: str, number: int, seed: int, size: int) -> Drawn:
    random = np.random.default_rng(seed)
    if kind == "subject":
        return individual(Subject(name, number), "train", POOL, size, random)
    return artist(Style(name, number), "train", POOL, size, random)


def assemble_batch(
    sources: Sequence[Source], references: int, targets: int, random: np.random.Generator
) -> Batch:
    """References and other pictures of each source."""
    inputs, wanted, prompts = [], [], []
    for source in sources:
        may = random.permutation(np.flatnonzero(source.may))[:references]
        known = random.choice(may, references) if len(may) < references else may
        rest = random.permutation(np.setdiff1d(np.arange(len(source.pictures)), known))[:targets]
        inputs.append(source.seen[known])
        wanted.append(source.pictures[rest])
        prompts += [source.prompts[i] for i in rest]
    kind = torch.tensor([KINDS.index(s.kind) for s in sources])
    asked = torch.from_numpy(np.stack(wanted))
    return Batch(torch.stack(inputs), kind, asked, tuple(prompts))
