"""Is the world too easy? Shortcuts that must not find an artist or an individual.

Colour histograms must not find the artist; outlines alone and colours alone must not tell who is
shown. The last two are given every chance: encoders that are trained for nothing else, on
silhouettes (the convolutional trunk of the judges) and on colour histograms (a two-layer net).
Silhouettes are perfect here, which no picture in a genre gives: that check is strict.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorarium.bases.processor import bfloat16_pays
from lorarium.encoders.episodes import COUNT, MEMBERS, draw, prepared
from lorarium.encoders.losses import against_prototypes
from lorarium.encoders.nets import COARSE, SIZE, ConvTrunk
from lorarium.encoders.training import FitConfig, Loss, Losses, fit
from lorarium.evaluation.trials import Scores, Trials, score, scores_of, subject_trials
from lorarium.world.splits import SEEN_CLASSES
from lorarium.world.styles import GENRES, Brush
from lorarium.world.styles.brush import genre

Array = np.ndarray
OUTLINE = "outline"


def colour_histogram(pictures: Array, bins: int = 4) -> Array:
    """Square roots of the shares (..., bins^3) of colours in pictures (..., h, w, 3)."""
    *lead, h, w, _ = pictures.shape
    levels = pictures.reshape(-1, h * w, 3).astype(np.int64) * bins // 256
    cells = (levels[..., 0] * bins + levels[..., 1]) * bins + levels[..., 2]
    shares = np.stack([np.bincount(row, minlength=bins**3) for row in cells]) / (h * w)
    return np.sqrt(shares).astype(np.float32).reshape(*lead, -1)


def histogram_scores(trials: Trials) -> dict[str, Scores]:
    """Colour histograms against the references' mean, and against the nearest reference."""
    known, asked = colour_histogram(trials.references), colour_histogram(trials.queries)
    nearest = np.einsum("mqd,krd->mqkr", asked, known, optimize=True).max(3)
    return {
        "mean": score(known, asked, trials.group),
        "nearest": scores_of(nearest, trials.group),
    }


@contextmanager
def outlines() -> Iterator[str]:
    """For a while the world has one more genre: the bare silhouette."""

    def paint(b: Brush) -> Array:
        return np.repeat(b.d.cover[None], 3, axis=0)

    genre(OUTLINE, ("linen",), {}, recolour=lambda b, colours: colours)(paint)
    try:
        yield OUTLINE
    finally:
        del GENRES[OUTLINE]


class OutlineNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk = ConvTrunk(2)
        self.squeeze = nn.Conv2d(COARSE, 32, 1)
        cells = 32 * (SIZE // 8) ** 2
        self.layout = nn.Sequential(nn.LayerNorm(cells), nn.Linear(cells, 192), nn.ReLU())
        self.identity, self.kind = nn.Linear(192, 64), nn.Linear(192, len(SEEN_CLASSES))
        self.scale, self.bias = _calibration()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        half = self.training and bfloat16_pays(x.device)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=half):
            coarse = self.trunk(x)[2].float()
        hidden = self.layout(self.squeeze(coarse).flatten(1))
        return F.normalize(self.identity(hidden)), self.kind(hidden)


class ColourNet(nn.Module):
    BINS = 8

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Sequential(
            nn.LayerNorm(self.BINS**3), nn.Linear(self.BINS**3, 192), nn.ReLU()
        )
        self.identity, self.kind = nn.Linear(192, 64), nn.Linear(192, len(SEEN_CLASSES))
        self.scale, self.bias = _calibration()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        pictures = ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        shares = colour_histogram(pictures.permute(0, 2, 3, 1).cpu().numpy(), self.BINS)
        hidden = self.hidden(torch.from_numpy(shares).to(x.device))
        return F.normalize(self.identity(hidden)), self.kind(hidden)


def _calibration() -> tuple[nn.Parameter, nn.Parameter]:
    return nn.Parameter(torch.tensor(2.3)), nn.Parameter(torch.tensor(-5.0))


@dataclass(frozen=True)
class Shortcut:
    name: str
    across: Scores  # photo references, queries in any genre (outlines: silhouettes all)
    alike: Scores  # queries in photo too


