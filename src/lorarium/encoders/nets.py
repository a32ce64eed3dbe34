"""Small networks from pictures (n, 3, 48, 48) in [-1, 1] to vectors of unit length.

Two trunks (convolutions; a transformer on a convolutional stem) share one shape of answer, a
coarse and a fine feature map, so that any head sits on either.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorarium.bases.processor import bfloat16_pays

SIZE = 48
FINE, MIDDLE, COARSE = 32, 64, 128  # channels at 24, 12 and 6 cells a side
HIDDEN = 192


@dataclass(frozen=True)
class NetConfig:
    trunk: str = "conv"  # or "attention"
    width: int = 64  # of every vector
    classes: int = 0
    genres: int = 0
    words: int = 0
    depth: int = 2  # residual blocks a level, and attention layers


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(F.relu(self.norm(x)))))


class ConvTrunk(nn.Module):
    def __init__(self, depth: int) -> None:
        super().__init__()
        self.fine = nn.Conv2d(3, FINE, 4, 2, 1)
        self.middle = nn.Sequential(
            nn.Conv2d(FINE, MIDDLE, 4, 2, 1), *[Residual(MIDDLE) for _ in range(depth)]
        )
        self.coarse = nn.Sequential(
            nn.ReLU(), nn.Conv2d(MIDDLE, COARSE, 2, 2), *[Residual(COARSE) for _ in range(depth)]
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        fine = F.relu(self.fine(x))
        middle = self.middle(fine)
        return fine, F.relu(middle), F.relu(self.coarse(middle))


class Attention(nn.Module):
    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 3 * width), nn.Linear(3 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, t, w = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(n, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, w)
        x = x + self.out(mixed)
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class AttentionTrunk(nn.Module):
    """A convolutional stem down to 6 x 6 tokens, then attention among them."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.fine = nn.Conv2d(3, FINE, 4, 2, 1)
        self.middle = nn.Sequential(
            nn.Conv2d(FINE, MIDDLE, 4, 2, 1), *[Residual(MIDDLE) for _ in range(depth)]
        )
        self.coarse = nn.Conv2d(MIDDLE, COARSE, 2, 2)
        self.place = nn.Parameter(0.02 * torch.randn(1, (SIZE // 8) ** 2, COARSE))
        self.layers = nn.Sequential(*[Attention(COARSE) for _ in range(depth)])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        fine = F.gelu(self.fine(x))
        middle = F.gelu(self.middle(fine))
        coarse = self.coarse(middle)
        with torch.autocast(x.device.type, enabled=False):
            tokens = self.layers(coarse.float().flatten(2).transpose(1, 2) + self.place)
        return fine, middle, tokens.transpose(1, 2).reshape(coarse.shape)


class JudgeNet(nn.Module):
    """One trunk; heads for artist, genre, individual, class and words."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = config
        trunks = {"conv": ConvTrunk, "attention": AttentionTrunk}
        self.trunk = trunks[config.trunk](config.depth)
        hidden = HIDDEN
        channels = 2 * (FINE + MIDDLE + COARSE)
        self.texture = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, hidden), nn.ReLU())
        self.squeeze = nn.Conv2d(COARSE, 32, 1)
        cells = 32 * (SIZE // 8) ** 2
        self.layout = nn.Sequential(nn.LayerNorm(cells), nn.Linear(cells, hidden), nn.ReLU())
        self.style = nn.Linear(hidden, config.width)
        self.identity = nn.Linear(hidden, config.width)
        self.genre = nn.Linear(hidden, config.genres)
        self.kind = nn.Linear(hidden, config.classes)
        self.picture = nn.Linear(2 * hidden, config.width)
        self.words = nn.EmbeddingBag(config.words, config.width, mode="sum", padding_idx=0)
        nn.init.normal_(self.words.weight, std=0.1)
        # scale and bias of the two verification scores, learned, so that one threshold serves
        # every genre and class
        self.scales = nn.Parameter(torch.tensor([2.3, 2.3, 2.3]))
        self.biases = nn.Parameter(torch.tensor([-5.0, -5.0]))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """`style`, `identity`, `picture` (n, width) of unit length; `genre`, `kind` logits."""
        # half the digits are enough for convolutions and half again as fast on processors
        # that have them
        half = self.training and bfloat16_pays(x.device)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=half):
            maps = [m.float() for m in self.trunk(x)]
        flat = [m.flatten(2) for m in maps]
        means = [m.mean(2) for m in flat]
        spread = [(m.var(2) + 1e-4).sqrt() for m in flat]
        texture = self.texture(torch.cat([*means, *spread], 1))
        layout = self.layout(self.squeeze(maps[2]).flatten(1))
        return {
            "style": F.normalize(self.style(texture)),
            "identity": F.normalize(self.identity(layout)),
            "picture": F.normalize(self.picture(torch.cat([texture, layout], 1))),
            "genre": self.genre(texture),
            "kind": self.kind(layout),
            "texture": texture,
            "layout": layout,
            "middle": maps[1],
        }

    def say(self, words: Tensor) -> Tensor:
        """Word numbers (n, tokens) as unit vectors (n, width)."""
        return F.normalize(self.words(words))


class ClipLike(nn.Module):
    """A picture tower and a word tower that meet (Radford et al. 2021, arXiv 2103.00020)."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = ConvTrunk(config.depth)
        self.picture = nn.Sequential(nn.LayerNorm(4 * COARSE), nn.Linear(4 * COARSE, config.width))
        self.words = nn.EmbeddingBag(config.words, HIDDEN, mode="sum", padding_idx=0)
        self.text = nn.Sequential(nn.LayerNorm(HIDDEN), nn.Linear(HIDDEN, config.width))
        nn.init.normal_(self.words.weight, std=0.1)
        self.scale = nn.Parameter(torch.tensor(2.3))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"picture": F.normalize(self.picture(_summary(self.trunk, x)))}

    def say(self, words: Tensor) -> Tensor:
        """Word numbers (n, tokens) as unit vectors (n, width)."""
        return F.normalize(self.text(self.words(words)))


class DinoLike(nn.Module):
    """A picture tower that never saw a label."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = ConvTrunk(config.depth)
        self.picture = nn.Sequential(nn.LayerNorm(4 * COARSE), nn.Linear(4 * COARSE, config.width))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"picture": F.normalize(self.raw(x))}

    def raw(self, x: Tensor) -> Tensor:
        """Vectors whose length is free, for training."""
        return self.picture(_summary(self.trunk, x))


def _summary(trunk: ConvTrunk, x: Tensor) -> Tensor:
    """Mean, spread and largest value of every channel, and upper half less lower half."""
    half = torch.is_grad_enabled() and bfloat16_pays(x.device)
    with torch.autocast(x.device.type, torch.bfloat16, enabled=half):
        coarse = trunk(x)[2].float()
    flat = coarse.flatten(2)
    halves = F.adaptive_avg_pool2d(coarse, 2)
    upper = halves[:, :, 0].mean(2) - halves[:, :, 1].mean(2)
    return torch.cat([flat.mean(2), (flat.var(2) + 1e-4).sqrt(), flat.amax(2), upper], 1)


NETS: dict[str, type[nn.Module]] = {
    "JudgeNet": JudgeNet, "ClipLike": ClipLike, "DinoLike": DinoLike,
}  # fmt: skip
