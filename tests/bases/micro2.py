"""A micro-2 with random weights, small enough for a test."""

from __future__ import annotations

import torch

from lorarium.bases.clip_text import TextConfig, TextModel
from lorarium.bases.micro2 import TOKENS, Micro2Base
from lorarium.bases.transformer import Transformer, TransformerConfig

SMALL = TransformerConfig(width=32, layers=2, heads=2, text_width=32, details=8)


def random_base(seed: int = 0) -> Micro2Base:
    return _random(Transformer(SMALL), TextModel(TextConfig(TOKENS, 32, 64, 2, 2)), seed)


def full_base(seed: int = 0) -> Micro2Base:
    """Of the size that ships: its adapters are known as micro-2's."""
    return _random(Transformer(TransformerConfig()), TextModel(TextConfig(TOKENS)), seed)


def _random(unet: Transformer, text: TextModel, seed: int) -> Micro2Base:
    torch.manual_seed(seed)
    for p in [*unet.parameters(), *text.parameters()]:
        torch.nn.init.normal_(p, std=0.04)
    return Micro2Base(unet, text)
