"""Small random bases: networks whose every part matters, made in a moment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from lorarium.adapter import Adapter, LowRank
from lorarium.bases.base import Base, modules
from lorarium.bases.clip_text import TextConfig, TextModel
from lorarium.bases.micro import Micro, MicroConfig
from lorarium.bases.micro2 import TOKENS, Micro2Base
from lorarium.bases.micro_base import MicroBase, save_micro
from lorarium.bases.transformer import Transformer, TransformerConfig
from lorarium.world.words import LONGEST, VOCABULARY

torch.set_num_threads(1)

TINY = TransformerConfig(size=24, width=32, layers=2, heads=2, text_width=32, details=8)
WHOLE = TransformerConfig()
FIRST = MicroConfig(
    words=len(VOCABULARY), size=24, width=32, layers=2, heads=2,
    text_width=32, text_layers=1, text_heads=2, tokens=LONGEST,
)  # fmt: skip
WHOLE_FIRST = MicroConfig(words=len(VOCABULARY), tokens=LONGEST)


def micro(config: TransformerConfig = TINY, seed: int = 0) -> Micro2Base:
    """micro-2 with random weights, none of them zero."""
    words = TextConfig(TOKENS) if config == WHOLE else TextConfig(TOKENS, 32, 64, 2, 2)
    unet, text = Transformer(config), TextModel(words)
    _stir([unet, text], seed)
    return Micro2Base(unet, text)


def first_micro(config: MicroConfig = FIRST, seed: int = 0) -> MicroBase:
    """micro-1 in the same way."""
    model = Micro(config)
    _stir([model], seed)
    return MicroBase(model.half().float())  # as its file holds it


def _stir(networks: Sequence[nn.Module], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in (p for network in networks for p in network.parameters()):
            fan = parameter[0].numel() if parameter.ndim > 1 else 100
            parameter.normal_(0, fan**-0.5, generator=generator)


def saved(path: Path) -> Path:
    """A base file of the whole size, so that LoRAs of it are of the family's shapes."""
    save_micro(first_micro(WHOLE_FIRST).model, path)
    return path


def random_adapter(base: Base, rank: int = 3, seed: int = 0, scale: float = 0.5) -> Adapter:
    """Noise in every module of both networks."""
    random = np.random.default_rng(seed)
    deltas = {}
    for module, shape in modules(base, "linear", tuple(base.networks)).items():
        up = random.normal(size=(shape[0], rank)).astype(np.float32) * 0.1
        down = random.normal(size=(rank, shape[1])).astype(np.float32) * 0.1
        deltas[module] = LowRank(up, down, scale=scale)
    return Adapter(deltas, base.family, {"lorarium.base_hash": base.hash}, dialect="diffusers")


def same_weights(a: nn.Module, b: nn.Module) -> bool:
    """Whether two networks hold equal numbers."""
    other = b.state_dict()
    return all(torch.equal(value, other[name]) for name, value in a.state_dict().items())
