"""What judges of family 2 learn from at each step: a shard, false and worn pictures beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lorarium.encoders.episodes import COUNT, EACH
from lorarium.encoders.genome import style_numbers, subject_numbers
from lorarium.recipes.drawn_bank import DrawnBank, Held
from lorarium.recipes.redrawn import redrawn_rows
from lorarium.recipes.shards import Shard, load, shard_paths
from lorarium.recipes.wear import smeared

REDRAWN, DRAWN = 12, 16  # rows of a step


@dataclass(frozen=True)
class Batch:
    """A shard as tensors, and further pictures that are held against its people or the bank's."""

    pictures: Tensor  # (COUNT + extra, 3, s, s) uint8
    shard: Shard
    fields: Tensor
    artist: Tensor  # (COUNT,) from 0 to PEOPLE - 1
    person: Tensor
    numbers: tuple[Tensor, Tensor]  # behind who is shown, behind the artist's hand
    held: list[Held]  # of the extra rows


def as_batch(shard: Shard, extra: list[tuple[np.ndarray, Held]]) -> Batch:
    places: dict[tuple[int, int], int] = {}
    # individuals of one class stand side by side, as artists of one genre do
    for key in sorted({(int(k), int(p)) for k, p in zip(shard.kind, shard.person, strict=True)}):
        places[key] = len(places)
    person = [places[int(k), int(p)] for k, p in zip(shard.kind, shard.person, strict=True)]
    pictures = [torch.from_numpy(shard.pictures), *[torch.from_numpy(p) for p, _ in extra]]
    return Batch(
        torch.cat(pictures).permute(0, 3, 1, 2), shard,
        torch.from_numpy(shard.fields).permute(0, 3, 1, 2).float() / 255,
        torch.arange(COUNT) // EACH, torch.tensor(person),
        (_numbered([subject_numbers(s) for s in shard.subjects()]),
         _numbered([style_numbers(s) for s in shard.styles()])),
        [held for _, held in extra],
    )  # fmt: skip


def _numbered(rows: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(rows)).float()


class Feed:
    """What a step learns from: one of the shards that are there by now, and fakes."""

    def __init__(self, shards: Path, redrawn: Path, bank: DrawnBank, seed: list[int]) -> None:
        self.folder, self.redrawn, self.bank = shards, redrawn, bank
        self.random = np.random.default_rng(seed)
        self.order: list[Path] = []

    def next(self) -> Batch:
        if not self.order:
            paths = shard_paths(self.folder)
            self.order = [paths[i] for i in self.random.permutation(len(paths))][:200]
        path = self.order.pop()
        shard = load(path)
        person = as_batch(shard, []).person.numpy()
        extra = [
            smeared(shard, person, self.random),
            *redrawn_rows(self.redrawn / path.name, person, REDRAWN, self.random),
            *self.bank.some(DRAWN, self.random),
        ]
        return as_batch(shard, [e for e in extra if e is not None])
