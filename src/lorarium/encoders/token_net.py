"""A judge's network of family 2: attention among 6 x 6 tokens beside a finer map of 12 x 12 cells.

It keeps places apart longer than `JudgeNet` does, because who is shown hangs on a small sign: which
emblem, and where on the body. `Fields` tells what a picture was drawn from, which teaches where to
look, and is thrown away after training.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorarium.encoders.nets import HIDDEN, Attention, NetConfig, Residual

FINE, MIDDLE, TOKEN = 32, 64, 128
CELLS, TOKENS = 12, 6  # a side
KEPT_CELLS, KEPT_TOKENS = 12, 32  # channels of each that are read place by place
ROUGH = 24  # cells a side of what teaches
LAYOUT = 2 * HIDDEN


class TokenTrunk(nn.Module):
    def __init__(self, depth: int) -> None:
        super().__init__()
        self.fine = nn.Conv2d(3, FINE, 4, 2, 1)
        self.fine_too = nn.Conv2d(FINE, FINE, 3, padding=1)
        self.middle = nn.Conv2d(FINE, MIDDLE, 4, 2, 1)
        self.residual = nn.Sequential(Residual(MIDDLE), Residual(MIDDLE))
        self.coarse = nn.Conv2d(MIDDLE, TOKEN, 2, 2)
        self.place = nn.Parameter(0.02 * torch.randn(1, TOKENS**2, TOKEN))
        self.layers = nn.Sequential(*[Attention(TOKEN) for _ in range(depth)])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps at 24, 12 and 6 cells a side."""
        fine = F.relu(self.fine(x))
        fine = fine + F.relu(self.fine_too(fine))
        middle = F.relu(self.residual(self.middle(fine)))
        coarse = self.coarse(middle)
        tokens = self.layers(coarse.flatten(2).transpose(1, 2) + self.place)
        return fine, middle, tokens.transpose(1, 2).reshape(coarse.shape)


class TokenNet(nn.Module):
    """Heads for artist, genre, individual and class, as `JudgeNet` has them."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = TokenTrunk(config.depth)
        channels = 2 * (FINE + MIDDLE + TOKEN)
        self.texture = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, HIDDEN), nn.GELU())
        self.keep_cells = nn.Conv2d(MIDDLE, KEPT_CELLS, 1)
        self.keep_tokens = nn.Conv2d(TOKEN, KEPT_TOKENS, 1)
        places = KEPT_CELLS * CELLS**2 + KEPT_TOKENS * TOKENS**2
        self.layout = nn.Sequential(nn.LayerNorm(places), nn.Linear(places, LAYOUT), nn.GELU())
        self.style = nn.Linear(HIDDEN, config.width)
        self.identity = nn.Linear(LAYOUT, config.width)
        self.genre = nn.Linear(HIDDEN, config.genres)
        self.kind = nn.Linear(LAYOUT, config.classes)
        self.scales = nn.Parameter(torch.tensor([2.3, 2.3]))
        self.biases = nn.Parameter(torch.tensor([-5.0, -5.0]))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        fine, middle, coarse = self.trunk(x)
        flat = [m.flatten(2) for m in (fine, middle, coarse)]
        means = [m.mean(2) for m in flat]
        # not var: it is slow, and its gradient slower
        spread = [
            ((m * m).mean(2) - mean * mean).clamp_min(0).add(1e-4).sqrt()
            for m, mean in zip(flat, means, strict=True)
        ]
        texture = self.texture(torch.cat([*means, *spread], 1))
        places = [self.keep_cells(middle).flatten(1), self.keep_tokens(coarse).flatten(1)]
        layout = self.layout(torch.cat(places, 1))
        return {
            "style": F.normalize(self.style(texture)),
            "identity": F.normalize(self.identity(layout)),
            "genre": self.genre(texture),
            "kind": self.kind(layout),
            "texture": texture,
            "layout": layout,
            "cells": middle,
        }


class Fields(nn.Module):
    """What a picture was drawn from, told cell by cell: logits (n, 3, 24, 24) of the emblem, the
    silhouette and the lines."""

    def __init__(self) -> None:
        super().__init__()
        self.say = nn.Conv2d(MIDDLE, 3 * (ROUGH // CELLS) ** 2, 1)

    def forward(self, cells: Tensor) -> Tensor:
        return F.pixel_shuffle(self.say(cells), ROUGH // CELLS)
