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
from lorarium.evaluation.judges import Judge
from lorarium.evaluation.merge.cells import shown
from lorarium.recipes.judged import HEADS
from lorarium.recipes.rollout import Rollout
from lorarium.recipes.synth_loss import Words
from lorarium.training.manifest import Entry
from lorarium.training.roles import RoleBank, RoleBatch, RoleNet

SOFT = 0.1  # a score so far above the threshold counts for most of a pass
AT_ONCE, STEPS = 8, 12


class Both:
    """Minus the logarithm of a soft "passes as the subject, and as the style"."""

    def __init__(self, rollout: Rollout, judge: Judge, sides: Sequence[Sequence[Entry]]) -> None:
        self.rollout, self.sides = rollout, sides
        self.limits = judge.thresholds.subject, judge.thresholds.style
        size = rollout.base.size
        self.wanted = [
            torch.stack([self._mean(shown(entry, size), head) for entry in entries])
            for entries, head in zip(sides, reversed(HEADS), strict=True)
        ]

    @torch.no_grad()
    def _mean(self, pictures: np.ndarray, head: str) -> Tensor:
        return self.rollout.see(as_input(pictures).to(self.rollout.base.device))[head].mean(0)

    def __call__(
        self, net: RoleNet, sides: Sequence[RoleBatch], who: Sequence[tuple[int, int]], each: int,
        words: Words, random: torch.Generator,
    ) -> Tensor:  # fmt: skip
        """Of each pair."""
        prompts = [p for pair in who for p in [prompt_of(self.sides, pair)] * each]
        seen = self.rollout.drawn(net(sides), words(prompts), len(prompts), random)
        found = torch.zeros(len(who), device=self.rollout.base.device)
        index = torch.tensor(who)
        for role, head in enumerate(reversed(HEADS)):
            wanted = self.wanted[role][index[:, role]]
            like = (seen[head].view(len(who), each, -1) * wanted[:, None]).sum(-1)
            found = found + F.softplus((self.limits[role] - like) / SOFT).mean(1)
        return found


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
    passed = []
    for k in range(0, len(order), AT_ONCE):
        who = [(int(o) // m, int(o) % m) for o in order[k : k + AT_ONCE]]
        index = torch.tensor(who)
        merged = net([side.take(index[:, r]) for r, side in enumerate(read)])
        prompts = [p for pair in who for p in [prompt_of(sides, pair)] * pictures]
        with rounded(base):
            drawn = sample(base, prompts, branches=merged, steps=STEPS, seed=1000 * k)
        for (i, j), own in zip(
            who, drawn.reshape(len(who), pictures, *drawn.shape[1:]), strict=True
        ):
            passed.append(
                judge.both_pass(own, shown(sides[0][i], base.size), shown(sides[1][j], base.size))
            )
    return round(float(np.mean(passed)), 4)
