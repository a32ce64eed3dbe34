"""The third signal of the stage `synth`: how unlike its artist or individual judge A finds what is
drawn with a generated LoRA."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from lorarium.adapter import Module
from lorarium.models.branches import Hook
from lorarium.recipes.judged import HEADS
from lorarium.recipes.rollout import Rollout, wrong_kind
from lorarium.recipes.synth_data import Batch
from lorarium.recipes.synth_loss import Words

CONTENT = 0.05  # share of the class that the words ask for


def unlike(
    rollout: Rollout, beside: Mapping[Module, Hook], batch: Batch, each: int, words: Words,
    random: torch.Generator,
) -> Tensor:  # fmt: skip
    """The mean of `each` pictures drawn for the first prompts of each source, (b,)."""
    device = rollout.base.device
    b, m = batch.targets.shape[:2]
    prompts = batch.first(each).prompts
    seen = rollout.drawn(beside, words(prompts), b * each, random)
    wrong = CONTENT * wrong_kind(seen, prompts).view(b, each).mean(1)
    with torch.no_grad():
        pictures = batch.targets.to(device).flatten(0, 1).permute(0, 3, 1, 2)
        truth = rollout.see(pictures.float() / 127.5 - 1)
    likes = []
    for head in HEADS:
        wanted = F.normalize(truth[head].view(b, m, -1).mean(1), dim=-1)
        likes.append((seen[head].view(b, each, -1) * wanted[:, None]).sum(-1).mean(1))
    return wrong + 1 - torch.stack(likes, 1).gather(1, batch.kind.to(device)[:, None])[:, 0]
