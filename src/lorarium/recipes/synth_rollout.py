"""The third and fourth signals of the stage `synth`: how unlike its artist or individual judge A
finds what is drawn with a generated LoRA, and how far the drawings are from true ones as a set.

Who is told only that the individual is right may draw it with broken outlines, and an artist's hand
may draw shapeless things. The distance sees what the first question does not ask.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from lorarium.adapter import Module
from lorarium.bases.branches import Hook
from lorarium.recipes.perceptual import HEADS
from lorarium.recipes.rollout import LOOK, Rollout, wrong_kind
from lorarium.recipes.synth_data import Batch
from lorarium.recipes.synth_loss import Words

CONTENT = 0.05  # share of the class that the words ask for


def rollout_losses(
    rollout: Rollout, branches: Mapping[Module, Hook], batch: Batch, each: int, words: Words,
    random: torch.Generator,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Of `each` pictures drawn for the first prompts of each source, (b,) and (b,): how unlike its
    artist or individual they are in the mean, and how far apart from its true pictures."""
    device = rollout.base.device
    b, m = batch.targets.shape[:2]
    prompts = batch.first(each).prompts
    seen = rollout.drawn(branches, words(prompts), b * each, random)
    wrong = CONTENT * wrong_kind(seen, prompts).view(b, each).mean(1)
    with torch.no_grad():
        pictures = batch.targets.to(device).flatten(0, 1).permute(0, 3, 1, 2)
        truth = rollout.see(pictures.float() / 127.5 - 1)
    likes = []
    for head in HEADS:
        wanted = F.normalize(truth[head].view(b, m, -1).mean(1), dim=-1)
        likes.append((seen[head].view(b, each, -1) * wanted[:, None]).sum(-1).mean(1))
    unlike = wrong + 1 - torch.stack(likes, 1).gather(1, batch.kind.to(device)[:, None])[:, 0]
    far = sum(
        apart(seen[what].view(b, each, -1), truth[what].view(b, m, -1)) for what in (*HEADS, LOOK)
    )
    assert isinstance(far, Tensor)
    return unlike, far / (len(HEADS) + 1)


def apart(drawn: Tensor, true: Tensor) -> Tensor:
    """Energy distances of sets (b, n, f) and (b, m, f), relative to how far true ones lie from each
    other (Szekely and Rizzo 2013): unbiased from two of either on, and nobody gains by drawing the
    mean."""
    within = [_between(x, x).sum((1, 2)) / (x.shape[1] * (x.shape[1] - 1)) for x in (drawn, true)]
    across = _between(drawn, true).mean((1, 2))
    return (2 * across - within[0] - within[1]) / within[1].mean()


def _between(x: Tensor, y: Tensor) -> Tensor:
    """(b, n, m); 0 with a gradient of 0 where both are the same."""
    return ((x[:, :, None] - y[:, None]).square().sum(-1) + 1e-8).sqrt()
