"""Whole pictures, drawn from noise in a few steps with the pull going back through all of them.

A single prediction is a mean of what may be. Who is right about those means still draws fainter
than the artist, as the errors of many small steps add up; here judge A sees the sum of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorarium.adapter import Module
from lorarium.bases.base import Base, Text
from lorarium.bases.branches import Hook, applied
from lorarium.bases.processor import bfloat16_pays
from lorarium.bases.sampling import step
from lorarium.encoders.nets import SIZE, ConvTrunk
from lorarium.encoders.store import shipped
from lorarium.world.splits import SEEN_CLASSES

MIN_STEPS, MAX_STEPS = 3, 5  # steps of drawing
LOOK = "look"  # texture as the CLIP-like encoder sees it, which knows no artists


class Rollout:
    """Draws with what runs beside a base, and asks judge A."""

    def __init__(self, base: Base) -> None:
        self.base = base
        self.net, self.other = (
            shipped(name).net.to(base.device).eval().requires_grad_(False)
            for name in ("judge_a", "clip_like")
        )

    def drawn(
        self, beside: Mapping[Module, Hook], text: Text, count: int, random: torch.Generator
    ) -> Mapping[str, Tensor]:
        """What judge A sees in `count` pictures, without guidance, in a random number of steps."""
        base = self.base
        times = base.times(int(torch.randint(MIN_STEPS, MAX_STEPS + 1, (), generator=random)))
        noise = torch.randn((count, *base.noise_shape(base.size)), generator=random)
        x = noise.to(base.device)
        x = x * base.alpha_sigma(torch.full((1,), times[0], device=x.device))[1]
        with applied(base, beside):
            for now, then in pairwise(times):
                t, next_t = (torch.full((count,), v, device=x.device) for v in (now, then))
                x = step(base, x, base.predict(x, t, text), t, next_t)
        return self.see(base.to_pictures(x).clamp(-1, 1))

    def see(self, pictures: Tensor) -> Mapping[str, Tensor]:
        """Of pictures (n, 3, s, s) in [-1, 1]."""
        if pictures.shape[-1] != SIZE:
            pictures = F.interpolate(pictures, (SIZE, SIZE), mode="bilinear", antialias=True)
        half = bfloat16_pays(pictures.device)
        with torch.autocast(pictures.device.type, torch.bfloat16, enabled=half):
            vectors: dict[str, Tensor] = dict(self.net(pictures))
            vectors[LOOK] = _look(self.other, pictures)
        return {head: vector.float() for head, vector in vectors.items()}


def _look(net: nn.Module, pictures: Tensor) -> Tensor:
    """Mean and spread of every channel of the finer maps."""
    trunk = net.trunk
    assert isinstance(trunk, ConvTrunk)
    maps = [m.float().flatten(2) for m in trunk(pictures)[:2]]
    return torch.cat([m.mean(2) for m in maps] + [(m.var(2) + 1e-4).sqrt() for m in maps], 1)


def wrong_kind(seen: Mapping[str, Tensor], prompts: Sequence[str]) -> Tensor:
    """How far each picture is from showing the class that its prompt names, (n,)."""
    kinds = [next(SEEN_CLASSES.index(w) for w in p.split() if w in SEEN_CLASSES) for p in prompts]
    asked = torch.tensor(kinds, device=seen["kind"].device)
    return F.cross_entropy(seen["kind"], asked, reduction="none")
