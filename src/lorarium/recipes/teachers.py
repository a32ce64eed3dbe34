"""Teachers: adapters that do what another is to do, and what they answered on their way from noise
to pictures. Who answers the same in the same places draws the same pictures.

A squared error to true pictures rewards the mean of all that may be, which looks like none of them;
a frozen judge has holes that a long training finds. A teacher's prediction is neither a mean of
pictures nor a judge's opinion, and the teacher's look is the ceiling.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lorarium.adapter import Adapter, Module
from lorarium.bases.base import Base, Text
from lorarium.bases.branches import Hook, applied
from lorarium.bases.rounded import rounded
from lorarium.bases.sampling import sample
from lorarium.bases.stack import each

STEPS = 12  # of drawing a picture


@dataclass(frozen=True, eq=False)
class Walk:
    """The ways of some pictures: noisy latents and the clean ones that were answered, both
    (n, steps, ...), times (n, steps), and the prompt of each."""

    x: Tensor
    answers: Tensor
    t: Tensor
    prompts: tuple[str, ...]

    def save(self, path: Path) -> None:
        half = {name: getattr(self, name).cpu().numpy() for name in ("x", "answers")}
        np.savez(
            path, **{k: v.astype(np.float16) for k, v in half.items()}, t=self.t.cpu().numpy(),
            prompts=np.array(self.prompts),
        )  # fmt: skip

    @staticmethod
    def load(path: Path) -> Walk:
        with np.load(path, allow_pickle=False) as held:
            x, answers, t = (torch.from_numpy(held[k]).float() for k in ("x", "answers", "t"))
            return Walk(x, answers, t, tuple(map(str, held["prompts"])))


@dataclass(frozen=True, eq=False)
class Places:
    """Some places of walks, one after the other."""

    x: Tensor
    answers: Tensor
    t: Tensor
    prompts: tuple[str, ...]

    @staticmethod
    def of(walks: Sequence[Walk], count: int, random: np.random.Generator) -> Places:
        """So many of each walk, in the order of the walks."""
        x, answers, t, prompts = [], [], [], []
        for walk in walks:
            picture = random.integers(len(walk.prompts), size=count)
            step = (np.arange(count) + random.random()) % count / count * walk.t.shape[1]
            for i, k in zip(picture, step.astype(int), strict=True):
                x.append(walk.x[i, k])
                answers.append(walk.answers[i, k])
                t.append(walk.t[i, k])
                prompts.append(walk.prompts[i])
        return Places(torch.stack(x), torch.stack(answers), torch.stack(t), tuple(prompts))


def walked(
    base: Base, adapters: Sequence[Adapter], prompts: Sequence[Sequence[str]], seed: int
) -> list[Walk]:
    """Each adapter draws its own prompts, as many as every other one's, in one batch."""
    steps: list[tuple[Tensor, Tensor, Tensor]] = []
    sample(
        base, [p for own in prompts for p in own], branches=each(base, adapters), steps=STEPS,
        seed=seed, watch=lambda x, t, answers: steps.append((x.cpu(), answers.cpu(), t.cpu())),
    )  # fmt: skip
    x, answers, t = (torch.stack(part, 1) for part in zip(*steps, strict=True))
    count = len(prompts[0])
    return [
        Walk(x[i : i + count], answers[i : i + count], t[i : i + count], tuple(own))
        for i, own in zip(range(0, len(x), count), prompts, strict=True)
    ]


def keep_walks(
    base: Base, adapters: Sequence[Adapter], prompts: Sequence[Sequence[str]],
    paths: Sequence[Path], seed: int,
) -> None:  # fmt: skip
    """Draw with each adapter, and keep the ways as files, each whole or not there."""
    with rounded(base):
        walks = walked(base, adapters, prompts, seed)
    for walk, path in zip(walks, paths, strict=True):
        partial = path.with_suffix(".part.npz")
        walk.save(partial)
        partial.rename(path)


def missed(base: Base, beside: Mapping[Module, Hook], places: Places, text: Text) -> Tensor:
    """How far a student is from what its teachers answered, at each place (n,), as errors of
    pictures are weighed."""
    device = base.device
    x, answers, t = (part.to(device) for part in (places.x, places.answers, places.t))
    with applied(base, beside):
        prediction = base.predict(x, t, text)
    return base.loss_weight(t) * (prediction - answers).square().flatten(1).mean(1)
