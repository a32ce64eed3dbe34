"""Pictures as they come from models and files: bent, blurred, resized, noised, signs smeared."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lorarium.recipes.drawn_bank import Held
from lorarium.recipes.shards import Shard

SMEARED = 8  # pictures of a shard
LEAST_EMBLEM = 0.01  # of the picture, or smearing it changes nothing


def roughened(x: Tensor, random: torch.Generator) -> Tensor:
    """Pictures in [-1, 1] as they come from models and files: noised, blurred, resized, shifted."""
    n, device = len(x), x.device

    def some(share: float) -> Tensor:
        return (torch.rand(n, 1, 1, 1, generator=random) < share).float().to(device)

    soft = torch.rand(n, 1, 1, 1, generator=random).to(device) * some(0.4)
    x = x + soft * (F.avg_pool2d(x, 3, 1, 1, count_include_pad=False) - x)
    small = F.interpolate(x, scale_factor=0.75, mode="bilinear", antialias=True)
    x = x + some(0.2) * (F.interpolate(small, x.shape[-2:], mode="bilinear") - x)
    amount = 0.12 * torch.rand(n, 1, 1, 1, generator=random).to(device) ** 2 * some(0.7)
    x = x + amount * torch.randn(x.shape, generator=random).to(device)
    light = 1 + 0.06 * torch.randn(n, 1, 1, 1, generator=random).to(device)
    # blocks of 8 whose fine detail is rounded, as JPEG does
    blocks = F.interpolate(F.avg_pool2d(x, 2), scale_factor=2.0, mode="nearest")
    x = x + 0.5 * some(0.15) * (blocks - x)
    return (x * light).clamp(-1.2, 1.2)


def wobbled(x: Tensor, random: torch.Generator) -> Tensor:
    """Some pictures bent a little, as models' lines are."""
    n = len(x)
    some = (torch.rand(n, 1, 1, 1, generator=random) < 0.35).float()
    amount = some * 0.07 * torch.rand(n, 1, 1, 1, generator=random)
    bend = F.interpolate(torch.randn(n, 2, 6, 6, generator=random), x.shape[-2:], mode="bicubic")
    still = F.affine_grid(torch.eye(2, 3).expand(n, -1, -1), list(x.shape), align_corners=False)
    grid = still + (amount * bend).permute(0, 2, 3, 1)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def smeared(
    shard: Shard, person: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, Held] | None:
    """Pictures in which what stands for the emblem says nothing: not the individual."""
    emblem_share = shard.fields[..., 0].mean((1, 2)) / 255
    rows = random.permutation(np.flatnonzero(emblem_share > LEAST_EMBLEM))[:SMEARED]
    if not len(rows):
        return None
    x = torch.from_numpy(shard.pictures[rows]).permute(0, 3, 1, 2).float()
    mask = torch.from_numpy(shard.fields[rows, :, :, :1]).permute(0, 3, 1, 2).float() / 255
    mask = F.interpolate(mask, x.shape[-2:], mode="bilinear")
    mask = F.max_pool2d(mask, 3, 1, 1)
    body = F.interpolate(
        torch.from_numpy(shard.fields[rows, :, :, 1:2]).permute(0, 3, 1, 2).float() / 255,
        x.shape[-2:], mode="bilinear",
    )  # fmt: skip
    # the emblem's place takes the colours of the body around it, softly
    weight = body * (1 - mask) + 1e-3
    for _ in range(2):
        around = F.avg_pool2d(x * weight, 9, 1, 4) / F.avg_pool2d(weight, 9, 1, 4)
    keep = torch.from_numpy(random.uniform(0, 0.35, (len(rows), 1, 1, 1))).float()
    x = x + mask * (1 - keep) * (around - x)
    pictures = x.clamp(0, 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return pictures, Held("person", person[rows], np.zeros(len(rows), np.float32), None)
