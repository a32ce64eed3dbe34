"""A frozen base whose linears run in bfloat16: for networks that learn through it.

Processors with instructions for bfloat16 multiply twice as fast, and what a network learns from
hundreds of pictures does not depend on the third digit of a layer's result. Trainings that promise
the same numbers everywhere (`train`, `mint`) do without.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorarium.bases.base import Base
from lorarium.bases.processor import bfloat16_pays

LEAST = 64  # width below which rounding costs more than it spares


class _Rounded(torch.autograd.Function):
    """x Wᵀ + b with gradients to x alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(weight)
        return F.linear(x.to(weight.dtype), weight, bias).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        (weight,) = ctx.saved_tensors
        return (g.to(weight.dtype) @ weight).to(g.dtype), None, None


def pays(base: Base) -> bool:
    """Whether this processor is faster in bfloat16."""
    return base.device.type == "cpu" and bfloat16_pays(base.device)


@contextmanager
def rounded(base: Base) -> Iterator[None]:
    """While it lasts, the base's linears round their inputs and weights, where that pays."""
    changed = list(_wide(base)) if pays(base) else []
    for layer in changed:
        _round(layer)
    try:
        yield
    finally:
        for layer in changed:
            del layer.forward


def _wide(base: Base) -> Iterator[nn.Linear]:
    """Linears that are worth it and not rounded already."""
    for network in base.networks.values():
        for layer in network.modules():
            if not isinstance(layer, nn.Linear) or "forward" in vars(layer):
                continue
            if min(layer.weight.shape) >= LEAST:
                yield layer


def _round(layer: nn.Linear) -> None:
    weight = layer.weight.detach().bfloat16()
    bias = None if layer.bias is None else layer.bias.detach().bfloat16()
    layer.forward = lambda x: _Rounded.apply(x, weight, bias)  # type: ignore[method-assign, assignment]
