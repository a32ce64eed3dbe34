"""Where the generator's basis starts: the directions in which artists pull the base's weights.

Of each module, U starts as the leading left directions of the weights' gradients for many artists
and individuals, A as the leading right ones (as LoRA-GA, Wang et al. 2024, arXiv 2407.05000, starts
one LoRA). A random basis would hold a small share of these gradients.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lorarium.adapter import Module
from lorarium.bases.base import Base
from lorarium.recipes.synth_data import Batch, Endless
from lorarium.recipes.synth_loss import Words, losses_with
from lorarium.synthesis.net import Generator

ROUNDS, SOURCES, TARGETS = 32, 2, 8


class _Probe:
    """Adds a zero to a layer's result, whose gradient is that of the result."""

    def __call__(self, layer: nn.Module, inputs: tuple[Tensor, ...], y: Tensor) -> Tensor:
        self.x = inputs[0].detach()
        self.zero = torch.zeros_like(y, requires_grad=True)
        return y + self.zero


def start_basis(base: Base, net: Generator, data: Endless, words: Words, seed: int) -> None:
    """Set U and A of a generator that has learned nothing."""
    addresses = [Module(part, path) for part, path, _, _ in net.config.modules]
    left: list[Tensor | float] = [0.0] * len(addresses)
    right: list[Tensor | float] = [0.0] * len(addresses)
    spread: list[Tensor | float] = [0.0] * len(addresses)
    random = torch.Generator().manual_seed(seed)
    for _ in range(ROUNDS):
        batch = data.batch(SOURCES, TARGETS)
        probes = _probed(base, addresses, batch, words, random)
        for i, address in enumerate(addresses):
            x, pull = probes[address]
            gradient = torch.einsum("kno,kni->koi", pull, x)
            gradient = gradient / gradient.flatten(1).norm(dim=1)[:, None, None].clamp(min=1e-12)
            left[i] = left[i] + torch.einsum("koi,kpi->op", gradient, gradient)
            right[i] = right[i] + torch.einsum("koi,koj->ij", gradient, gradient)
            spread[i] = spread[i] + torch.einsum("kni,knj->ij", x, x) / x.shape[:2].numel()
    with torch.no_grad():
        for i, (up, down) in enumerate(zip(net.up, net.down, strict=True)):
            up.copy_(_leading(left[i], up.shape[1]))
            rows = _leading(right[i], down.shape[0]).T
            # each row answers as strongly as a random one would
            usual = torch.trace(_tensor(spread[i])) / (3 * down.shape[1])
            response = torch.einsum("ri,ij,rj->r", rows, _tensor(spread[i]), rows)
            down.copy_(rows * (usual / response.clamp(min=1e-12)).sqrt()[:, None])


def _probed(
    base: Base, addresses: list[Module], batch: Batch, words: Words, random: torch.Generator
) -> dict[Module, tuple[Tensor, Tensor]]:
    """What enters each module and how the loss pulls at what leaves it, by source (k, n, ...)."""
    probes = {address: _Probe() for address in addresses}
    loss = losses_with(base, probes, batch, words, random).sum()
    pulls = torch.autograd.grad(loss, [probe.zero for probe in probes.values()])
    k = len(batch.kind)
    return {
        address: (
            probe.x.reshape(k, -1, probe.x.shape[-1]),
            pull.reshape(k, -1, pull.shape[-1]),
        )
        for (address, probe), pull in zip(probes.items(), pulls, strict=True)
    }


def _leading(gram: Tensor | float, count: int) -> Tensor:
    """Leading eigenvectors as columns."""
    return torch.linalg.eigh(_tensor(gram)).eigenvectors.flip(1)[:, :count]


def _tensor(value: Tensor | float) -> Tensor:
    assert isinstance(value, Tensor)
    return value
