"""micro-1: a small text-to-image transformer on pixel patches, trained on the drawn world.

Flow matching with x-prediction: x_t = (1 - t) x + t noise, the network says x. 48x48 pictures in
64 overlapping patches, a two-layer word encoder, cross-attention. Module names follow diffusers'
transformers, so its LoRAs are ordinary files.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Of the picture's network."""

    size: int = 48  # pixels of a side
    patch: int = 6  # stride of the patches; size / patch = 8 tokens a side
    overlap: int = 2  # pixels that a patch reaches into its neighbours
    width: int = 168
    layers: int = 6
    heads: int = 6
    text_width: int = 128


@dataclass(frozen=True, kw_only=True)
class MicroConfig(Shape):
    words: int  # size of the vocabulary
    text_layers: int = 2
    text_heads: int = 4
    tokens: int = 12  # longest prompt
    # how it is trained: the noise share's logit is normal, the loss is on velocity, which divides
    # the error of x by max(t, least_noise) squared
    time_mean: float = 0.7
    time_spread: float = 1.0
    least_noise: float = 0.25


class Attention(nn.Module):
    """`to_q`, `to_k`, `to_v`, `to_out.0`, as diffusers names them."""

    def __init__(self, width: int, context: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(context, width, bias=False)
        self.to_v = nn.Linear(context, width, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x: Tensor, context: Tensor, mask: Tensor | None = None) -> Tensor:
        def split(y: Tensor) -> Tensor:
            return y.unflatten(-1, (self.heads, -1)).transpose(1, 2)

        q, k, v = split(self.to_q(x)), split(self.to_k(context)), split(self.to_v(context))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.to_out[0](y.transpose(1, 2).flatten(2))


class GELU(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, hidden)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.proj(x), approximate="tanh")


