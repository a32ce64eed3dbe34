"""The generator: reference pictures -> the factors of a LoRA for every linear of a base.

A frozen trunk (judge A's) looks at each picture, one learned query per module (or per few modules,
on large bases) reads what it saw in all of them, and what the query found mixes a learned basis:
up = U S(pictures), down = A, with U and A shared by all pictures and S zero at the start. The same
is computed for a grey picture and taken away, so that grey pictures give the neutral adapter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorarium.adapter import Module
from lorarium.bases.base import Base, modules
from lorarium.bases.branches import Branch
from lorarium.encoders.nets import (
    COARSE,
    FINE,
    HIDDEN,
    MIDDLE,
    SIZE,
    Attention,
    JudgeNet,
    NetConfig,
)

KINDS = ("style", "subject")
MOST_QUERIES = 120
CELLS = (SIZE // 8) ** 2
# what is seen of a picture: two summaries, moments of three levels, and the coarse cells
PARTS = (HIDDEN, HIDDEN, 2 * FINE, 2 * MIDDLE, 2 * COARSE, CELLS * COARSE)


@dataclass(frozen=True)
class SynthConfig:
    modules: tuple[tuple[str, str, int, int], ...]  # part, path, out, in
    rank: int = 8
    basis: int = 32  # columns of U
    width: int = 128
    depth: int = 2  # layers of the reader
    heads: int = 4
    loud: tuple[float, ...] = (1.0, 1.0)  # how much is made of what was found, by kind

    @staticmethod
    def of(base: Base, rank: int = 8, **numbers: Any) -> SynthConfig:
        """For all linears inside the blocks of a base's denoiser."""
        targets = modules(base, "linear", ("denoiser",))
        rows = tuple((m.part, m.path, shape[0], shape[1]) for m, shape in targets.items())
        return SynthConfig(rows, rank, **numbers)


class Eyes(nn.Module):
    """The part of a judge that looks: it stays as it was."""

    def __init__(self) -> None:
        super().__init__()
        judge = JudgeNet(NetConfig("conv", 1, 1, 1, 1))
        self.trunk, self.texture = judge.trunk, judge.texture
        self.squeeze, self.layout = judge.squeeze, judge.layout

    def inherit(self, judge: nn.Module) -> None:
        wanted = self.state_dict()
        self.load_state_dict({k: v for k, v in judge.state_dict().items() if k in wanted})

    @torch.no_grad()
    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures (n, 3, 48, 48) in [-1, 1] -> what is seen, (n, sum of PARTS)."""
        maps = self.trunk(pictures)
        flat = [m.flatten(2) for m in maps]
        means = [m.mean(2) for m in flat]
        spread = [(m.var(2) + 1e-4).sqrt() for m in flat]
        texture = self.texture(torch.cat([*means, *spread], 1))
        layout = self.layout(self.squeeze(maps[2]).flatten(1))
        moments = [torch.cat(pair, 1) for pair in zip(means, spread, strict=True)]
        return torch.cat([texture, layout, *moments, flat[2].transpose(1, 2).flatten(1)], 1)


class Reader(nn.Module):
    """Queries look at the pictures' tokens, then at each other."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.seen = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q, self.kv = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.among = Attention(width, heads)

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        def split(y: Tensor) -> Tensor:
            return y.unflatten(-1, (self.heads, -1)).transpose(1, 2)

        k, v = self.kv(self.seen(tokens)).chunk(2, -1)
        attended = F.scaled_dot_product_attention(split(self.q(self.norm(x))), split(k), split(v))
        return self.among(x + self.out(attended.transpose(1, 2).flatten(2)))


class Generator(nn.Module):
    query_of: Tensor
    grey: Tensor

    def __init__(self, config: SynthConfig) -> None:
        super().__init__()
        self.config = c = config
        self.eyes = Eyes().requires_grad_(False)
        self.norms = nn.ModuleList([nn.LayerNorm(n) for n in PARTS[:-1]])
        self.parts = nn.ModuleList([nn.Linear(n, c.width) for n in PARTS[:-1]])
        self.cells = nn.Linear(COARSE, c.width)
        self.place = nn.Parameter(0.02 * torch.randn(CELLS, c.width))
        self.whole = nn.Linear(len(self.parts) * c.width, c.width)
        count = min(len(c.modules), MOST_QUERIES)
        self.queries = nn.Parameter(0.5 * torch.randn(len(KINDS), count, c.width))
        self.readers = nn.ModuleList([Reader(c.width, c.heads) for _ in range(c.depth)])
        self.norm = nn.LayerNorm(c.width)
        self.mix = nn.Parameter(torch.zeros(len(c.modules), c.width, c.basis * c.rank))
        self.up = nn.ParameterList([_columns(out, c.basis) for _, _, out, _ in c.modules])
        self.down = nn.ParameterList(
            [(torch.rand(c.rank, n) * 2 - 1) * n**-0.5 for _, _, _, n in c.modules]
        )
        query_of = [i * count // len(c.modules) for i in range(len(c.modules))]
        self.register_buffer("query_of", torch.tensor(query_of), persistent=False)
        self.register_buffer("grey", torch.zeros(1, 3, SIZE, SIZE), persistent=False)

    def read(self, seen: Tensor, kind: Tensor) -> Tensor:
        """What was seen of sets of pictures (b, n, ...) and their kinds (b,) -> what each query
        found, (b, queries, width)."""
        *summaries, cells = seen.split(PARTS, -1)
        tokens = [
            say(norm(part))
            for say, norm, part in zip(self.parts, self.norms, summaries, strict=True)
        ]
        x = self.queries[kind] + self.whole(torch.cat(tokens, -1)).mean(1)[:, None]
        places = self.cells(cells.unflatten(-1, (CELLS, COARSE))) + self.place
        everything = torch.cat([torch.stack(tokens, 2), places], 2).flatten(1, 2)
        for reader in self.readers:
            x = reader(x, everything)
        return self.norm(x)

    def query_answers(self, seen: Tensor, kind: Tensor) -> Tensor:
        """The condition of each query, (b, queries, width): zero for grey pictures."""
        grey = self.eyes(self.grey).expand(len(KINDS), 1, -1)
        neutral = self.read(grey, torch.arange(len(KINDS), device=kind.device))
        loud = torch.tensor(self.config.loud, device=kind.device)[kind, None, None]
        return loud * (self.read(seen, kind) - neutral[kind])

    def factors(self, query_answers: Tensor) -> list[tuple[Tensor, Tensor]]:
        """The factors of each module: down (r, in), the same for all, and up (b, out, r)."""
        c = self.config
        scaled = query_answers[:, self.query_of] * c.width**-0.5
        mixed = torch.einsum("bmw,mwk->mbk", scaled, self.mix).unflatten(-1, (c.basis, c.rank))
        return [(down, up @ rows) for down, up, rows in zip(self.down, self.up, mixed, strict=True)]

    def forward(self, seen: Tensor, kind: Tensor) -> list[tuple[Tensor, Tensor]]:
        return self.factors(self.query_answers(seen, kind))


def branches(config: SynthConfig, factors: list[tuple[Tensor, Tensor]]) -> Mapping[Module, Branch]:
    """What runs beside the base: one generated adapter per share of the rows."""
    return {
        Module(part, path): Branch(down.expand(len(up), -1, -1), up)
        for (part, path, _, _), (down, up) in zip(config.modules, factors, strict=True)
    }


def _columns(rows: int, count: int) -> nn.Parameter:
    """Orthonormal columns, or rows if there are fewer of them."""
    return nn.Parameter(nn.init.orthogonal_(torch.empty(rows, count)))
