"""A Stable-Diffusion-type UNet: what diffusers calls `UNet2DConditionModel`, for its common case.

Names, shapes and results are diffusers' (tests/bases/test_unet.py), so its adapters are ordinary
files; here it starts as fast as torch does. `UNetConfig` holds the fields of the config that
matter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class UNetConfig:
    sample_size: int = 12
    in_channels: int = 24
    out_channels: int = 24
    block_out_channels: tuple[int, ...] = (96, 160)
    layers_per_block: int = 1
    attention_head_dim: tuple[int, ...] = (3, 5)  # the number of heads, as in diffusers' SD 2
    cross_attention_dim: int = 128
    norm_num_groups: int = 16

    def for_diffusers(self) -> dict[str, Any]:
        """The config of the same network in diffusers."""
        levels = len(self.block_out_channels)
        return {
            **{k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()},
            "_class_name": "UNet2DConditionModel",
            "down_block_types": ["CrossAttnDownBlock2D"] * levels,
            "mid_block_type": "UNetMidBlock2DCrossAttn",
            "up_block_types": ["CrossAttnUpBlock2D"] * levels,
            "use_linear_projection": True,
        }


class ResnetBlock(nn.Module):
    def __init__(self, inner: int, outer: int, time: int, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, inner, eps=1e-5)
        self.conv1 = nn.Conv2d(inner, outer, 3, padding=1)
        self.time_emb_proj = nn.Linear(time, outer)
        self.norm2 = nn.GroupNorm(groups, outer, eps=1e-5)
        self.conv2 = nn.Conv2d(outer, outer, 3, padding=1)
        if inner != outer:
            self.conv_shortcut = nn.Conv2d(inner, outer, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = h + self.time_emb_proj(time)[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return h + (self.conv_shortcut(x) if hasattr(self, "conv_shortcut") else x)


class Attention(nn.Module):
    def __init__(self, width: int, context: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(context, width, bias=False)
        self.to_v = nn.Linear(context, width, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(width, width), nn.Identity()])

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        def split(y: Tensor) -> Tensor:
            return y.unflatten(-1, (self.heads, -1)).transpose(1, 2)

        q, k, v = split(self.to_q(x)), split(self.to_k(context)), split(self.to_v(context))
        return self.to_out[0](F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class GEGLU(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 2 * hidden)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, -1)
        return value * F.gelu(gate)


class FeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.ModuleList(
            [GEGLU(width, 4 * width), nn.Identity(), nn.Linear(4 * width, width)]
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net[2](self.net[0](x))


class TransformerBlock(nn.Module):
    def __init__(self, width: int, context: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn1 = Attention(width, width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.attn2 = Attention(width, context, heads)
        self.norm3 = nn.LayerNorm(width)
        self.ff = FeedForward(width)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        h = self.norm1(x)
        x = x + self.attn1(h, h)
        x = x + self.attn2(self.norm2(x), context)
        return x + self.ff(self.norm3(x))


class Transformer2D(nn.Module):
    def __init__(self, width: int, context: int, heads: int, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, width, eps=1e-6)
        self.proj_in = nn.Linear(width, width)
        self.transformer_blocks = nn.ModuleList([TransformerBlock(width, context, heads)])
        self.proj_out = nn.Linear(width, width)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        n, c, height, width = x.shape
        h = self.proj_in(self.norm(x).permute(0, 2, 3, 1).reshape(n, height * width, c))
        h = self.proj_out(self.transformer_blocks[0](h, context))
        return x + h.reshape(n, height, width, c).permute(0, 3, 1, 2)


class Downsample(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Upsample(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class _Layers(nn.Module):
    """Resnets, each with attention after it; `inner` are the channels each resnet receives."""

    def __init__(self, inner: list[int], outer: int, c: UNetConfig, heads: int, time: int) -> None:
        super().__init__()
        groups, context = c.norm_num_groups, c.cross_attention_dim
        self.resnets = nn.ModuleList([ResnetBlock(n, outer, time, groups) for n in inner])
        self.attentions = nn.ModuleList(
            [Transformer2D(outer, context, heads, groups) for _ in inner]
        )


class DownBlock(_Layers):
    def forward(self, x: Tensor, skips: list[Tensor], time: Tensor, words: Tensor) -> Tensor:
        for resnet, attention in zip(self.resnets, self.attentions, strict=True):
            x = attention(resnet(x, time), words)
            skips.append(x)
        if hasattr(self, "downsamplers"):
            x = self.get_submodule("downsamplers.0")(x)
            skips.append(x)
        return x


class UpBlock(_Layers):
    def forward(self, x: Tensor, skips: list[Tensor], time: Tensor, words: Tensor) -> Tensor:
        for resnet, attention in zip(self.resnets, self.attentions, strict=True):
            x = attention(resnet(torch.cat([x, skips.pop()], 1), time), words)
        return self.get_submodule("upsamplers.0")(x) if hasattr(self, "upsamplers") else x


class MiddleBlock(nn.Module):
    def __init__(self, width: int, c: UNetConfig, heads: int, time: int) -> None:
        super().__init__()
        groups = c.norm_num_groups
        self.resnets = nn.ModuleList([ResnetBlock(width, width, time, groups) for _ in range(2)])
        self.attentions = nn.ModuleList(
            [Transformer2D(width, c.cross_attention_dim, heads, groups)]
        )

    def forward(self, x: Tensor, time: Tensor, words: Tensor) -> Tensor:
        x = self.attentions[0](self.resnets[0](x, time), words)
        return self.resnets[1](x, time)


class TimeEmbedding(nn.Module):
    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(inner, outer)
        self.linear_2 = nn.Linear(outer, outer)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear_2(F.silu(self.linear_1(x)))


class UNet(nn.Module):
    """Noisy latents (n, c, h, w), steps (n,) of 0 to 999, words (n, tokens, d) -> (n, c, h, w)."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = c = config
        widths, heads = c.block_out_channels, c.attention_head_dim
        time = 4 * widths[0]
        self.time_embedding = TimeEmbedding(widths[0], time)
        self.conv_in = nn.Conv2d(c.in_channels, widths[0], 3, padding=1)
        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        skips = [widths[0]]
        last = widths[0]
        for i, width in enumerate(widths):
            inner = [last] + [width] * (c.layers_per_block - 1)
            block = DownBlock(inner, width, c, heads[i], time)
            skips += [width] * c.layers_per_block
            if i + 1 < len(widths):
                block.downsamplers = nn.ModuleList([Downsample(width)])
                skips.append(width)
            self.down_blocks.append(block)
            last = width
        self.mid_block = MiddleBlock(last, c, heads[-1], time)
        for i, width in reversed(list(enumerate(widths))):
            inner = []
            for _ in range(c.layers_per_block + 1):
                inner.append(last + skips.pop())
                last = width
            up = UpBlock(inner, width, c, heads[i], time)
            if i > 0:
                up.upsamplers = nn.ModuleList([Upsample(width)])
            self.up_blocks.append(up)
        self.conv_norm_out = nn.GroupNorm(c.norm_num_groups, widths[0], eps=1e-5)
        self.conv_out = nn.Conv2d(widths[0], c.out_channels, 3, padding=1)

    def forward(self, x: Tensor, step: Tensor, words: Tensor) -> Tensor:
        time = F.silu(self.time_embedding(step_features(step, self.config.block_out_channels[0])))
        h = self.conv_in(x)
        skips = [h]
        for block in self.down_blocks:
            h = block(h, skips, time, words)
        h = self.mid_block(h, time, words)
        for block in self.up_blocks:
            h = block(h, skips, time, words)
        return self.conv_out(F.silu(self.conv_norm_out(h)))


def step_features(step: Tensor, width: int) -> Tensor:
    """Cosines, then sines of steps, (n, width): diffusers' with `flip_sin_to_cos` and no shift."""
    half = width // 2
    rates = torch.exp(-math.log(10_000) / half * torch.arange(half, device=step.device))
    angle = step.float()[:, None] * rates
    return torch.cat([angle.cos(), angle.sin()], 1)


def unet_config(config: Mapping[str, Any]) -> UNetConfig:
    """The fields of a diffusers config that this network knows."""
    fields: dict[str, Any] = {
        k: tuple(config[k]) if isinstance(config[k], list) else config[k]
        for k in UNetConfig.__dataclass_fields__
        if k in config
    }
    return UNetConfig(**fields)