def identity_by(
    what: str, folder: Path, total: int, minutes: float, *, seed: int, per_class: int = 8,
    queries: int = 8, device: str = "cpu",
) -> Shortcut:  # fmt: skip
    """Train an encoder on `outlines` or `colours` alone and let it judge identity on test."""
    torch.manual_seed(seed)
    look = OUTLINE if what == "outlines" else None
    net: nn.Module = OutlineNet() if look else ColourNet()

    def begin(step: int) -> Loss:
        random = np.random.default_rng([seed, step])

        def loss(model: nn.Module) -> Losses:
            assert isinstance(model, OutlineNet | ColourNet)
            e = draw("", SIZE, random, look=look)
            vectors, kinds = model(prepared(e.pictures).to(device))
            person = e.individual.to(device)
            return {
                "individual": against_prototypes(vectors, person, MEMBERS, model.scale, model.bias),
                "class": 0.5 * F.cross_entropy(kinds, e.kind.to(device)),
            }  # fmt: skip

        return loss

    with outlines():
        plan = FitConfig(total=total, batch=COUNT, seed=seed)
        net, _ = fit(folder, net, begin, plan, minutes, device)
        if look:
            alike = subject_trials(
                "test", per_class, queries, seed=seed, genres=(look,), reference_genre=look
            )
            across = alike
        else:
            across = subject_trials("test", per_class, queries, seed=seed)
            alike = subject_trials("test", per_class, queries, seed=seed, genres=("photo",))
    return Shortcut(what, _encoder_scores(net, across, device), _encoder_scores(net, alike, device))


def _encoder_scores(net: nn.Module, trials: Trials, device: str) -> Scores:
    def vectors(pictures: Array) -> Array:
        flat = torch.from_numpy(pictures.reshape(-1, *pictures.shape[-3:])).permute(0, 3, 1, 2)
        with torch.no_grad():
            parts = [net(prepared(part).to(device))[0].cpu() for part in flat.split(256)]
        return torch.cat(parts).numpy().reshape(*pictures.shape[:-3], -1)

    return score(vectors(trials.references), vectors(trials.queries), trials.group)


def overlap_scores(trials: Trials) -> Scores:
    """Silhouettes compared without learning: largest overlap (intersection over union) with a
    reference, both at one place and scale, over mirrors and small turns."""
    turns = [(mirror, angle) for mirror in (1.0, -1.0) for angle in np.linspace(-0.42, 0.42, 7)]
    known = _posed(trials.references, [(1.0, 0.0)])[0]
    asked = _posed(trials.queries, turns)
    members, queries = trials.queries.shape[:2]
    area = known.sum(1)
    best = np.zeros((members * queries, len(trials.references), trials.references.shape[1]))
    for way in asked:
        intersection = way @ known.T
        union = way.sum(1)[:, None] + area[None] - intersection
        best = np.maximum(best, (intersection / union).reshape(best.shape))
    return scores_of(best.max(2).reshape(members, queries, -1), trials.group)


def _posed(silhouettes: Array, ways: list[tuple[float, float]], size: int = 32) -> list[Array]:
    """White shapes (..., h, w, 3) moved to the middle and to one spread, then turned: one array
    (n, size * size) for every way."""
    flat = torch.from_numpy(silhouettes[..., 0].reshape(-1, 1, *silhouettes.shape[-3:-1]))
    x = flat.float() / 255
    n, _, h, w = x.shape
    mass = x.sum((1, 2, 3))
    rows, columns = torch.linspace(-1, 1, h)[:, None], torch.linspace(-1, 1, w)[None]
    cx, cy = ((x[:, 0] * axis).sum((1, 2)) / mass for axis in (columns, rows))
    away = (columns - cx[:, None, None]) ** 2 + (rows - cy[:, None, None]) ** 2
    spread = ((x[:, 0] * away).sum((1, 2)) / mass).sqrt() / 0.45
    poses = []
    for mirror, angle in ways:
        cos, sin = float(np.cos(angle)), float(np.sin(angle))
        theta = torch.zeros(n, 2, 3)
        theta[:, 0, 0], theta[:, 0, 1], theta[:, 0, 2] = spread * cos * mirror, -spread * sin, cx
        theta[:, 1, 0], theta[:, 1, 1], theta[:, 1, 2] = spread * sin * mirror, spread * cos, cy
        grid = F.affine_grid(theta, [n, 1, size, size], align_corners=True)
        poses.append(F.grid_sample(x, grid, align_corners=True).reshape(n, -1).numpy())
    return poses
