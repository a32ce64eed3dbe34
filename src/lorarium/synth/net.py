"""The generator: reference pictures -> the factors of a LoRA for every linear of a base.

A convolutional trunk makes tokens of each picture, one learned query per module (or per few
modules, on large bases) reads all of them, and what it found mixes a learned basis:
up = U S(pictures), down = A, with U and A shared by all pictures and S zero at the start. The same
is computed for a grey picture and taken away, so that grey pictures give the neutral adapter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorarium.adapter import Module
from lorarium.encoders.nets import COARSE, FINE, MIDDLE, SIZE, Attention, ConvTrunk
from lorarium.models.base import Base, modules
from lorarium.models.branches import Branch

KINDS = ("style", "subject")
MOST_QUERIES = 120
LEVELS = (FINE, MIDDLE, COARSE)


@dataclass(frozen=True)
class SynthConfig:
    modules: tuple[tuple[str, str, int, int], ...]  # part, path, out, in
    rank: int = 8
    basis: int = 32  # columns of U
    width: int = 128
    depth: int = 2  # layers of the reader
    heads: int = 4

    @staticmethod
    def of(base: Base, rank: int = 8, **numbers: int) -> SynthConfig:
        """For all linears inside the blocks of a base's denoiser."""
        found = modules(base, "linear", ("denoiser",))
        rows = tuple((m.part, m.path, shape[0], shape[1]) for m, shape in found.items())
        return SynthConfig(rows, rank, **numbers)


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
        found = F.scaled_dot_product_attention(split(self.q(self.norm(x))), split(k), split(v))
        return self.among(x + self.out(found.transpose(1, 2).flatten(2)))


class Generator(nn.Module):
    def __init__(self, config: SynthConfig) -> None:
        super().__init__()
        self.config = c = config
        self.trunk = ConvTrunk(2)
        self.place = nn.Parameter(0.02 * torch.randn((SIZE // 8) ** 2, c.width))
        self.cells = nn.Linear(COARSE, c.width)
        self.stats = nn.ModuleList([nn.Linear(2 * n, c.width) for n in LEVELS])
        self.stats_norms = nn.ModuleList([nn.LayerNorm(2 * n) for n in LEVELS])
        self.whole = nn.Linear(len(LEVELS) * c.width, c.width)
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

    def tokens(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures (n, 3, 48, 48) in [-1, 1] -> tokens (n, t, width) and a summary (n, width)."""
        maps = self.trunk(pictures)
        stats = [
            say(norm(moments(m)))
            for say, norm, m in zip(self.stats, self.stats_norms, maps, strict=True)
        ]
        cells = self.cells(maps[2].flatten(2).transpose(1, 2)) + self.place
        return torch.cat([torch.stack(stats, 1), cells], 1), self.whole(torch.cat(stats, 1))

    def read(self, pictures: Tensor, kind: Tensor) -> Tensor:
        """Sets of pictures (b, n, 3, 48, 48) and their kinds (b,) -> what each query found,
        (b, queries, width)."""
        b, n = pictures.shape[:2]
        tokens, summary = self.tokens(pictures.flatten(0, 1))
        x = self.queries[kind] + summary.view(b, n, -1).mean(1)[:, None]
        tokens = tokens.reshape(b, -1, tokens.shape[-1])
        for reader in self.readers:
            x = reader(x, tokens)
        return self.norm(x)

    def forward(self, pictures: Tensor, kind: Tensor) -> list[tuple[Tensor, Tensor]]:
        """The factors of each module: down (r, in), the same for all, and up (b, out, r)."""
        c = self.config
        grey = torch.zeros_like(pictures[:1, :1]).expand(len(KINDS), -1, -1, -1, -1)
        found = self.read(pictures, kind)
        neutral = self.read(grey, torch.arange(len(KINDS), device=kind.device))
        said = (found - neutral[kind])[:, self.query_of] * c.width**-0.5
        mixed = torch.einsum("bmw,mwk->mbk", said, self.mix).unflatten(-1, (c.basis, c.rank))
        return [
            (down, up @ rows) for down, up, rows in zip(self.down, self.up, mixed, strict=True)
        ]


def branches(
    config: SynthConfig, factors: list[tuple[Tensor, Tensor]]
) -> Mapping[Module, Branch]:
    """What runs beside the base: one generated adapter per share of the rows."""
    return {
        Module(part, path): Branch(down.expand(len(up), -1, -1), up)
        for (part, path, _, _), (down, up) in zip(config.modules, factors, strict=True)
    }


def moments(m: Tensor) -> Tensor:
    """Mean and spread of each channel of maps (n, c, h, w), (n, 2 c)."""
    flat = m.flatten(2)
    return torch.cat([flat.mean(2), (flat.var(2) + 1e-4).sqrt()], 1)


def _columns(rows: int, count: int) -> nn.Parameter:
    """Orthonormal columns, or rows if there are fewer of them."""
    return nn.Parameter(nn.init.orthogonal_(torch.empty(rows, count)))
