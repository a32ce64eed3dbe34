"""Adapters beside a frozen network, as low-rank branches: y + up (gain * (down x)).

K adapters run as one batch: of K m rows, the first m see the first adapter only, and so on; with
K = 1 all rows see the branch, which may hold the factors of many adapters side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorarium.adapter import Module
from lorarium.bases.base import Base
from lorarium.errors import LorariumError


@dataclass(frozen=True, eq=False)
class Branch:
    """`down` (K, r, in...), `up` (K, out, r); `gain` (K, r) scales each rank, None is 1.

    `dense` (out, in...) and `bias` (out,) are for what has no factors, with K = 1 only.
    """

    down: Tensor | None = None
    up: Tensor | None = None
    gain: Tensor | None = None
    dense: Tensor | None = None
    bias: Tensor | None = None

    def __call__(self, layer: nn.Module, inputs: tuple[Tensor, ...], y: Tensor) -> Tensor:
        x = inputs[0]
        if isinstance(layer, nn.Conv2d):
            y = self._convolved(layer, x, y)
        elif self.down is not None and self.up is not None:
            y = _linear(x, y, self.down, self.up, self.gain)
        if self.dense is not None and not isinstance(layer, nn.Conv2d):
            y = y + F.linear(x, self.dense.to(x.dtype))
        if self.bias is not None:
            bias = self.bias[:, None, None] if isinstance(layer, nn.Conv2d) else self.bias
            y = y + bias.to(y.dtype)
        return y

    def _convolved(self, layer: nn.Conv2d, x: Tensor, y: Tensor) -> Tensor:
        first = self.dense if self.down is None else self.down
        if first is not None and x.dtype != first.dtype:
            return self._convolved(layer, x.to(first.dtype), y.to(first.dtype)).to(y.dtype)

        def convolve(weight: Tensor, rows: Tensor) -> Tensor:
            return F.conv2d(rows, weight, None, layer.stride, layer.padding, layer.dilation)  # type: ignore[arg-type]

        if self.dense is not None:
            y = y + convolve(self.dense, x)
        if self.down is None or self.up is None:
            return y
        k = len(self.down)
        added = []
        for i, rows in enumerate(x.chunk(k)):
            h = convolve(self.down[i], rows)
            if self.gain is not None:
                h = h * self.gain[i, :, None, None]
            added.append(F.conv2d(h, self.up[i].reshape(*self.up.shape[1:3], 1, 1)))
        return y + torch.cat(added)


def _linear(x: Tensor, y: Tensor, down: Tensor, up: Tensor, gain: Tensor | None) -> Tensor:
    k = len(down)
    if x.dtype != down.dtype:  # a base in half precision keeps its branches in single
        full = _linear(x.to(down.dtype), y.to(down.dtype), down, up, gain)
        return full.to(y.dtype)
    if k == 1:
        h = F.linear(x, down[0])
        h = h if gain is None else h * gain[0]
        # the layer's own result is added to in place: nothing needs it as it was
        flat = y.view(-1, y.shape[-1])
        return flat.addmm_(h.reshape(-1, h.shape[-1]), up[0].T).view(y.shape)
    if len(x) % k:
        raise LorariumError(f"{len(x)} rows cannot be shared by {k} adapters")
    result: Tensor = _Beside.apply(x, y, down, up if gain is None else up * gain[:, None])
    return result


class _Beside(torch.autograd.Function):
    """y + up (down x) of K adapters. By hand: in place autograd would copy the gradient of every
    layer's result, out of place keep more than it needs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, down: Tensor, up: Tensor) -> Tensor:
        rows = x.reshape(len(down), -1, x.shape[-1])
        h = torch.bmm(rows, down.mT)
        ctx.save_for_backward(rows, h, down, up)
        return torch.baddbmm(y.view(len(up), -1, y.shape[-1]), h, up.mT).view(y.shape)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        rows, h, down, up = ctx.saved_tensors
        needed = ctx.needs_input_grad
        pull = g.reshape(len(up), -1, g.shape[-1])
        inner = torch.bmm(pull, up)
        return (
            torch.bmm(inner, down).view(*g.shape[:-1], down.shape[-1]) if needed[0] else None,
            g if needed[1] else None,
            torch.bmm(inner.mT, rows) if needed[2] else None,
            torch.bmm(pull.mT, h) if needed[3] else None,
        )


Hook = Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]


@contextmanager
def applied(base: Base, branches: Mapping[Module, Hook]) -> Iterator[None]:
    """While it lasts, the base's networks run with these branches; gradients flow to them."""
    handles = []
    denoiser = base.networks["denoiser"]
    before = branches_now(base)
    try:
        for module, branch in branches.items():
            layer = layer_of(base, module)
            handles.append(layer.register_forward_hook(branch))
        denoiser.__dict__["branches"] = branches
        yield
    finally:
        denoiser.__dict__["branches"] = before
        for handle in handles:
            handle.remove()


def branches_now(base: Base) -> Mapping[Module, Hook]:
    """What the base runs with at this moment."""
    now: Mapping[Module, Hook] = base.networks["denoiser"].__dict__.get("branches", {})
    return now


def layer_of(base: Base, module: Module) -> nn.Module:
    """The layer at an address."""
    try:
        return base.networks[module.part].get_submodule(module.path)
    except (KeyError, AttributeError):
        raise LorariumError(f"{base.family} has no module {module}") from None
