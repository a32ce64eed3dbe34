"""A judge's network of family 2: 12 x 12 tokens, and readers that look them over by attention.

It keeps places apart longer than `JudgeNet` does, because who is shown hangs on a small sign: which
emblem, and where on the body. `fields` tells what a picture was drawn from, which teaches where to
look and is thrown away with `Teaching`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorarium.encoders.nets import HIDDEN, Attention, NetConfig, Residual

FINE, TOKEN, READERS = 32, 96, 8
CELLS = 12
ROUGH = 24  # cells a side of what teaches


class Reader(nn.Module):
    """Readers (n, r, w) look at tokens (n, t, w), then speak among themselves."""

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm_readers, self.norm_tokens = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ask, self.keys = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.among = Attention(width, heads)

    def forward(self, readers: Tensor, tokens: Tensor) -> Tensor:
        n, r, w = readers.shape
        q = self.ask(self.norm_readers(readers)).view(n, r, self.heads, -1).transpose(1, 2)
        keys = self.keys(self.norm_tokens(tokens)).view(n, -1, 2, self.heads, w // self.heads)
        k, v = keys.permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(2, 3) * (w // self.heads) ** -0.5).softmax(-1)
        seen = (weights @ v).transpose(1, 2).reshape(n, r, w)
        return self.among(readers + self.out(seen))


class TokenTrunk(nn.Module):
    def __init__(self, depth: int) -> None:
        super().__init__()
        self.fine = nn.Conv2d(3, FINE, 4, 2, 1)
        self.fine_too = nn.Conv2d(FINE, FINE, 3, padding=1)
        self.middle = nn.Conv2d(FINE, 64, 4, 2, 1)
        self.residual = nn.Sequential(Residual(64), Residual(64))
        self.token = nn.Linear(64, TOKEN)
        self.place = nn.Parameter(0.02 * torch.randn(1, CELLS**2, TOKEN))
        self.readers = nn.Parameter(0.02 * torch.randn(1, READERS, TOKEN))
        self.among = Attention(TOKEN)
        self.looks = nn.ModuleList([Reader(TOKEN) for _ in range(depth)])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Maps at 24 and 12 cells a side, tokens (n, 144, w), readers (n, READERS, w)."""
        fine = F.gelu(self.fine(x), approximate="tanh")
        fine = fine + F.gelu(self.fine_too(fine), approximate="tanh")
        middle = self.residual(self.middle(fine))
        tokens = self.token(middle.flatten(2).transpose(1, 2)) + self.place
        tokens = self.among(tokens)
        readers = self.readers.expand(len(x), -1, -1)
        for look in self.looks:
            readers = look(readers, tokens)
        return fine, middle, tokens, readers


class TokenNet(nn.Module):
    """Heads for artist, genre, individual and class, as `JudgeNet` has them."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = TokenTrunk(config.depth)
        channels = 2 * (FINE + 64 + TOKEN)
        self.texture = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, HIDDEN), nn.GELU())
        read = READERS * TOKEN
        self.layout = nn.Sequential(nn.LayerNorm(read), nn.Linear(read, 2 * HIDDEN), nn.GELU())
        self.style = nn.Linear(HIDDEN, config.width)
        self.identity = nn.Linear(2 * HIDDEN, config.width)
        self.genre = nn.Linear(HIDDEN, config.genres)
        self.kind = nn.Linear(2 * HIDDEN, config.classes)
        self.scales = nn.Parameter(torch.tensor([2.3, 2.3]))
        self.biases = nn.Parameter(torch.tensor([-5.0, -5.0]))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        fine, middle, tokens, readers = self.trunk(x)
        maps = [fine.flatten(2), middle.flatten(2), tokens.transpose(1, 2)]
        means = [m.mean(2) for m in maps]
        spread = [(m.var(2) + 1e-4).sqrt() for m in maps]
        texture = self.texture(torch.cat([*means, *spread], 1))
        layout = self.layout(readers.flatten(1))
        return {
            "style": F.normalize(self.style(texture)),
            "identity": F.normalize(self.identity(layout)),
            "genre": self.genre(texture),
            "kind": self.kind(layout),
            "texture": texture,
            "layout": layout,
            "tokens": tokens,
        }


class Fields(nn.Module):
    """What a picture was drawn from, told token by token: logits (n, 3, 24, 24) of the emblem, the
    silhouette and the lines."""

    def __init__(self, token: int = TOKEN) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(token)
        self.say = nn.Linear(token, 3 * (ROUGH // CELLS) ** 2)

    def forward(self, tokens: Tensor) -> Tensor:
        flat = self.say(self.norm(tokens))
        cells = flat.transpose(1, 2).reshape(len(flat), -1, CELLS, CELLS)
        return F.pixel_shuffle(cells, ROUGH // CELLS)
