"""The network of micro-2: micro-1's blocks under the noise levels and the text of Stable Diffusion.

It stands where a pipeline has its UNet: noisy pictures, numbered steps of noise, words -> clean
pictures.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from lorarium.bases.base import rows
from lorarium.bases.levels import alphas_bar
from lorarium.bases.micro import Denoiser, Shape


@dataclass(frozen=True, kw_only=True)
class TransformerConfig(Shape):
    width: int = 192
    layers: int = 8

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

    def forward(self, x: Tensor, step: Tensor, text: Tensor) -> Tensor:  # type: ignore[override]
        bar = alphas_bar().to(x)[step]
        alpha, sigma = bar.sqrt(), (1 - bar).sqrt()
        whole = alpha + sigma
        # by its class: diffusers' form of this network borrows the method
        return Denoiser.forward(self, x / rows(whole, x), sigma / whole, text)
