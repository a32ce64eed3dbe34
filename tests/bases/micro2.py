"""A micro-2 with random weights, small enough for a test."""

from __future__ import annotations

import torch

from lorarium.bases.clip_text import TextConfig, TextModel
from lorarium.bases.micro2 import TOKENS, Micro2Base
from lorarium.bases.patch_codec import fit_codec
from lorarium.bases.unet import UNet, UNetConfig

SMALL = UNetConfig(
    in_channels=8, out_channels=8, block_out_channels=(32, 64), attention_head_dim=(2, 2),
    cross_attention_dim=32, norm_num_groups=8,
)  # fmt: skip


def random_base(seed: int = 0) -> Micro2Base:
    return _random(UNet(SMALL), TextModel(TextConfig(TOKENS, 32, 64, 2, 2)), seed)


def full_base(seed: int = 0) -> Micro2Base:
    """Of the size that ships: its adapters are known as micro-2's."""
    return _random(UNet(UNetConfig()), TextModel(TextConfig(TOKENS)), seed)


def _random(unet: UNet, text: TextModel, seed: int) -> Micro2Base:
    torch.manual_seed(seed)
    for p in [*unet.parameters(), *text.parameters()]:
        torch.nn.init.normal_(p, std=0.04)
    codec = fit_codec(torch.rand(32, 3, 48, 48) * 2 - 1, unet.config.in_channels)
    return Micro2Base(unet, text, codec)
