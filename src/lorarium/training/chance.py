"""Random numbers as a function of (seed, step, place): the same in any batch, on any device, and
after any interruption. A 32-bit mixing hash (Wellons' triple32) and Box-Muller.
"""

from __future__ import annotations

import math
from math import prod

import torch
from torch import Tensor

MASK = 0xFFFFFFFF
# streams of one seed that must not meet
START, NOISE, PRIOR = 1, 2, 3


def uniform(seeds: Tensor, stream: int, step: int, shape: tuple[int, ...]) -> Tensor:
    """Numbers in (0, 1), (k, *shape), for k seeds (int64)."""
    return (_bits(seeds, stream, step, prod(shape)) + 0.5).div(2**32).float().view(-1, *shape)


def normal(seeds: Tensor, stream: int, step: int, shape: tuple[int, ...]) -> Tensor:
    """Standard normal numbers, (k, *shape)."""
    half = (prod(shape) + 1) // 2
    share = (_bits(seeds, stream, step, 2 * half).float() + 0.5) / 2**32
    radius = (-2 * share[:, :half].log()).sqrt()
    angle = 2 * math.pi * share[:, half:]
    waves = torch.cat([radius * angle.cos(), radius * angle.sin()], 1)
    return waves[:, : prod(shape)].view(-1, *shape)


def _bits(seeds: Tensor, stream: int, step: int, count: int) -> Tensor:
    """(k, count) whole numbers below 2**32."""
    key = _mix(_mix(_mix(seeds & MASK) ^ stream) ^ (step & MASK))
    place = torch.arange(count, device=seeds.device)
    return _mix(_mix(place)[None] ^ key[:, None])


def _mix(x: Tensor) -> Tensor:
    x = x ^ (x >> 17)
    x = (x * 0xED5AD4BB) & MASK
    x = x ^ (x >> 11)
    x = (x * 0xAC4C1B51) & MASK
    x = x ^ (x >> 15)
    x = (x * 0x31848BAB) & MASK
    return x ^ (x >> 14)
