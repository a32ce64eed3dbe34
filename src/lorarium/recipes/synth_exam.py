"""How a generator does on artists and individuals of the validation split, by denoising loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from lorarium.adapter import Module
from lorarium.bases.base import Base
from lorarium.bases.branches import Hook
from lorarium.bases.stack import each
from lorarium.recipes.synth_data import Batch, Source, artist, embed_source, individual
from lorarium.recipes.synth_loss import Words, batch_losses, losses_with
from lorarium.synthesis.net import KINDS, Eyes, Generator
from lorarium.training.fit import fit
from lorarium.training.recipe import Job, Recipe
from lorarium.world.splits import artists, individuals

COUNT = 12  # artists, and individuals
LEARNED, ASKED = 12, 16  # pictures to learn from, and others to be tried on
SETS = (1, 4, 12)


class Exam:
    """Fixed pictures, times and noise, so that all that is asked is asked alike."""

    def __init__(
        self,
        base: Base,
        kind: str,
        words: Words,
        eyes: Eyes,
    ) -> None:
        self.base, self.kind, self.words = base, kind, words
        self.sources = _sources(kind, base.size, eyes)

    @torch.no_grad()
    def scores(self, net: Generator) -> dict[str, float]:
        """Mean loss with LoRAs from 1, 4 and 12 pictures."""
        losses = {}
        for count in SETS:
            rows = [
                batch_losses(self.base, net, self._batch(s, count), self.words, _chance(i))
                for i, s in enumerate(self.sources)
            ]
            losses[str(count)] = _mean(rows)
        return losses

    @torch.no_grad()
    def alone(self) -> float:
        """Of the base without any LoRA."""
        return self._with([{}] * len(self.sources))

    def trained(self, recipe: Recipe) -> float:
        """With LoRAs trained on the same twelve pictures."""
        jobs = [
            Job(s.pictures[:LEARNED], s.prompts[:LEARNED], recipe, i)
            for i, s in enumerate(self.sources)
        ]
        made = [a for i in range(0, len(jobs), 6) for a in fit(self.base, jobs[i : i + 6])]
        with torch.no_grad():
            return self._with([each(self.base, [adapter]) for adapter in made])

    def _with(self, branches: Sequence[Mapping[Module, Hook]]) -> float:
        return _mean([
            losses_with(
                self.base, hooks, self._batch(s, 1), self.words, _chance(i)
            )
            for i, (s, hooks) in enumerate(zip(self.sources, branches, strict=True))
        ])  # fmt: skip

    def _batch(self, source: Source, count: int) -> Batch:
        kind = torch.tensor([KINDS.index(self.kind)])
        asked = torch.from_numpy(source.pictures[None, LEARNED:])
        return Batch(source.seen[None, :count], kind, asked, source.prompts[LEARNED:])


def _sources(kind: str, size: int, eyes: Eyes) -> list[Source]:
    random, count = np.random.default_rng(7), LEARNED + ASKED
    if kind == "style":
        everyone = artists("validation", 2)
        chosen = [everyone[i] for i in np.linspace(0, len(everyone) - 1, COUNT).astype(int)]
        return [embed_source(eyes, artist(a, "validation", count, size, random)) for a in chosen]
    people = individuals("validation", 1)
    those = [people[i] for i in np.linspace(0, len(people) - 1, COUNT).astype(int)]
    drawn = [individual(it, "validation", count, size, random, others=0.0) for it in those]
    return [embed_source(eyes, one) for one in drawn]


def _chance(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _mean(rows: list[torch.Tensor]) -> float:
    return round(float(torch.stack(rows).mean()), 5)