class FeedForward(nn.Module):
    """`net.0.proj` and `net.2`."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.net = nn.ModuleList([GELU(width, hidden), nn.Identity(), nn.Linear(hidden, width)])

    def forward(self, x: Tensor) -> Tensor:
        return self.net[2](self.net[0](x))


class Block(nn.Module):
    """Self-attention, cross-attention, feed-forward; time enters by shift, scale and gate."""

    def __init__(self, c: Shape) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(c.width, elementwise_affine=False)
        self.attn1 = Attention(c.width, c.width, c.heads)
        self.attn2 = Attention(c.width, c.text_width, c.heads)
        self.norm2 = nn.LayerNorm(c.width)
        self.norm3 = nn.LayerNorm(c.width, elementwise_affine=False)
        self.ff = FeedForward(c.width, 4 * c.width)
        self.scale_shift_table = nn.Parameter(torch.randn(6, c.width) / c.width**0.5)

    def forward(self, x: Tensor, text: Tensor, mask: Tensor | None, time: Tensor) -> Tensor:
        s1, g1, a1, s2, g2, a2 = (self.scale_shift_table + time).unsqueeze(2).unbind(1)
        h = self.norm1(x) * (1 + g1) + s1
        x = x + a1 * self.attn1(h, h)
        x = x + self.attn2(self.norm2(x), text, mask)
        return x + a2 * self.ff(self.norm3(x) * (1 + g2) + s2)


class TextLayer(nn.Module):
    def __init__(self, c: MicroConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(c.text_width)
        self.attn1 = Attention(c.text_width, c.text_width, c.text_heads)
        self.norm2 = nn.LayerNorm(c.text_width)
        self.ff = FeedForward(c.text_width, 2 * c.text_width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        h = self.norm1(x)
        x = x + self.attn1(h, h, mask)
        return x + self.ff(self.norm2(x))


class TextEncoder(nn.Module):
    """Words (n, tokens) with 0 as padding -> (n, tokens, text_width)."""

    def __init__(self, c: MicroConfig) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(c.words, c.text_width)
        self.position_embedding = nn.Parameter(torch.randn(c.tokens, c.text_width) * 0.02)
        self.layers = nn.ModuleList([TextLayer(c) for _ in range(c.text_layers)])
        self.final_norm = nn.LayerNorm(c.text_width)
        nn.init.normal_(self.token_embedding.weight, std=0.3)

    def forward(self, words: Tensor) -> Tensor:
        mask = text_mask(words)
        x = self.token_embedding(words) + self.position_embedding[: words.shape[1]]
        for layer in self.layers:
            x = layer(x, mask)
        return self.final_norm(x)


def text_mask(words: Tensor) -> Tensor:
    """True where there is a word; the first place always counts, so that no row is empty."""
    real = words != 0
    real[:, 0] = True
    return real[:, None, None, :]


class Denoiser(nn.Module):
    def __init__(self, c: Shape) -> None:
        super().__init__()
        self.config = c
        reach = c.patch + 2 * c.overlap
        side = c.size // c.patch
        self.pos_embed = nn.Parameter(grid_embedding(side, c.width))
        self.proj_in = nn.Conv2d(3, c.width, reach, stride=c.patch, padding=c.overlap)
        self.time_embed = nn.ModuleList([nn.Linear(64, c.width), nn.Linear(c.width, c.width)])
        self.adaln_single = nn.Linear(c.width, 6 * c.width)
        self.transformer_blocks = nn.ModuleList([Block(c) for _ in range(c.layers)])
        self.norm_out = nn.LayerNorm(c.width)
        self.proj_out = nn.Linear(c.width, 3 * reach * reach)
        self.bias_out = nn.Parameter(torch.zeros(3, 1, 1))
        nn.init.zeros_(self.adaln_single.weight)
        nn.init.zeros_(self.adaln_single.bias)
        nn.init.normal_(self.proj_out.weight, std=0.02 / reach)
        nn.init.zeros_(self.proj_out.bias)

    def forward(self, x: Tensor, t: Tensor, text: Tensor, mask: Tensor | None = None) -> Tensor:
        """Noisy pictures (n, 3, s, s) in [-1, 1], times (n,) -> clean pictures."""
        return Denoiser.put_together(self, Denoiser.patches(self, x, t, text, mask))

    def patches(self, x: Tensor, t: Tensor, text: Tensor, mask: Tensor | None = None) -> Tensor:
        """What the last block says of each patch, (n, patches, width)."""
        h = self.proj_in(x).flatten(2).transpose(1, 2) + self.pos_embed
        time = self.time_embed[1](F.silu(self.time_embed[0](time_features(t))))
        time = self.adaln_single(F.silu(time)).unflatten(1, (6, -1))
        for block in self.transformer_blocks:
            h = block(h, text, mask, time)
        return self.norm_out(h)

    def put_together(self, patches: Tensor) -> Tensor:
        """Pictures of overlapping patches."""
        c = self.config
        reach = c.patch + 2 * c.overlap
        y = self.proj_out(patches).transpose(1, 2)
        return self.bias_out + F.fold(y, c.size, reach, stride=c.patch, padding=c.overlap)


class Micro(nn.Module):
    def __init__(self, config: MicroConfig) -> None:
        super().__init__()
        self.config = config
        self.text_encoder = TextEncoder(config)
        self.denoiser = Denoiser(config)

    def forward(self, x: Tensor, t: Tensor, words: Tensor) -> Tensor:
        return self.denoiser(x, t, self.text_encoder(words), text_mask(words))


def time_features(t: Tensor) -> Tensor:
    """Sines and cosines of times in [0, 1], (n, 64)."""
    rates = torch.exp(torch.linspace(0, math.log(1000.0), 32, device=t.device))
    angle = t[:, None].float() * rates
    return torch.cat([angle.sin(), angle.cos()], 1)


def grid_embedding(side: int, width: int) -> Tensor:
    """Fixed start of the learned place embedding: sines of row and column."""
    place = torch.arange(side) / side
    rates = math.pi * torch.arange(1, width // 4 + 1)
    wave = torch.cat([(place[:, None] * rates).sin(), (place[:, None] * rates).cos()], 1)
    rows = wave[:, None].expand(side, side, -1)
    columns = wave[None].expand(side, side, -1)
    return 0.3 * torch.cat([rows, columns], -1).reshape(side * side, -1)
