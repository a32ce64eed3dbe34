"""Adapters -> branches: weighted side by side on every row, or one adapter per share of the rows.

A schedule is a list of rules that scale a weight over sampling steps and blocks of the network.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lorarium.adapter import Adapter, Bias, Delta, Dora, LowRank, Module
from lorarium.bases.base import Base
from lorarium.bases.branches import Branch, layer_of
from lorarium.bases.resting import in_use
from lorarium.errors import LorariumError
from lorarium.files import read_text

HIGHEST_WEIGHT = 100.0


@dataclass(frozen=True)
class Rule:
    """From one share of the steps to another, adapter `lora` (None: all) counts `weight` times its
    weight in modules whose path starts with `block`. Of rules that apply, the last one holds."""

    weight: float
    lora: int | None = None
    start: float = 0.0
    end: float = 1.0
    block: str = ""
    part: str = ""

    def applies(self, lora: int, module: Module, progress: float) -> bool:
        inside = self.start <= progress < self.end or (progress >= 1 and self.end >= 1)
        named = not self.block or f"{module.path}.".startswith(self.block.rstrip(".") + ".")
        return inside and named and self.lora in (None, lora) and self.part in ("", module.part)


def read_schedule(path: Path) -> tuple[Rule, ...]:
    """Rules from JSON: `[{"lora": 0, "start": 0.5, "block": "transformer_blocks.0",
    "weight": 0}]`."""
    try:
        rules = json.loads(read_text(path, "the schedule"))
    except (ValueError, RecursionError) as error:
        raise LorariumError(f"cannot read a schedule ({error})", where=str(path)) from None
    if not isinstance(rules, list):
        raise LorariumError("a schedule is a list of rules", where=str(path))
    return tuple(_rule(row, f"{path}, rule {i + 1}") for i, row in enumerate(rules))


def _rule(row: Any, where: str) -> Rule:
    names = {f.name for f in fields(Rule)}
    if not isinstance(row, dict) or "weight" not in row or not set(row) <= names:
        raise LorariumError(
            "a rule has `weight`, and may have lora, start, end, block, part", where=where
        )
    for name in ("weight", "start", "end"):
        value = row.get(name, 0.0)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e3:
            raise LorariumError(f"{name} is not a number of ordinary size", where=where)
    if not isinstance(row.get("lora"), (int, type(None))):
        raise LorariumError("lora is the place of an adapter, from 0", where=where)
    if not all(isinstance(row.get(name, ""), str) for name in ("block", "part")):
        raise LorariumError("block and part are names", where=where)
    return Rule(**row)


class Stack:
    """Adapters with weights, all on every row; `set` moves along a schedule."""

    def __init__(
        self,
        base: Base,
        adapters: Sequence[tuple[Adapter, float]],
        schedule: Sequence[Rule] = (),
    ) -> None:
        for rule in schedule:
            if rule.lora is not None and not 0 <= rule.lora < len(adapters):
                raise LorariumError(f"the schedule names LoRA {rule.lora} of {len(adapters)}")
        self.schedule = tuple(schedule)
        self.weights = [_weight(w) for _, w in adapters]
        self.branches: dict[Module, Branch] = {}
        self._owners: dict[Module, list[int]] = {}
        self._dense: dict[Module, list[tuple[int, Tensor]]] = {}
        self._bias: dict[Module, list[tuple[int, Tensor]]] = {}
        for adapter, _ in adapters:
            check_family(base, adapter)
        modules = sorted({_home(m, d) for a, _ in adapters for m, d in a.items()})
        with ExitStack() as used:
            for part in sorted({m.part for a, _ in adapters for m, d in a.items() if _reads(d)}):
                used.enter_context(in_use(base.networks[part]))
            for module in modules:
                self._add(base, module, [a for a, _ in adapters])
        self.set(0.0)

    def _add(self, base: Base, module: Module, adapters: Sequence[Adapter]) -> None:
        layer = layer_of(base, module)
        downs, ups, owners = [], [], []
        for i, adapter in enumerate(adapters):
            delta = adapter.deltas.get(module)
            bias = adapter.deltas.get(Module(module.part, module.path + ".bias"))
            if isinstance(bias, Bias):
                row = tensor(bias.bias, base) * bias.scale
                self._bias.setdefault(module, []).append((i, row))
            if delta is None:
                continue
            check_shape(layer, module, delta)
            if isinstance(delta, LowRank) and delta.mid is None:
                down, up = factors(delta, layer, base)
                downs.append(down)
                ups.append(up)
                owners += [i] * len(down)
            else:
                change = dense_change(delta, layer, base)
                self._dense.setdefault(module, []).append((i, change))
        self._owners[module] = owners
        self.branches[module] = Branch(
            torch.cat(downs)[None] if downs else None,
            torch.cat(ups, 1)[None] if ups else None,
            torch.ones(1, len(owners), device=base.device) if owners else None,
            torch.zeros_like(self._dense[module][0][1]) if module in self._dense else None,
            torch.zeros_like(self._bias[module][0][1]) if module in self._bias else None,
        )

    def set(self, progress: float) -> None:
        """Weights as they are after a share of the sampling steps."""
        for module, branch in self.branches.items():
            gains = [self._gain(i, module, progress) for i in range(len(self.weights))]
            if branch.gain is not None:
                branch.gain.copy_(torch.tensor([[gains[i] for i in self._owners[module]]]))
            for target, terms in (
                (branch.dense, self._dense.get(module, [])),
                (branch.bias, self._bias.get(module, [])),
            ):
                if target is not None:
                    target.zero_()
                    for i, term in terms:
                        target.add_(term, alpha=gains[i])

    def _gain(self, lora: int, module: Module, progress: float) -> float:
        rule_weights = [r.weight for r in self.schedule if r.applies(lora, module, progress)]
        return self.weights[lora] * (rule_weights[-1] if rule_weights else 1.0)


def each(base: Base, adapters: Sequence[Adapter], weight: float = 1.0) -> dict[Module, Branch]:
    """Branches for K adapters as one batch, ranks padded with zeros; plain LoRA only."""
    for adapter in adapters:
        check_family(base, adapter)
    branches = {}
    for module in sorted({m for a in adapters for m in a}):
        layer = layer_of(base, module)
        pairs: list[tuple[Tensor, Tensor] | None] = []
        for adapter in adapters:
            delta = adapter.deltas.get(module)
            if delta is not None and not (isinstance(delta, LowRank) and delta.mid is None):
                raise LorariumError("only plain LoRA modules run as a batch", where=str(module))
            if delta is not None:
                check_shape(layer, module, delta)
            pairs.append(None if delta is None else factors(delta, layer, base))
        rank = max(len(p[0]) for p in pairs if p is not None)
        shape = tuple(layer.weight.shape)  # type: ignore[union-attr, arg-type]
        down = torch.zeros(len(adapters), rank, *shape[1:], device=base.device)
        up = torch.zeros(len(adapters), shape[0], rank, device=base.device)
        for k, pair in enumerate(pairs):
            if pair is not None:
                down[k, : len(pair[0])] = pair[0]
                up[k, :, : len(pair[0])] = weight * pair[1]
        branches[module] = Branch(down, up)
    return branches


def check_family(base: Base, adapter: Adapter) -> None:
    """Refuse an adapter of another family, or one trained on other weights of ours."""
    if adapter.family != base.family:
        raise LorariumError(f"a {adapter.family} adapter does not fit a {base.family} base")
    stands_on = adapter.metadata.get("lorarium.base_hash")
    if base.family.startswith("micro") and stands_on and stands_on != base.hash:
        raise LorariumError(
            f"the adapter was trained on base {stands_on[:12]}, this one is {base.hash[:12]}",
            hint="give the same file with --base",
        )


def check_shape(layer: nn.Module, module: Module, delta: Delta) -> None:
    want = tuple(layer.weight.shape)  # type: ignore[union-attr, arg-type]
    have = delta.shape
    if have[:1] != want[:1] or int(np.prod(have[1:])) != int(np.prod(want[1:])):
        raise LorariumError(
            f"changes a weight of {_by(have)}, the base has {_by(want)}", where=str(module)
        )


def factors(delta: LowRank, layer: nn.Module, base: Base) -> tuple[Tensor, Tensor]:
    """down (r, in...) and up (out, r), the scale folded into up."""
    shape = layer.weight.shape[1:]  # type: ignore[union-attr, index]
    down = tensor(delta.down, base).reshape(-1, *shape)  # type: ignore[misc]
    return down, tensor(delta.up, base).reshape(-1, len(down)) * delta.scale


def dense_change(delta: Delta, layer: nn.Module, base: Base) -> Tensor:
    """The whole change of a weight, for kinds that have no factors or are not linear in them."""
    weight = layer.weight.detach()  # type: ignore[union-attr, operator]
    if not isinstance(delta, Dora):
        return _product(delta, base).reshape(weight.shape)
    moved = weight + _product(delta.inner, base).reshape(weight.shape)
    magnitude = tensor(delta.magnitude, base).reshape(-1)
    by_row = len(magnitude) == len(moved)
    flat = moved.flatten(1)
    norm = flat.norm(dim=1, keepdim=True) if by_row else flat.norm(dim=0, keepdim=True)
    size = magnitude[:, None] if by_row else magnitude[None]
    return (size * flat / norm).reshape(weight.shape) - weight


def _product(delta: Delta, base: Base) -> Tensor:
    parts = {
        f.name: tensor(getattr(delta, f.name), base)
        for f in fields(delta)
        if isinstance(getattr(delta, f.name), np.ndarray)
    }

    def half(a: str, b: str, core: str) -> Tensor:
        if core in parts:
            return torch.einsum("ijkl,ip,jq->pqkl", parts[core], parts[a], parts[b])
        return parts[a] @ parts[b].flatten(1)

    if isinstance(delta, LowRank):
        up, down = parts["up"].flatten(1), parts["down"].flatten(1)
        if "mid" in parts:
            return delta.scale * torch.einsum("oi,ijkl,jn->onkl", up, parts["mid"], down)
        return delta.scale * (up @ down)
    if "w1_a" in parts and "w2_a" in parts and "w1" not in parts and not _kronecker(delta):
        return delta.scale * half("w1_a", "w1_b", "t1") * half("w2_a", "w2_b", "t2")
    if _kronecker(delta):
        w1 = parts["w1"] if "w1" in parts else parts["w1_a"] @ parts["w1_b"]
        w2 = parts["w2"] if "w2" in parts else half("w2_a", "w2_b", "t2")
        w1 = w1.reshape(*w1.shape, *[1] * (w2.ndim - w1.ndim))
        return delta.scale * torch.kron(w1.contiguous(), w2.contiguous())
    return delta.scale * parts["weight"]


def _kronecker(delta: Delta) -> bool:
    return hasattr(delta, "w1")


def tensor(array: np.ndarray, base: Base) -> Tensor:
    """A file's array as float32 on the base's device."""
    return torch.from_numpy(np.array(array, dtype=np.float32)).to(base.device)


def _weight(weight: float) -> float:
    if not abs(weight) <= HIGHEST_WEIGHT:
        raise LorariumError(f"a weight of {weight} is out of range", hint="use -100 to 100")
    return float(weight)


def _reads(delta: Delta) -> bool:
    """Whether it is made of the base's own weights."""
    return isinstance(delta, Dora)


def _home(module: Module, delta: Delta) -> Module:
    """The module that a bias change belongs to."""
    if isinstance(delta, Bias):
        return Module(module.part, module.path.removesuffix(".bias"))
    return module


def _by(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
