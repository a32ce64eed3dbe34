"""Lorarium's merger as it is trained: true pictures of a subject in a style, nothing distilled.

Of each module and role (subject or style) a gain, and a share that leaves the row space of the
other: numbers of the module, plus what a small network reads from the norms and overlaps of the
two. All of it acts on factors, and nothing depends on how a ΔW is split into them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lorarium.adapter import Module
from lorarium.bases.branches import Branch
from lorarium.training.merger import AdapterBatch, Branches

LITTLE = 4.0  # the share damped begins at sigmoid(-4), 2%
TINY = 1e-8
READ = 4  # numbers that the gains are read from


@dataclass(frozen=True)
class RolesConfig:
    modules: tuple[tuple[str, str, int, int], ...]  # part, path, out, in
    hidden: int = 32  # of the network that reads; 0 leaves gains that are the same for all


class RoleNet(nn.Module):
    """Everything that is the same for all adapters; it begins nearly as the sum."""

    usual: Tensor

    def __init__(self, config: RolesConfig, usual: Tensor | None = None) -> None:
        super().__init__()
        self.config = c = config
        self.place = {Module(part, path): i for i, (part, path, _, _) in enumerate(c.modules)}
        count = len(c.modules)
        self.gains = nn.Parameter(torch.zeros(count, 4))  # of either, and the share damped
        self.register_buffer("usual", torch.ones(count, 2) if usual is None else usual)
        if c.hidden:
            self.module = nn.Parameter(0.1 * torch.randn(count, 16))
            self.read = nn.Linear(READ + 16, c.hidden)
            self.say = nn.Linear(c.hidden, 4)
            nn.init.zeros_(self.say.weight)
            nn.init.zeros_(self.say.bias)

    def forward(self, sides: Sequence[RoleBatch]) -> Branches:
        """Branches of each row's adapters, merged; any number of them may meet. What is said of
        one is the mean of what is said of it beside each of the other role."""
        subjects, styles = ([side for side in sides if side.role == role] for role in (0, 1))
        of_pair = {
            frozenset((id(a), id(b))): self._predictions(a, b) for a in subjects for b in styles
        }
        merged: Branches = {}
        for module in dict.fromkeys(m for side in sides for m in side.branches):
            downs, ups = [], []
            for side in sides:
                if module not in side.branches:
                    continue
                down, up = side.branches[module].down, side.branches[module].up
                assert down is not None and up is not None
                others = [
                    other for other in (subjects if side.role else styles)
                    if module in of_pair[frozenset((id(side), id(other)))]
                ]  # fmt: skip
                if others:
                    raw = [of_pair[frozenset((id(side), id(other)))][module] for other in others]
                    gain, share = torch.stack(raw).mean(0)[:, side.role :: 2, None, None].unbind(1)
                    share = torch.sigmoid(share - LITTLE) / len(others)
                    for other in others:
                        rows = other.reading[module].rows
                        down = down - share * ((down @ rows.mT) @ rows)
                    up = gain.clamp(-4, 2).exp() * up
                downs.append(down)
                ups.append(up)
            merged[module] = Branch(torch.cat(downs, 1), torch.cat(ups, 2))
        return merged

    def _predictions(self, subject: RoleBatch, style: RoleBatch) -> dict[Module, Tensor]:
        """Of each module that both change (rows, 4): logarithms of both gains, and what says which
        share of each is damped."""
        modules = [m for m in self.place if m in subject.branches and m in style.branches]
        if not modules:
            return {}
        index = torch.tensor([self.place[m] for m in modules])
        pairs = [(subject.reading[m], style.reading[m]) for m in modules]
        norms = torch.stack([torch.stack([a.norm, b.norm], -1) for a, b in pairs])
        raw = self.gains[index][:, None].expand(-1, norms.shape[1], -1)
        if self.config.hidden:
            log_norms = (norms.clamp(min=TINY) / self.usual[index][:, None]).log()
            overlaps = torch.stack([_overlaps(a, b) for a, b in pairs])
            module_features = self.module[index][:, None].expand(-1, log_norms.shape[1], -1)
            rows = torch.cat([log_norms, overlaps, module_features], -1)
            raw = raw + self.say(torch.relu(self.read(rows)))
        return dict(zip(modules, raw, strict=True))


@dataclass(frozen=True, eq=False)
class Reading:
    """What a module's ΔW says of itself, whatever its factors: its norm (n,), and its singular
    directions, rows (n, r, in) and columns (n, out, r), times how much they count."""

    norm: Tensor
    rows: Tensor
    columns: Tensor

    def take(self, index: Tensor) -> Reading:
        return Reading(self.norm[index], self.rows[index], self.columns[index])


@dataclass(frozen=True, eq=False)
class RoleBatch:
    """Some adapters of one role: 0 is subjects, 1 styles."""

    role: int
    branches: Branches
    reading: Mapping[Module, Reading]


class RoleBank:
    """The adapters of one role with their readings, of which any can be taken."""

    def __init__(self, role: int, adapters: AdapterBatch) -> None:
        self.role, self.adapters = role, adapters
        self.reading = {m: reading_of(b) for m, b in adapters.branches.items()}

    def take(self, index: Tensor) -> RoleBatch:
        reading = {m: r.take(index) for m, r in self.reading.items()}
        return RoleBatch(self.role, self.adapters.take(index), reading)


def reading_of(branch: Branch) -> Reading:
    """By two QRs and a small SVD. A direction counts with σ / (σ + mean σ): what an adapter hardly
    does is no room of its own."""
    assert branch.down is not None and branch.up is not None
    Q1, R1 = torch.linalg.qr(branch.down.mT)
    Q2, R2 = torch.linalg.qr(branch.up)
    U, S, Vh = torch.linalg.svd(R2 @ R1.mT)
    real = (S > 1e-6 * S[:, :1]).float()
    mean = (S * real).sum(-1, keepdim=True) / real.sum(-1, keepdim=True).clamp(min=1)
    counts = (S / (S + mean).clamp(min=TINY)).sqrt()
    norm = S.square().sum(-1).sqrt()
    return Reading(norm, counts[:, :, None] * (Vh @ Q1.mT), (Q2 @ U) * counts[:, None])


def _overlaps(a: Reading, b: Reading) -> Tensor:
    """Cosines of what the two read and of what they write, (n, 2)."""
    rows = (a.rows @ b.rows.mT).square().sum((1, 2))
    columns = (a.columns.mT @ b.columns).square().sum((1, 2))
    sizes = [x.rows.square().sum(-1).square().sum(-1).clamp(min=TINY).sqrt() for x in (a, b)]
    return torch.stack([rows, columns], -1) / (sizes[0] * sizes[1])[:, None]
