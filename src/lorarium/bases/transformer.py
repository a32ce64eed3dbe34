"""The network of micro-2: micro-1's blocks under the noise levels and the text of Stable Diffusion,
and convolutions that add the details.

It stands where a pipeline has its UNet: noisy pictures, numbered steps of noise, words -> clean
pictures.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorarium.bases.base import rows
from lorarium.bases.levels import alphas_bar
from lorarium.bases.micro import Denoiser, Shape

CELL, DEEP = 2, 2  # pixels a side that details are made of, and steps in which they are made


@dataclass(frozen=True, kw_only=True)
class TransformerConfig(Shape):
    width: int = 192
    layers: int = 8
    details: int = 48  # channels of what looks at single pixels; 0 is without

    def for_diffusers(self) -> dict[str, Any]:
        """With what a pipeline asks of its UNet."""
        return {
            "_class_name": "WordTransformer", **asdict(self), "sample_size": self.size,
            "in_channels": 3, "time_cond_proj_dim": None,
        }  # fmt: skip


class Transformer(Denoiser):
    """Inside it counts as a flow does, (1 - t) picture + t noise."""

    config: TransformerConfig

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        if config.details:
            self.detailer = Details(config)

    def forward(self, x: Tensor, step: Tensor, text: Tensor) -> Tensor:  # type: ignore[override]
        bar = alphas_bar().to(x)[step]
        alpha, sigma = bar.sqrt(), (1 - bar).sqrt()
        whole = alpha + sigma
        x = x / rows(whole, x)
        # by its class: diffusers' form of this network borrows the method
        patches = Denoiser.patches(self, x, sigma / whole, text)
        clean = Denoiser.put_together(self, patches)
        return clean + self.detailer(x, clean, patches) if self.config.details else clean


class Details(nn.Module):
    """Single strokes: what a word for a whole patch has no room for, from the noisy pixels, the
    picture so far and what the blocks say of each place. It begins by adding nothing."""

    def __init__(self, c: TransformerConfig) -> None:
        super().__init__()
        self.side = c.size // c.patch
        self.place = nn.Linear(c.width, c.details)
        self.first = nn.Conv2d(6 * CELL * CELL, c.details, 3, padding=1)
        self.deep = nn.ModuleList(
            [nn.Conv2d(c.details, c.details, 3, padding=1) for _ in range(2 * DEEP)]
        )
        self.last = nn.Conv2d(c.details, 3 * CELL * CELL, 3, padding=1)
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, clean: Tensor, patches: Tensor) -> Tensor:
        places = self.place(patches).transpose(1, 2).unflatten(2, (self.side, self.side))
        h = self.first(F.pixel_unshuffle(torch.cat([x, clean], 1), CELL))
        h = h + F.interpolate(places, h.shape[-1], mode="bilinear")
        for inner, outer in zip(self.deep[::2], self.deep[1::2], strict=True):
            h = h + outer(F.silu(inner(F.silu(h))))
        return F.pixel_shuffle(self.last(F.silu(h)), CELL)
