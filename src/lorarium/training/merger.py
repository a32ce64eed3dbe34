"""LoRA.rar's network as it is trained (Shenaj et al. 2025): adapter pairs through a frozen base.

Per step some subjects meet as many styles, all pairs in one batch: the merged pair is to say what
the subject alone says on the subject's pictures and what the style alone says on the style's, under
one noise and time; plus a share of |cos(m1, m2)| of each layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from lorarium.adapter import Adapter, Module
from lorarium.bases.base import Base, Text, joined, mixed
from lorarium.bases.branches import Branch, applied
from lorarium.bases.stack import each
from lorarium.encoders.training import FitConfig, Loss, Losses, fit
from lorarium.errors import LorariumError
from lorarium.training.distil import DistillationSet

TARGETS = (".to_q", ".to_out.0")  # of attention; keys, values and all else are added
LIKENESS = 0.001  # the paper takes 0.01 of its sizes; here that would outweigh the goal
STRENGTH = 1.5  # adapters that people make are weaker and stronger than those it learns from
Branches = dict[Module, Branch]
Gains = dict[Module, tuple[Tensor, Tensor]]  # (pairs, in) each


class CoefficientNet(nn.Module):
    """(m1, m2) of a column from both columns: one input layer per height of ΔW, one output layer.

    It begins as the sum. `sizes` are the usual lengths of two columns together, by height: inputs
    are brought to ordinary size with them, which `tensors` folds into the weights.
    """

    def __init__(
        self, sizes: Mapping[int, float], hidden: int = 128, targets: Sequence[str] = TARGETS
    ) -> None:
        super().__init__()
        self.targets = tuple(targets)
        self.inputs = nn.ModuleDict({str(n): nn.Linear(2 * n, hidden) for n in sorted(sizes)})
        self.output = nn.Linear(hidden, 2)
        nn.init.zeros_(self.output.weight)
        nn.init.ones_(self.output.bias)
        self.lengths = {n: (2 * n) ** 0.5 / sizes[n] for n in sorted(sizes)}

    def reads(self, module: Module, branch: Branch) -> bool:
        return _readable(module, branch, self.targets) and str(_height(branch)) in self.inputs

    def forward(self, subject: Branch, style: Branch) -> tuple[Tensor, Tensor]:
        """m1 and m2, (pairs, in) each, by (W up) down: ΔW is never formed."""
        assert subject.up is not None and style.up is not None
        assert subject.down is not None and style.down is not None
        height = subject.up.shape[1]
        layer = self.layer(height)
        W = layer.weight * self.lengths[height]
        hidden = (W[:, :height] @ subject.up) @ subject.down
        hidden = hidden + (W[:, height:] @ style.up) @ style.down
        hidden = torch.relu(hidden + layer.bias[:, None])
        m = self.output(hidden.transpose(1, 2))
        return m[..., 0], m[..., 1]

    def layer(self, height: int) -> nn.Linear:
        layer = self.inputs[str(height)]
        assert isinstance(layer, nn.Linear)
        return layer

    def tensors(self) -> dict[str, np.ndarray]:
        """The weights under the names of the published checkpoint."""
        tensors: dict[str, Tensor] = {
            "output.1.weight": self.output.weight, "output.1.bias": self.output.bias
        }  # fmt: skip
        for i, (height, length) in enumerate(self.lengths.items(), 1):
            tensors[f"input_{i}.weight"] = self.layer(height).weight * length
            tensors[f"input_{i}.bias"] = self.layer(height).bias
        return {name: value.detach().float().cpu().numpy() for name, value in tensors.items()}


@dataclass(frozen=True, eq=False)
class Member:
    """An adapter, and the pictures and prompts that it was trained on."""

    adapter: Adapter
    dataset: DistillationSet


class AdapterBatch:
    """Adapters of one role, their factors stacked so that any of them run as one batch."""

    def __init__(self, base: Base, members: Sequence[Member]) -> None:
        if not members:
            raise LorariumError("no adapters to learn merging from")
        self.base = base
        self.datasets = [member.dataset for member in members]
        adapters = [member.adapter for member in members]
        self.branches = each(base, adapters)
        self.has = {
            module: torch.tensor([module in a for a in adapters], device=base.device)
            for module in self.branches
        }
        self.adapts_text = any(module.part != "denoiser" for module in self.branches)

    def __len__(self) -> int:
        return len(self.datasets)

    def take(self, index: Tensor, strength: Tensor | None = None) -> Branches:
        size = torch.ones(len(index)) if strength is None else strength
        size = size.to(index.device)[:, None, None]
        return {
            module: Branch(b.down[index], size * b.up[index])  # type: ignore[index]
            for module, b in self.branches.items()
        }


class PairedAdapters:
    """Subjects and styles beside their base."""

    def __init__(self, base: Base, subjects: Sequence[Member], styles: Sequence[Member]) -> None:
        self.base = base
        self.subjects, self.styles = AdapterBatch(base, subjects), AdapterBatch(base, styles)
        self.adapts_text = self.subjects.adapts_text or self.styles.adapts_text
        self._text: dict[str, Text] = {}

    def network(self, hidden: int = 128, targets: Sequence[str] = TARGETS) -> CoefficientNet:
        """A network for the widths of these adapters, at their usual lengths of columns."""
        squares: dict[int, list[float]] = {}
        for module, branch in self.subjects.branches.items():
            other = self.styles.branches.get(module)
            if other is not None and _readable(module, branch, tuple(targets)):
                square = _columns(branch) + _columns(other)
                squares.setdefault(_height(branch), []).append(square)
        if not squares:
            raise LorariumError(
                "the adapters share no module that the network could read",
                hint=f"it reads modules that end in {' or '.join(targets)}",
            )
        sizes = {height: float(np.mean(values)) ** 0.5 for height, values in squares.items()}
        return CoefficientNet(sizes, hidden, targets).to(self.base.device)

    def together(
        self, net: CoefficientNet | None, picks: tuple[Tensor, Tensor], sides: Sequence[Branches]
    ) -> tuple[Branches, Gains]:
        """Each pair merged, [A1 diag m1; A2 diag m2] and [B1 B2]; the sum without a network."""
        gains: Gains = {}
        merged: Branches = {}
        for module in dict.fromkeys([*sides[0], *sides[1]]):
            pair = [side[module] for side in sides if module in side]
            downs = [b.down for b in pair]
            if len(pair) == 2 and net is not None and net.reads(module, pair[0]):
                there = self.subjects.has[module][picks[0]] & self.styles.has[module][picks[1]]
                # what one of them lacks is the other's alone
                a, b = (torch.where(there[:, None], m, torch.ones_like(m)) for m in net(*pair))
                gains[module] = a, b
                downs = [downs[0] * a[:, None], downs[1] * b[:, None]]  # type: ignore[operator]
            merged[module] = Branch(torch.cat(downs, 1), torch.cat([b.up for b in pair], 2))  # type: ignore[misc, arg-type]
        return merged, gains

    def encode_prompts(self, prompts: Sequence[str]) -> Text:
        """The prompts as the base hears them now; kept when no adapter changes that."""
        if self.adapts_text:
            return self.base.encode(prompts)
        for prompt in prompts:
            if prompt not in self._text:
                with torch.no_grad():
                    self._text[prompt] = self.base.encode([prompt])
        return joined([self._text[prompt] for prompt in prompts])

    def losses(
        self,
        net: CoefficientNet | None,
        picks: tuple[Tensor, Tensor],
        share: Tensor,
        random: torch.Generator,
        likeness: float = LIKENESS,
        strength: float = 1.0,
    ) -> Losses:
        """Of the pairs `picks` (numbers of subjects and of styles) at uniform `share`
        (pairs, pictures), from which the base makes times. Each adapter counts from
        1 / strength to `strength` times."""
        base, device = self.base, self.base.device
        pairs, each_side = share.shape
        t = base.sample_time(share.flatten().clamp(1e-4, 1 - 1e-4)).to(device)
        shape = self.subjects.datasets[0].latents.shape[1:]
        noise = torch.randn(len(t), *shape, generator=random).to(device)
        roles = (self.subjects, self.styles)
        sides = []
        for adapters, index in zip(roles, picks, strict=True):
            size = strength ** (2 * torch.rand(pairs, generator=random) - 1)
            sides.append(adapters.take(index.to(device), size if strength != 1 else None))
        noisy, prompts, targets = [], [], []
        for adapters, index, branches in zip(roles, picks, sides, strict=True):
            chosen = [
                _draw_samples(adapters.datasets[i], each_side, random) for i in index.tolist()
            ]
            x = mixed(base, torch.cat([rows for rows, _ in chosen]).to(device), noise, t)
            words = [prompt for _, some in chosen for prompt in some]
            with torch.no_grad(), applied(base, branches):
                targets.append(base.predict(x, t, self.encode_prompts(words)))
            noisy.append(x)
            prompts.append(words)
        # of each pair first the subject's pictures, then the style's
        x, target = (_interleave(rows, pairs) for rows in (noisy, targets))
        times = _interleave([t, t], pairs)
        words = [w for k in range(pairs) for side in prompts
                 for w in side[k * each_side : (k + 1) * each_side]]  # fmt: skip
        branches, gains = self.together(net, (picks[0].to(device), picks[1].to(device)), sides)
        with applied(base, branches):
            prediction = base.predict(x, times, self.encode_prompts(words))
        errors = base.loss_weight(times) * (prediction - target).square().flatten(1).mean(1)
        by_side = errors.view(pairs, 2, each_side).mean((0, 2))
        cosines = [torch.cosine_similarity(a, b).abs().mean() for a, b in gains.values()]
        parts = {"subject": by_side[0], "style": by_side[1]}
        if cosines:
            parts["likeness"] = likeness * torch.stack(cosines).sum()
        return parts


def train_merger(
    base: Base,
    subjects: Sequence[Member],
    styles: Sequence[Member],
    folder: Path,
    *,
    plan: FitConfig,
    pictures: int = 1,
    hidden: int = 128,
    targets: Sequence[str] = TARGETS,
    likeness: float = LIKENESS,
    strength: float = STRENGTH,
    minutes: float = 60,
    by_time: bool = True,
) -> tuple[CoefficientNet, dict[str, float]]:
    """Learn on any base for so many minutes; goes on from the checkpoint in `folder`.

    `plan.batch` is how many pairs a step has, `plan.total` how many pairs in all; `pictures` how
    many of each side a pair sees. Adapters are plain LoRAs of the base's family.
    """
    paired = PairedAdapters(base, subjects, styles)
    torch.manual_seed(plan.seed)

    def begin(step: int) -> Loss:
        now = step

        def loss(model: nn.Module) -> Losses:
            nonlocal now
            assert isinstance(model, CoefficientNet)
            random = torch.Generator().manual_seed(plan.seed * 1_000_003 + now)
            now += 1
            picks = (
                torch.randint(len(paired.subjects), (plan.batch,), generator=random),
                torch.randint(len(paired.styles), (plan.batch,), generator=random),
            )
            share = torch.rand(plan.batch, pictures, generator=random)
            return paired.losses(model, picks, share, random, likeness, strength)

        return loss

    net, spent = fit(
        folder, paired.network(hidden, targets), begin, plan, minutes, str(base.device),
        by_time=by_time,
    )  # fmt: skip
    assert isinstance(net, CoefficientNet)
    return net, spent


@torch.no_grad()
def distance(
    paired: PairedAdapters,
    net: CoefficientNet | None,
    *,
    pairs: int = 64,
    batch: int = 8,
    seed: int = 5,
) -> float:
    """How far merged pairs are from each adapter alone, on fixed pairs, times and noise."""
    n, m = len(paired.subjects), len(paired.styles)
    every = torch.randperm(n * m, generator=torch.Generator().manual_seed(seed))[:pairs]
    total = 0.0
    for start in range(0, len(every), batch):
        some = every[start : start + batch]
        # two pictures of each side, at times spread evenly over all pairs
        place = torch.arange(start, start + len(some))[:, None]
        share = (torch.cat([place, place + len(every)], 1) + 0.5) / (2 * len(every))
        share = (share * 7919) % 1
        random = torch.Generator().manual_seed(seed + start)
        parts = paired.losses(net, (some // m, some % m), share, random)
        total += float(parts["subject"] + parts["style"]) * len(some)
    return total / len(every)


def _draw_samples(
    dataset: DistillationSet, count: int, random: torch.Generator
) -> tuple[Tensor, list[str]]:
    index = torch.randint(len(dataset.latents), (count,), generator=random)
    return dataset.latents[index], [dataset.prompts[i] for i in index.tolist()]


def _interleave(sides: Sequence[Tensor], pairs: int) -> Tensor:
    """Two sides of (pairs * n, ...) -> (pairs * 2 n, ...), pair by pair."""
    return torch.cat([x.unflatten(0, (pairs, -1)) for x in sides], 1).flatten(0, 1)


def _height(branch: Branch) -> int:
    assert branch.up is not None
    return branch.up.shape[1]


def _readable(module: Module, branch: Branch, targets: tuple[str, ...]) -> bool:
    targeted = module.part.startswith("denoiser") and module.path.endswith(targets)
    return targeted and branch.down is not None and branch.down.ndim == 3


def _columns(branch: Branch) -> float:
    """Mean square length of the columns of ΔW, by ‖up down‖² = Σ (upᵀ up) ∘ (down downᵀ)."""
    assert branch.down is not None and branch.up is not None
    square = (branch.up.transpose(1, 2) @ branch.up) * (branch.down @ branch.down.transpose(1, 2))
    return float(square.sum((1, 2)).mean()) / branch.down.shape[2]
