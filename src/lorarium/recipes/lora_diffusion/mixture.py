"""PCLora: learned coefficients over frozen adapters, by the denoising loss on the pictures.

Factors are mixed, not products (A = Σ c_i A_i, B = Σ c_i B_i), one set of coefficients for all
modules, all starting at 1/N, as in the authors' code.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lorarium.adapter import Adapter, Delta, LowRank, Module
from lorarium.bases.base import Base, losses, take
from lorarium.bases.branches import Branch, applied

STEPS, WARMUP, RATE, BATCH = 200, 50, 1e-2, 4


def mixture(
    base: Base, adapters: Sequence[Adapter], pictures: np.ndarray, prompts: Sequence[str], *,
    steps: int = STEPS, seed: int = 0,
) -> tuple[Adapter, np.ndarray]:  # fmt: skip
    """The mixed adapter and its coefficients (N,)."""
    device = base.device
    stacks = {module: _stacked(adapters, module, device) for module in adapters[0]}
    weights = torch.full((len(adapters),), 1 / len(adapters), device=device, requires_grad=True)
    optimizer = torch.optim.AdamW([weights], RATE, weight_decay=0.0)
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        x = base.to_latent(torch.from_numpy(pictures).permute(0, 3, 1, 2).to(device) / 127.5 - 1)
        text = base.encode(list(prompts))
    for step in range(steps):
        heat = min(1.0, (step + 1) / WARMUP) * (1 - step / steps)
        for group in optimizer.param_groups:
            group["lr"] = RATE * heat
        rows = torch.randint(len(x), (BATCH,), generator=random)
        share = (torch.arange(BATCH) + torch.rand(BATCH, generator=random)) / BATCH
        t = base.sample_time(share.clamp(1e-4, 1 - 1e-4).to(device))
        noise = torch.randn(x[rows].shape, generator=random).to(device)
        with applied(base, {m: _mixed(*s, weights) for m, s in stacks.items()}):
            value = losses(base, x[rows], take(text, rows.to(device)), t, noise).mean()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    deltas: dict[Module, Delta] = {}
    with torch.no_grad():
        for module, stack in stacks.items():
            branch = _mixed(*stack, weights)
            assert branch.down is not None and branch.up is not None
            deltas[module] = LowRank(branch.up[0].cpu().numpy(), branch.down[0].cpu().numpy())
    about = {k: v for k, v in adapters[0].metadata.items() if k == "lorarium.base_hash"}
    made = Adapter(deltas, base.family, about, dialect="diffusers")
    return made, weights.detach().cpu().numpy()


def _stacked(
    adapters: Sequence[Adapter], module: Module, device: torch.device
) -> tuple[Tensor, Tensor]:
    downs, ups = [], []
    for adapter in adapters:
        delta = adapter[module]
        assert isinstance(delta, LowRank)
        downs.append(torch.from_numpy(delta.down.astype(np.float32)))
        ups.append(torch.from_numpy(delta.up.astype(np.float32)) * delta.scale)
    return torch.stack(downs).to(device), torch.stack(ups).to(device)


def _mixed(down: Tensor, up: Tensor, weights: Tensor) -> Branch:
    return Branch(
        torch.einsum("n,nri->ri", weights, down)[None], torch.einsum("n,nor->or", weights, up)[None]
    )
