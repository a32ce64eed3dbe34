"""Gains on the columns of several adapters, so that their sum says what each alone says.

ΔW = Σ ΔW_k diag(m_k), and m is learned from Σ_k ‖merged(x_k, t, p_k) - alone_k(x_k, t, p_k)‖² plus
λ times how alike the m of a layer are. ZipLoRA learns m itself; a network that predicts m has the
same loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from lorarium.adapter import Adapter, Bias, Delta, Module
from lorarium.algebra import lower
from lorarium.bases.base import Base, Text, joined, mixed
from lorarium.bases.branches import Branch, applied, layer_of
from lorarium.bases.stack import check_family, check_shape, factors, tensor
from lorarium.errors import LorariumError

Gains = Mapping[Module, Sequence[Tensor | None]]  # (in,) for each adapter, None where it has none
LIKENESS = ("cosine", "product")


@dataclass(frozen=True, eq=False)
class DistillationSet:
    """What one adapter is held to: latents (n, c, h, w) and a prompt for each."""

    latents: Tensor
    prompts: Sequence[str]


class AdapterEnsemble:
    """Adapters beside a base, each alone or all together under gains; kept as factors."""

    def __init__(self, base: Base, adapters: Sequence[Adapter]) -> None:
        self.base, self.count = base, len(adapters)
        self.pairs: dict[Module, list[tuple[Tensor, Tensor] | None]] = {}
        self.biases: dict[Module, list[Tensor | None]] = {}
        for k, adapter in enumerate(adapters):
            check_family(base, adapter)
            for module, delta in adapter.items():
                self._add(k, module, delta)
        self._text: dict[str, Text] = {}
        self.adapts_text = any(m.part != "denoiser" for m in [*self.pairs, *self.biases])

    def _add(self, k: int, module: Module, delta: Delta) -> None:
        if isinstance(delta, Bias):
            home = Module(module.part, module.path.removesuffix(".bias"))
            row = self.biases.setdefault(home, [None] * self.count)
            row[k] = tensor(delta.bias, self.base) * delta.scale
            return
        layer = layer_of(self.base, module)
        check_shape(layer, module, delta)
        try:
            pair = factors(lower(delta), layer, self.base)
        except LorariumError as error:
            raise LorariumError(error.what, where=str(module), hint=error.hint) from None
        self.pairs.setdefault(module, [None] * self.count)[k] = pair

    def encode_prompts(self, prompts: Sequence[str]) -> Text:
        """The prompts as the base hears them now; kept when no adapter changes that."""
        if self.adapts_text:
            return self.base.encode(prompts)
        for prompt in prompts:
            if prompt not in self._text:
                with torch.no_grad():
                    self._text[prompt] = self.base.encode([prompt])
        return joined([self._text[prompt] for prompt in prompts])

    def ones(self) -> dict[Module, list[Tensor | None]]:
        """Gains that change nothing, ready to be learned."""
        return {
            module: [
                None if p is None else torch.ones(p[0].shape[1], device=self.base.device)
                for p in pairs
            ]
            for module, pairs in self.pairs.items()
        }

    def alone(self, k: int) -> dict[Module, Branch]:
        return self._branches(lambda module, j: self.pairs[module][j] if j == k else None, [k])

    def together(self, gains: Gains) -> dict[Module, Branch]:
        def scaled(module: Module, k: int) -> tuple[Tensor, Tensor] | None:
            pair, m = self.pairs[module][k], gains[module][k]
            if pair is None or m is None:
                return pair
            return pair[0] * m.reshape(-1, *[1] * (pair[0].ndim - 2)), pair[1]

        return self._branches(scaled, range(self.count))

    def _branches(
        self, pair_of: Callable[[Module, int], tuple[Tensor, Tensor] | None], members: Sequence[int]
    ) -> dict[Module, Branch]:
        branches = {}
        for module in dict.fromkeys([*self.pairs, *self.biases]):
            pairs = [p for k in members if module in self.pairs and (p := pair_of(module, k))]
            biases = [
                b
                for k in members
                if (b := self.biases.get(module, [None] * self.count)[k]) is not None
            ]
            if pairs or biases:
                branches[module] = Branch(
                    torch.cat([down for down, _ in pairs])[None] if pairs else None,
                    torch.cat([up for _, up in pairs], 1)[None] if pairs else None,
                    bias=torch.stack(biases).sum(0) if biases else None,
                )
        return branches


def distillation(
    ensemble: AdapterEnsemble,
    datasets: Sequence[DistillationSet],
    gains: Gains,
    random: torch.Generator,
    batch: int = 1,
) -> Tensor:
    """How far the merged adapters are from each of them alone, in the base's own loss; all adapters
    see the same times and noise."""
    base = ensemble.base
    t = base.sample_time(torch.rand(batch, generator=random).clamp(1e-4, 1 - 1e-4)).to(base.device)
    shape = datasets[0].latents.shape[1:]
    noise = torch.randn(batch, *shape, generator=random).to(base.device)
    branches = ensemble.together(gains)
    total = torch.zeros((), device=base.device)
    for k, dataset in enumerate(datasets):
        index = torch.randint(len(dataset.latents), (batch,), generator=random)
        x = mixed(base, dataset.latents[index].to(base.device), noise, t)
        prompts = [dataset.prompts[i] for i in index.tolist()]
        with torch.no_grad(), applied(base, ensemble.alone(k)):
            target = base.predict(x, t, ensemble.encode_prompts(prompts))
        with applied(base, branches):
            prediction = base.predict(x, t, ensemble.encode_prompts(prompts))
        total = (
            total + (base.loss_weight(t) * (prediction - target).square().flatten(1).mean(1)).mean()
        )
    return total


def likeness(gains: Gains, kind: str = "cosine") -> Tensor:
    """Σ over layers of |cos(m_i, m_j)|, or of the mean of |m_i m_j|, for each pair of adapters."""
    terms = [torch.zeros(())]
    for row in gains.values():
        for a, b in combinations([m for m in row if m is not None], 2):
            if kind == "cosine":
                terms.append(torch.cosine_similarity(a, b, dim=0).abs())
            else:
                terms.append((a * b).abs().mean())
    return torch.stack([value.to(terms[-1].device) for value in terms]).sum()


def fit_gains(
    base: Base,
    adapters: Sequence[Adapter],
    datasets: Sequence[DistillationSet],
    *,
    steps: int = 100,
    lr: float = 0.01,
    weight: float = 0.01,
    kind: str = "cosine",
    batch: int = 1,
    seed: int = 0,
    progress: Callable[[int, int, float], None] | None = None,
) -> tuple[dict[Module, list[np.ndarray | None]], list[float]]:
    """ZipLoRA's m by Adam from 1, and the distillation loss before each step."""
    ensemble = AdapterEnsemble(base, adapters)
    gains = ensemble.ones()
    learned = [m.requires_grad_(True) for row in gains.values() for m in row if m is not None]
    if not learned:
        raise LorariumError("the adapters have no factors whose columns could be weighed")
    adam = torch.optim.Adam(learned, lr=lr)
    random = torch.Generator().manual_seed(seed)
    losses = []
    for step in range(steps):
        distance = distillation(ensemble, datasets, gains, random, batch)
        loss = distance + weight * likeness(gains, kind)
        if not torch.isfinite(loss):
            raise LorariumError("the loss is not finite", hint="lower the rate or the weights")
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(float(distance.detach()))
        if progress is not None:
            progress(step + 1, steps, losses[-1])
    return {
        module: [None if m is None else m.detach().cpu().numpy() for m in row]
        for module, row in gains.items()
    }, losses
