"""How different two pictures look: distances of features, as LPIPS measures them
(Zhang et al. 2018, arXiv 1801.03924), with networks of the drawn world for eyes.

A base may learn from it: squared errors reward the mean of all pictures that are possible, which
no picture looks like.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorarium.encoders.store import shipped

EYES = ("judge_a", "clip_like")  # never a reporter


class Look(nn.Module):
    """Pictures (n, 3, 48, 48) in [-1, 1]; answers (n,), 0 for the same picture."""

    def __init__(self, eyes: tuple[str, ...] = EYES) -> None:
        super().__init__()
        nets = [shipped(name).net for name in eyes]
        self.trunks = nn.ModuleList([net.get_submodule("trunk") for net in nets])
        self.requires_grad_(False)

    def forward(self, made: Tensor, true: Tensor) -> Tensor:
        return torch.stack([_apart(trunk, made, true) for trunk in self.trunks]).mean(0)


def _apart(trunk: nn.Module, made: Tensor, true: Tensor) -> Tensor:
    with torch.no_grad():
        goal = [F.normalize(m, dim=1) for m in trunk(true)]
    got = [F.normalize(m, dim=1) for m in trunk(made)]
    apart = [(g - t).square().sum(1).mean((1, 2)) for g, t in zip(got, goal, strict=True)]
    return torch.stack(apart).mean(0)
