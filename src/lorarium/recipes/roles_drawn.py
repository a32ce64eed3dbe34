"""What judge A makes of pictures that merges draw: a signal of the stage `roles`, and its score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lorarium.bases.base import Base
from lorarium.bases.rounded import rounded
from lorarium.bases.sampling import sample
from lorarium.encoders.encode import as_input
from lorarium.evaluation.base_checks import reference_pictures
from lorarium.evaluation.judges import Judge
from lorarium.recipes.perceptual import HEADS
from lorarium.recipes.rollout import Rollout
from lorarium.recipes.synth_loss import Words
from lorarium.training.manifest import Entry
from lorarium.training.roles import RoleBank, RoleBatch, RoleNet

SOFT = 0.1  # a score so far above the threshold counts for most of a pass
AT_ONCE, STEPS = 8, 12


class PassLoss:
    """Minus the logarithm of a soft "passes as the subject, and as the style"."""

    def __init__(self, rollout: Rollout, judge: Judge, sides: Sequence[Sequence[Entry]]) -> None:
        self.rollout, self.sides = rollout, sides
        self.limits = judge.thresholds.subject, judge.thresholds.style
        size = rollout.base.size
        self.wanted = [
            torch.stack([self._mean(reference_pictures(entry, size), head) for entry in entries])
            for entries, head in zip(sides, reversed(HEADS), strict=True)
        ]

    @torch.no_grad()
    def _mean(self, pictures: np.ndarray, head: str) -> Tensor:
        return self.rollout.see(as_input(pictures).to(self.rollout.base.device))[head].mean(0)

    def __call__(
        self, net: RoleNet, sides: Sequence[RoleBatch], pairs: Sequence[tuple[int, int]], each: int,
        words: Words, random: torch.Generator,
    ) -> Tensor:  # fmt: skip
        """Of each pair."""
        prompts = [p for pair in pairs for p in [prompt_of(self.sides, pair)] * each]
        seen = self.rollout.drawn(net(sides), words(prompts), len(prompts), random)
        loss = torch.zeros(len(pairs), device=self.rollout.base.device)
        index = torch.tensor(pairs)
        for role, head in enumerate(reversed(HEADS)):
            wanted = self.wanted[role][index[:, role]]
            like = (seen[head].view(len(pairs), each, -1) * wanted[:, None]).sum(-1)
            loss = loss + F.softplus((self.limits[role] - like) / SOFT).mean(1)
        return loss


def prompt_of(sides: Sequence[Sequence[Entry]], pair: tuple[int, int]) -> str:
    a, b = sides[0][pair[0]], sides[1][pair[1]]
    return f"a {a.token} {a.of[0]} in {b.token}"


@torch.no_grad()
def both_rate(
    base: Base, sides: Sequence[Sequence[Entry]], read: Sequence[RoleBank], net: RoleNet,
    judge: Judge, pairs: int = 64, pictures: int = 4,
) -> float:  # fmt: skip
    """Share of pictures of fixed pairs in which both pass."""
    n, m = map(len, sides)
    order = np.random.default_rng(3).permutation(n * m)[:pairs]
    verdicts = []
    for k in range(0, len(order), AT_ONCE):
        batch = [(int(o) // m, int(o) % m) for o in order[k : k + AT_ONCE]]
        index = torch.tensor(batch)
        merged = net([side.take(index[:, r]) for r, side in enumerate(read)])
        prompts = [p for pair in batch for p in [prompt_of(sides, pair)] * pictures]
        with rounded(base):
            drawn = sample(base, prompts, branches=merged, steps=STEPS, seed=1000 * k)
        for pair, drawings in zip(
            batch, drawn.reshape(len(batch), pictures, *drawn.shape[1:]), strict=True
        ):
            entries = (side[i] for side, i in zip(sides, pair, strict=True))
            references = (reference_pictures(entry, base.size) for entry in entries)
            verdicts.append(judge.both_pass(drawings, *references))
    return round(float(np.mean(verdicts)), 4)
