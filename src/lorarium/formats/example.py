"""A LoRA made up from a seed: all attentions of a real model, random factors, for tests."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping

import numpy as np

from lorarium.adapter import Adapter, Delta, LowRank, Module
from lorarium.formats.families import FAMILIES

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")


def example(
    *,
    family: str = "sd1",
    rank: int = 4,
    seed: int = 0,
    strong: str = "up_blocks",
    norm: float = 4.0,
    dtype: type = np.float16,
    metadata: Mapping[str, str] | None = None,
) -> Adapter:
    """An adapter of about that norm whose energy lies mostly in blocks that begin with `strong`."""
    table = FAMILIES[family].parts["denoiser"]
    chosen = [path for path in table.shapes if path.endswith(ATTENTION)]
    strengths = [3.0 if path.startswith(strong) else 1.0 for path in chosen]
    unit = norm / math.sqrt(sum(x * x for x in strengths))
    deltas: dict[Module, Delta] = {}
    for path, share in zip(chosen, strengths, strict=True):
        out, into = table.shapes[path]
        rng = np.random.default_rng((seed, zlib.crc32(path.encode())))
        strength = 0.6 ** np.arange(rank)  # singular values fall off as in trained adapters
        strength *= unit * share / np.linalg.norm(strength)
        up = rng.normal(size=(out, rank)) * np.sqrt(strength / out)
        down = rng.normal(size=(rank, into)) * np.sqrt(strength / into)[:, None]
        deltas[Module("denoiser", path)] = LowRank(up.astype(dtype), down.astype(dtype))
    return Adapter(deltas, family, metadata or {}, {}, "kohya")
