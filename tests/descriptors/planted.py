"""Small adapters with planted content and initialisation, for the tests."""

from __future__ import annotations

import numpy as np

from lorarium.adapter import Adapter, LowRank, Module

PATHS = tuple(
    f"transformer_blocks.{i}.{name}"
    for i in (0, 2, 5)
    for name in ("attn1.to_q", "attn1.to_v", "attn2.to_k", "ff.net.2")
)


def planted(
    style: int,
    draw: int,
    *,
    init: int | None = None,
    r: int = 4,
    content: float = 1.5,
    moved: float = 0.1,
) -> Adapter:
    """B holds a direction or two of its style and noise, A starts at `init` and hardly moves."""
    deltas = {}
    for number, path in enumerate(PATHS):
        random = np.random.default_rng([style, draw, number, 1])
        shared = np.random.default_rng([style, number, 2]).standard_normal((168, 2))
        seed = [draw, style, number, 3] if init is None else [init, number, 4]
        A = np.random.default_rng(seed).standard_normal((r, 168))
        B = content * shared @ random.standard_normal((2, r)) + random.standard_normal((168, r))
        A = A + moved * random.standard_normal(A.shape)
        deltas[Module("denoiser", path)] = LowRank(B.astype("f4"), A.astype("f4"))
    return Adapter(deltas, "micro-1", {"lorarium.base": "micro-1"})


def zoo(styles: int, draws: int, **options) -> tuple[list[Adapter], list[int]]:
    adapters = [planted(s, d, **options) for s in range(styles) for d in range(draws)]
    return adapters, [s for s in range(styles) for _ in range(draws)]
