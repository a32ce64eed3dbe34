"""The base's own denoising loss on pictures that the generator has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lorarium.adapter import Module
from lorarium.bases.base import Base, Text, joined, losses, take
from lorarium.bases.branches import Hook, applied
from lorarium.recipes.synth_data import Batch
from lorarium.synthesis.net import Generator, branches


class Words:
    """Prompts as text of a frozen base, each encoded once."""

    def __init__(self, base: Base) -> None:
        self.base = base
        self.row: dict[str, int] = {}
        self.text: Text | None = None

    @torch.no_grad()
    def __call__(self, prompts: Sequence[str]) -> Text:
        new = [p for p in dict.fromkeys(prompts) if p not in self.row]
        if new:
            self.row |= {p: len(self.row) + i for i, p in enumerate(new)}
            more = self.base.encode(new)
            self.text = more if self.text is None else joined([self.text, more])
        assert self.text is not None
        index = torch.tensor([self.row[p] for p in prompts], device=self.base.device)
        return take(self.text, index)


def batch_losses(
    base: Base, net: Generator, batch: Batch, words: Words, random: torch.Generator
) -> Tensor:
    """The loss with the generated LoRAs, of each target (b, m)."""
    return losses_with(base, generated_branches(base, net, batch), batch, words, random)


def generated_branches(base: Base, net: Generator, batch: Batch) -> Mapping[Module, Hook]:
    """The LoRAs generated for a batch's sources."""
    return branches(net.config, net(batch.seen.to(base.device), batch.kind.to(base.device)))


def losses_with(
    base: Base, branches: Mapping[Module, Hook], batch: Batch, words: Words,
    random: torch.Generator,
) -> Tensor:  # fmt: skip
    """The same with any LoRAs, one for each share of the targets, or none."""
    device = base.device
    pictures = batch.targets.to(device).flatten(0, 1).permute(0, 3, 1, 2)
    with torch.no_grad():
        x = base.to_latent(pictures.float() / 127.5 - 1)
    b, m = batch.targets.shape[:2]
    # one time from each of m strata, so that every LoRA is tried at all noise levels
    share = (torch.arange(m) + torch.rand(b, m, generator=random)) / m
    t = base.sample_time(share.clamp(1e-4, 1 - 1e-4).flatten().to(device))
    noise = torch.randn(x.shape, generator=random).to(device)
    with applied(base, branches):
        return losses(base, x, words(batch.prompts), t, noise).view(b, m)
