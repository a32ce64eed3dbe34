"""Noise levels by number, as Stable Diffusion counts them: diffusers' `squaredcos_cap_v2`."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from lorarium.bases.base import rows

STEPS = 1000


@lru_cache(1)
def alphas_bar() -> Tensor:
    """Share of the picture's energy at every step."""

    def bar(t: float) -> float:
        return math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2

    betas = [min(1 - bar((i + 1) / STEPS) / bar(i / STEPS), 0.999) for i in range(STEPS)]
    return torch.cumprod(1 - torch.tensor(betas), 0)


def noisy(x: Tensor, step: Tensor, noise: Tensor) -> Tensor:
    """Latents at numbered steps of noise."""
    bar = rows(alphas_bar().to(x)[step], x)
    return bar.sqrt() * x + (1 - bar).sqrt() * noise
