"""The linear codec of micro-2 as diffusers wants an autoencoder: found by its folder's index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor

from lorarium.bases.patch_codec import PatchCodec


@dataclass
class _Decoded:
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


class LinearCodec(ModelMixin, ConfigMixin):
    @register_to_config
    def __init__(
        self, latent_channels: int = 24, block_out_channels: tuple[int, ...] = (1, 1, 1),
        scaling_factor: float = 1.0,
    ) -> None:  # fmt: skip
        super().__init__()
        codec = PatchCodec(latent_channels)
        for name, buffer in codec.named_buffers():
            self.register_parameter(name, torch.nn.Parameter(buffer, requires_grad=False))

    def encode(self, x: Tensor) -> _Encoded:
        return _Encoded(_Latents(PatchCodec.encode(self, x)))  # type: ignore[arg-type]

    def decode(self, z: Tensor, return_dict: bool = True, **_: Any) -> Any:
        pictures = PatchCodec.decode(self, z)  # type: ignore[arg-type]
        return _Decoded(pictures) if return_dict else (pictures,)
