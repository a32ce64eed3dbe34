"""A second signal beside the denoising loss: whom judge A sees in what the base predicts.

The least squared error is a blur of everything that a picture might be, and an adapter that is held
to nothing else is fainter than its artist. Judge A may be asked in training; judge B reports.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lorarium.bases.base import Base, Text, mixed
from lorarium.bases.processor import bfloat16_pays
from lorarium.encoders.nets import SIZE
from lorarium.encoders.store import shipped

HEADS = ("style", "identity")


class PerceptualLoss:
    """Losses of predictions: the base's own, and `share` times how unlike the true picture they
    look to judge A, less where noise hides it."""

    def __init__(self, base: Base, share: float) -> None:
        self.base, self.share = base, share
        self.net = shipped("judge_a").net.to(base.device).eval().requires_grad_(False)

    def __call__(self, x: Tensor, text: Text, t: Tensor, noise: Tensor) -> Tensor:
        base = self.base
        prediction = base.predict(mixed(base, x, noise, t), t, text)
        loss = base.loss_weight(t) * (prediction - x).square().flatten(1).mean(1)
        if not self.share:
            return loss
        with torch.no_grad():
            truth = self._seen(x)
        unlike = sum(1 - (a * b).sum(1) for a, b in zip(self._seen(prediction), truth, strict=True))
        return loss + self.share * (1 - t) * unlike

    def _seen(self, latents: Tensor) -> list[Tensor]:
        pictures = self.base.to_pictures(latents).clamp(-1, 1)
        if pictures.shape[-1] != SIZE:
            pictures = F.interpolate(pictures, (SIZE, SIZE), mode="bilinear", antialias=True)
        half = bfloat16_pays(pictures.device)
        with torch.autocast(pictures.device.type, torch.bfloat16, enabled=half):
            heads = self.net(pictures)
        return [heads[head].float() for head in HEADS]
