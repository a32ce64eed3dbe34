"""What of micro-2 diffusers does not have, as it wants it: found by the folder's index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.loaders import PeftAdapterMixin
from torch import Tensor

from lorarium.bases.transformer import Transformer, TransformerConfig


@dataclass
class _Sample:
    sample: Tensor


class _Latents:
    """A distribution without spread."""

    def __init__(self, latents: Tensor) -> None:
        self._latents = latents

    def sample(self, generator: Any = None) -> Tensor:
        return self._latents

    def mode(self) -> Tensor:
        return self._latents


@dataclass
class _Encoded:
    latent_dist: _Latents


class Pixels(ModelMixin, ConfigMixin):
    """In the place of an autoencoder: latents are pictures."""

    @register_to_config
    def __init__(
        self, latent_channels: int = 3, block_out_channels: tuple[int, ...] = (1,),
        scaling_factor: float = 1.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.one = torch.nn.Parameter(torch.ones(()), requires_grad=False)  # says type and device

    def encode(self, x: Tensor) -> _Encoded:
        return _Encoded(_Latents(x))

    def decode(self, z: Tensor, return_dict: bool = True, **_: Any) -> Any:
        return _Sample(z) if return_dict else (z,)


class WordTransformer(ModelMixin, ConfigMixin, PeftAdapterMixin):
    @register_to_config
    def __init__(
        self, size: int = 48, patch: int = 6, overlap: int = 2, width: int = 192,
        layers: int = 8, heads: int = 6, text_width: int = 128, sample_size: int = 48,
        in_channels: int = 3, time_cond_proj_dim: int | None = None, details: int = 48,
    ) -> None:  # fmt: skip
        super().__init__()
        shape = TransformerConfig(
            size=size, patch=patch, overlap=overlap, width=width, layers=layers, heads=heads,
            text_width=text_width, details=details,
        )  # fmt: skip
        ours = Transformer(shape)
        for name, part in ours.named_children():
            self.add_module(name, part)
        for name, parameter in ours.named_parameters(recurse=False):
            self.register_parameter(name, parameter)

    def forward(
        self, sample: Tensor, timestep: Tensor, encoder_hidden_states: Tensor,
        return_dict: bool = True, **_: Any,
    ) -> Any:  # fmt: skip
        steps = timestep.expand(len(sample))
        clean = Transformer.forward(self, sample, steps, encoder_hidden_states)  # type: ignore[arg-type]
        return _Sample(clean) if return_dict else (clean,)
