"""The adversarial audit of judges: an adapter that learns nothing but to please one of them.

What a network may be asked while something learns has holes, and a few hundred steps find them. An
adapter is optimised against a *trainer* until that one says yes; a *reporter* is worth its name
when it says yes to such pictures no more often than whoever looks at them.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorarium.adapter import Adapter
from lorarium.bases.base import Base
from lorarium.bases.branches import applied
from lorarium.bases.sampling import step
from lorarium.encoders.encode import as_input
from lorarium.encoders.nets import SIZE
from lorarium.evaluation.synth.targets import Target
from lorarium.training.fit import Fit
from lorarium.training.recipe import Job, Recipe
from lorarium.world.splits import SEEN_CLASSES

STEPS = 300
AT_ONCE = 2  # pictures of a step
DRAWN_IN = 3  # steps of sampling, through which the pull goes back
RATES = {"style": 1e-2, "subject": 5e-3}  # as ordinary trainings have them
HEADS = {"style": "style", "subject": "identity"}
KIND = 0.2  # share of the class that the prompt names: a picture of nothing is no attack


class Attack(Fit):
    """A training whose loss is what a judge's network does not yet see."""

    def __init__(self, base: Base, net: nn.Module, target: Target, steps: int, seed: int) -> None:
        recipe = Recipe(steps=steps, batch=AT_ONCE, lr=RATES[target.kind])
        super().__init__(base, [Job(target.pictures, target.prompts, recipe, seed)])
        self.net, self.target = net.to(base.device).eval().requires_grad_(False), target
        self.head = HEADS[target.kind]
        self.random = torch.Generator().manual_seed(seed)
        # the pictures that the adapter is made from, never those that a judge compares with
        with torch.no_grad():
            known = self.net(as_input(target.pictures).to(base.device))[self.head]
        self.toward = F.normalize(known.mean(0), dim=0)
        self.words = base.encode(list(target.cells))

    def _losses(self) -> Tensor:
        base, target = self.base, self.target
        rows = torch.randint(len(target.cells), (AT_ONCE,), generator=self.random)
        text = {k: v[rows] for k, v in self.words.items()}
        noise = torch.randn(AT_ONCE, *base.noise_shape(base.size), generator=self.random)
        times = base.times(DRAWN_IN)
        x = noise.to(base.device)
        x = x * base.alpha_sigma(torch.full((1,), times[0], device=x.device))[1]
        with applied(base, self.branches()):
            for now, then in pairwise(times):
                t, next_t = (torch.full((AT_ONCE,), v, device=x.device) for v in (now, then))
                x = step(base, x, base.predict(x, t, text), t, next_t)
        pictures = base.to_pictures(x).clamp(-1, 1)
        if pictures.shape[-1] != SIZE:
            pictures = F.interpolate(pictures, (SIZE, SIZE), mode="bilinear", antialias=True)
        seen = self.net(pictures)
        kinds = [_kind(target.cells[i]) for i in rows.tolist()]
        wrong = F.cross_entropy(seen["kind"], torch.tensor(kinds, device=base.device))
        return (1 - seen[self.head] @ self.toward + KIND * wrong).mean()[None]


def _kind(prompt: str) -> int:
    return next(SEEN_CLASSES.index(w) for w in prompt.split() if w in SEEN_CLASSES)


def attacked(
    base: Base, net: nn.Module, target: Target, *, steps: int = STEPS, seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> Adapter:  # fmt: skip
    """An adapter that pleases `net` as far as so many steps bring it."""
    run, recent = Attack(base, net, target, steps, seed), []
    while run.done < steps:
        recent.append(float(run.step()))
        if run.done % 50 == 0:
            say(f"{target.name}: {run.done} steps, loss {np.mean(recent[-50:]):.3f}")
    return run.adapters()[0]
