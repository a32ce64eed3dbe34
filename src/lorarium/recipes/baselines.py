"""The papers' baseline encoders, trained on the world: CLIP-like and DINO-like.

CLIP-like: pictures against the prompts the base is trained on. DINO-like: no word and no label;
two crops of a picture are to agree while all numbers keep their variance and stay uncorrelated
(VICReg, Bardes et al. 2022, arXiv 2105.04906).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorarium.encoders.episodes import prepared, roughened
from lorarium.encoders.losses import contrast, same_rows
from lorarium.encoders.nets import SIZE, ClipLike, DinoLike, NetConfig
from lorarium.encoders.store import inherit, with_past
from lorarium.encoders.training import FitConfig, Loss, Losses, fit
from lorarium.recipes.base import PicturePool
from lorarium.world.words import VOCABULARY

FRESH, ROOM = 0.3, 24_000


def train_clip_like(
    name: str, plan: FitConfig, folder: Path, device: str, minutes: float
) -> tuple[nn.Module, dict[str, float]]:
    torch.manual_seed(plan.seed)

    def begin(step: int) -> Loss:
        pool, random = _pool([plan.seed, step])

        def loss(model: nn.Module) -> Losses:
            assert isinstance(model, ClipLike)
            pictures, words = pool.batch(plan.batch, FRESH)
            words = words.to(device)
            x = roughened(pictures.to(device), random).contiguous(memory_format=torch.channels_last)
            texts, views = model.say(words), model(x)["picture"]
            return {"words": contrast(views, texts, model.scale, same_rows(words))}

        return loss

    net = ClipLike(NetConfig("conv", 128, words=len(VOCABULARY), depth=1))
    before = inherit(net, name)
    trained, spent = fit(folder, net, begin, plan, minutes, device)
    return trained, with_past(spent, before)


class DinoPupil(nn.Module):
    """The tower and the layers on it in which views are compared."""

    def __init__(self) -> None:
        super().__init__()
        self.net = DinoLike(NetConfig("conv", 64, depth=1))
        self.expand = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256))

    def forward(self, x: Tensor) -> Tensor:
        return self.expand(self.net.raw(x))


def train_dino_like(
    name: str, plan: FitConfig, folder: Path, device: str, minutes: float
) -> tuple[nn.Module, dict[str, float]]:
    torch.manual_seed(plan.seed)

    def begin(step: int) -> Loss:
        pool, random = _pool([plan.seed, step])

        def loss(model: nn.Module) -> Losses:
            assert isinstance(model, DinoPupil)
            pool.render(int(plan.batch / 2 * FRESH))
            rows = pool.random.integers(pool.filled, size=plan.batch // 2)
            x = prepared(torch.from_numpy(pool.pictures[rows]).permute(0, 3, 1, 2).to(device))
            views = torch.cat([cropped(x, random), cropped(x, random)])
            views = roughened(views, random).contiguous(memory_format=torch.channels_last)
            first, second = model(views).chunk(2)
            return vicreg(first, second)

        return loss

    pupil = DinoPupil()
    before = inherit(pupil.net, name)
    trained, spent = fit(folder, pupil, begin, plan, minutes, device)
    assert isinstance(trained, DinoPupil)
    return trained.net, with_past(spent, before)


def _pool(seed: list[int]) -> tuple[PicturePool, torch.Generator]:
    pool = PicturePool(SIZE, ROOM, int(np.random.SeedSequence(seed).generate_state(1)[0]))
    pool.render(2048)
    return pool, torch.Generator().manual_seed(sum(seed))


def cropped(x: Tensor, random: torch.Generator) -> Tensor:
    """A random part (45% to 100% of the area) of each picture, some mirrored, tinted, at full
    size again."""
    n = len(x)
    share = (0.45 + 0.55 * torch.rand(n, generator=random)).sqrt()
    move = (1 - share)[:, None] * (2 * torch.rand(n, 2, generator=random) - 1)
    flip = torch.where(torch.rand(n, generator=random) < 0.5, -1.0, 1.0)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = share * flip, share, move
    grid = F.affine_grid(theta, list(x.shape), align_corners=False).to(x.device)
    out = F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
    tint = 0.15 * torch.randn(n, 3, 1, 1, generator=random)
    return out + tint.to(x.device)


def vicreg(a: Tensor, b: Tensor) -> Losses:
    """Agreement, variance and decorrelation of two views' vectors (n, d)."""
    n, d = a.shape
    spread, mixed = a.new_zeros(()), a.new_zeros(())
    for z in (a, b):
        centred = z - z.mean(0)
        spread = spread + F.relu(1 - (centred.var(0) + 1e-4).sqrt()).mean()
        covariance = centred.T @ centred / (n - 1)
        mixed = mixed + (covariance.square().sum() - covariance.diagonal().square().sum()) / d
    return {"agree": 25 * F.mse_loss(a, b), "spread": 12.5 * spread, "mixed": mixed}
