"""What layers see while an adapter draws: second moments of their inputs, through given rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorarium.adapter import Adapter, Array, Module
from lorarium.bases.base import Base, rows
from lorarium.bases.branches import applied, layer_of
from lorarium.bases.sampling import starting_noise, step
from lorarium.bases.stack import Stack, tensor


@torch.no_grad()
def moments(
    base: Base,
    adapter: Adapter,
    prompts: Sequence[str],
    through: Mapping[Module, Array],
    *,
    steps: int = 1,
    seed: int = 0,
    size: int | None = None,
) -> dict[Module, tuple[Array, int]]:
    """Σ z zᵀ (r, r) and the number of tokens, z = A x for the inputs x of each module.

    `through` gives A (r, in, ...) by module; the adapter draws its prompts for some sampling steps
    from noise of the seed.
    """
    sums = {m: torch.zeros(len(A), len(A), dtype=torch.float64) for m, A in through.items()}
    counts = dict.fromkeys(through, 0)
    handles = []
    for module, A in through.items():
        layer = layer_of(base, module)
        shape = layer.weight.shape[1:]  # type: ignore[union-attr, index]
        through_A = tensor(A, base).reshape(-1, *shape)  # type: ignore[misc]

        def look(
            layer: nn.Module, inputs: tuple[Tensor, ...], _: Tensor, A: Tensor = through_A,
            module: Module = module,
        ) -> None:  # fmt: skip
            z = _tokens(layer, inputs[0].to(A.dtype), A)
            sums[module] += (z.T @ z).double().cpu()
            counts[module] += len(z)

        handles.append(layer.register_forward_hook(look))
    try:
        with applied(base, Stack(base, [(adapter, 1.0)]).branches):
            _draw(base, prompts, steps, seed, size or base.size)
    finally:
        for handle in handles:
            handle.remove()
    return {module: (np.asarray(sums[module].numpy()), counts[module]) for module in through}


def _tokens(layer: nn.Module, x: Tensor, A: Tensor) -> Tensor:
    """(tokens, r): A x at every place."""
    if isinstance(layer, nn.Conv2d):
        z = F.conv2d(x, A, None, layer.stride, layer.padding, layer.dilation)  # type: ignore[arg-type]
        return z.movedim(1, -1).reshape(-1, len(A))
    return F.linear(x, A).reshape(-1, len(A))


def _draw(base: Base, prompts: Sequence[str], steps: int, seed: int, size: int) -> None:
    """Sampling without guidance, so that every row is of a prompt."""
    text = dict(base.encode(prompts))
    if base.distilled:
        text["guidance"] = torch.full((len(prompts),), base.guidance, device=base.device)
    shape = base.noise_shape(size)
    x = starting_noise([seed + i for i in range(len(prompts))], shape).to(base.device)
    # not the scheduler's own times: some begin a short run with hardly any noise
    times = [torch.full((len(x),), 1 - i / steps, device=x.device) for i in range(steps + 1)]
    x = x * rows(base.alpha_sigma(times[0])[1], x)
    for now, then in pairwise(times):
        x = step(base, x, base.predict(x, now, text), now, then)
