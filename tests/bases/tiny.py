"""Small random bases: networks whose every part matters, made in a moment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from lorarium.adapter import Adapter, LowRank
from lorarium.bases.base import Base, modules
from lorarium.bases.micro import Micro, MicroConfig
from lorarium.bases.micro_base import MicroBase, save_micro
from lorarium.world.words import LONGEST, VOCABULARY

torch.set_num_threads(1)

TINY = MicroConfig(
    words=len(VOCABULARY), size=24, width=32, layers=2, heads=2,
    text_width=32, text_layers=1, text_heads=2, tokens=LONGEST,
)  # fmt: skip
WHOLE = MicroConfig(words=len(VOCABULARY), tokens=LONGEST)


def micro(config: MicroConfig = TINY, seed: int = 0) -> MicroBase:
    """Random weights, none of them zero."""
    generator = torch.Generator().manual_seed(seed)
    model = Micro(config)
    with torch.no_grad():
        for parameter in model.parameters():
            fan = parameter.shape[-1] if parameter.ndim > 1 else 100
            parameter.normal_(0, fan**-0.5, generator=generator)
    return MicroBase(model.half().float())  # as its file holds it


def saved(path: Path) -> Path:
    """A base file of the whole size, so that LoRAs of it are of the family's shapes."""
    save_micro(micro(WHOLE).model, path)
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
