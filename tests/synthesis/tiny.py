"""A generator with random weights for a tiny base, and something that it has seen."""

from __future__ import annotations

import numpy as np
import torch

from lorarium.bases.base import Base
from lorarium.synthesis import novelty
from lorarium.synthesis.make import EDIT
from lorarium.synthesis.net import KINDS, Generator, SynthConfig
from lorarium.synthesis.store import Card, Synth
from lorarium.synthesis.wishes import LAST
from lorarium.world.mark import world_mark
from tests.bases.tiny import micro


def generator(base: Base, seed: int = 0, **numbers: int) -> Generator:
    torch.manual_seed(seed)
    net = Generator(SynthConfig.of(base, **({"rank": 3, "basis": 6, "width": 32} | numbers)))
    with torch.no_grad():
        net.mix.normal_(0, 0.1)
        for bias in (net.readers[0].among.down, net.whole):
            bias.weight.normal_(0, 0.3)
    return net.eval().requires_grad_(False)


def synth(base: Base | None = None, seed: int = 0) -> Synth:
    base = base or micro()
    net = generator(base, seed)
    random = torch.Generator().manual_seed(seed)
    extras = {}
    for kind in KINDS:
        train, known = (torch.randn(n, 3, 48, 48, generator=random).tanh() for n in (60, 20))
        extras |= novelty.measure(net.eyes(train), net.eyes(known), kind)
        shape = net.queries.shape[1:]
        extras[f"{EDIT}{kind}.bright"] = torch.randn(shape, generator=random)
    card: Card = {
        "base_hash": base.hash,
        "world": world_mark(),
        "agreement": dict.fromkeys(KINDS, 0.999),
        LAST: {"seed": [seed, 0], "subjects": 0.35, "count": 40},
    }
    return Synth(net, extras, card, "abc")


def pictures(count: int, seed: int = 0, size: int = 24) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)
