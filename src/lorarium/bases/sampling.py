"""Noise -> pictures, for every base: deterministic steps from level to level with guidance.

x' = alpha' x0 + sigma' n, where n is the noise that x0 leaves in x_t (DDIM; for flow matching it
is Euler's step).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from lorarium.adapter import Adapter, Module
from lorarium.bases.base import Base, Text, rows
from lorarium.bases.branches import Branch, applied
from lorarium.bases.stack import Rule, Stack
from lorarium.errors import LorariumError

STEPS = 20
Watch = Callable[[Tensor, Tensor, Tensor], None]


@torch.no_grad()
def sample(
    base: Base,
    prompts: Sequence[str],
    *,
    adapters: Sequence[tuple[Adapter, float]] = (),
    schedule: Sequence[Rule] = (),
    branches: Mapping[Module, Branch] | None = None,
    steps: int = STEPS,
    guidance: float | None = None,
    seed: int | Sequence[int] = 0,
    size: int | None = None,
    batch: int = 16,
    progress: Callable[[int], None] | None = None,
    watch: Watch | None = None,
) -> np.ndarray:
    """Pictures (n, s, s, 3) as uint8, one per prompt.

    The noise of a picture depends on its own seed only: `seed` is that of the first, or all of
    them. `branches` instead of `adapters` runs K adapters on K equal shares of the prompts (all
    in one batch) or one set of branches on all. `watch` is told at each step the noisy pictures,
    their times, and the clean ones that their prompts alone, without guidance, make of them.

    >>> sample(base, ["a cat in ink"] * 4, adapters=[(lora, 0.8)]).shape
    (4, 48, 48, 3)
    """
    if not 1 <= steps <= 1000:
        raise LorariumError(f"{steps} sampling steps", hint="use 1 to 1000")
    guidance = base.guidance if guidance is None else guidance
    if not 0 <= guidance <= 100:
        raise LorariumError(f"a guidance of {guidance} is out of range", hint="use 0 to 100")
    seeds = [seed + i for i in range(len(prompts))] if isinstance(seed, int) else list(seed)
    stack = Stack(base, adapters, schedule) if adapters else None
    beside = dict(branches or (stack.branches if stack else {}))
    if branches and any(b.down is not None and len(b.down) > 1 for b in branches.values()):
        batch = len(prompts)
    shape = base.noise_shape(size or base.size)
    batches = []
    with applied(base, beside):
        for start in range(0, len(prompts), batch):
            x = starting_noise(seeds[start : start + batch], shape).to(base.device)
            chunk = list(prompts[start : start + batch])
            latents = _denoise(base, x, chunk, stack, steps, guidance, progress, watch)
            batches.append(base.to_pictures(latents).float().cpu())
    pictures = torch.cat(batches).clamp(-1, 1).permute(0, 2, 3, 1)
    return ((pictures + 1) * 127.5).round().to(torch.uint8).numpy()


def starting_noise(seeds: Sequence[int], shape: tuple[int, ...]) -> Tensor:
    """Noise of each seed, the same on every device."""
    return torch.stack(
        [torch.randn(shape, generator=torch.Generator().manual_seed(s % 2**63)) for s in seeds]
    )


def _denoise(
    base: Base,
    x: Tensor,
    prompts: list[str],
    stack: Stack | None,
    steps: int,
    guidance: float,
    progress: Callable[[int], None] | None,
    watch: Watch | None,
) -> Tensor:
    twice = guidance != 1 and not base.distilled
    # a prompt and its empty twin stand side by side, so that shares of the batch stay whole
    lines = [words for p in prompts for words in (p, "")] if twice else prompts
    times = base.times(steps)
    x = x * base.alpha_sigma(torch.full((1,), times[0], device=x.device))[1]
    text: Text | None = None
    for i in range(steps):
        if stack is not None and (i == 0 or stack.schedule):
            stack.set(i / steps)
        if text is None or (stack is not None and stack.schedule):
            text = dict(base.encode(lines))
            if base.distilled:
                text["guidance"] = torch.full((len(lines),), guidance, device=x.device)
        now = torch.full((len(x),), times[i], device=x.device)
        then = torch.full((len(x),), times[i + 1], device=x.device)
        if twice:
            two = x.repeat_interleave(2, 0)
            clean = base.predict(two, now.repeat_interleave(2), text).unflatten(0, (-1, 2))
            worded = clean[:, 0]
            x0 = clean[:, 1] + guidance * (worded - clean[:, 1])
        else:
            x0 = worded = base.predict(x, now, text)
        if watch is not None:
            watch(x, now, worded)
        x = step(base, x, x0, now, then)
        if progress is not None:
            progress(i + 1)
    return x


def step(base: Base, x: Tensor, x0: Tensor, now: Tensor, then: Tensor) -> Tensor:
    """From one noise level to the next, along the noise that is left."""
    (a, s), (a2, s2) = base.alpha_sigma(now), base.alpha_sigma(then)
    noise = (x - rows(a, x) * x0) / rows(s, x)
    return rows(a2, x) * x0 + rows(s2, x) * noise
