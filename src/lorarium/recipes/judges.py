"""Train the judges and the papers' baselines: `python -m lorarium.recipes judge_a --minutes N`.

Stages `judge_a`, `judge_b`, `clip_like`, `dino_like`; each goes on from its checkpoint and leaves
an asset with its card. A later run replaces the asset.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorarium.encoders.episodes import COUNT, MEMBERS, Episode, Replay, prepared, roughened
from lorarium.encoders.genome import Genome
from lorarium.encoders.losses import against_prototypes, contrast, same_rows
from lorarium.encoders.nets import HIDDEN, SIZE, ClipLike, JudgeNet, NetConfig
from lorarium.encoders.store import Card, save_encoder
from lorarium.encoders.training import FitConfig, Losses, fit
from lorarium.evaluate.judges import calibrate
from lorarium.evaluate.verification import verification, zero_shot
from lorarium.recipes.baselines import train_clip_like, train_dino_like
from lorarium.world.mark import world_mark
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES
from lorarium.world.words import VOCABULARY

FRESH = 0.3  # share of episodes that are newly rendered
CONFIGS = {
    "judge_a": NetConfig("conv", 64, len(SEEN_CLASSES), len(SEEN_GENRES), len(VOCABULARY), 2),
    "judge_b": NetConfig("attention", 64, len(SEEN_CLASSES), len(SEEN_GENRES), len(VOCABULARY), 2),
}
PLANS = {
    "judge_a": FitConfig(total=2_000_000, batch=COUNT, seed=11),
    "judge_b": FitConfig(total=2_000_000, batch=COUNT, seed=12),
    "clip_like": FitConfig(total=600_000, batch=COUNT, seed=13),
    "dino_like": FitConfig(total=600_000, batch=COUNT, seed=14),
}
Spent = dict[str, float]


class Pupil(nn.Module):
    """A judge and the heads that only teach it."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.judge = JudgeNet(config)
        self.genome = Genome(HIDDEN, config.classes, config.genres)


def judge_losses(pupil: Pupil, e: Episode, x: Tensor) -> Losses:
    device = x.device
    net = pupil.judge
    o = net(x)
    genre, kind, words = e.genre.to(device), e.kind.to(device), e.words.to(device)
    artist, person = e.artist.to(device), e.individual.to(device)
    s, b = net.scales, net.biases
    return {
        "artist": against_prototypes(o["style"], artist, MEMBERS, s[0], b[0]),
        "individual": against_prototypes(o["identity"], person, MEMBERS, s[1], b[1]),
        "genre": 0.3 * F.cross_entropy(o["genre"], genre),
        "class": 0.5 * F.cross_entropy(o["kind"], kind),
        "words": 0.2 * contrast(o["picture"], net.say(words), s[2], same_rows(words)),
        "genome": pupil.genome(
            o["layout"], o["texture"], e.subject.to(device), e.style.to(device), kind, genre
        ),
    }  # fmt: skip


def train_judge(
    name: str, plan: FitConfig, folder: Path, device: str, minutes: float
) -> tuple[nn.Module, Spent]:
    torch.manual_seed(plan.seed)
    replay = Replay(name[-1], SIZE, plan.seed)
    random = torch.Generator().manual_seed(plan.seed)

    def loss(model: nn.Module, step: int) -> Losses:
        assert isinstance(model, Pupil)
        e = replay.next(FRESH)
        x = roughened(prepared(e.pictures).to(device), random)
        return judge_losses(model, e, x.contiguous(memory_format=torch.channels_last))

    pupil, spent = fit(folder, Pupil(CONFIGS[name]), loss, plan, minutes, device)
    assert isinstance(pupil, Pupil)
    return pupil.judge, spent


STAGES: dict[str, Callable[[str, FitConfig, Path, str, float], tuple[nn.Module, Spent]]] = {
    "judge_a": train_judge,
    "judge_b": train_judge,
    "clip_like": train_clip_like,
    "dino_like": train_dino_like,
}


def run(
    stage: str, device: str = "cpu", minutes: float = 60, *, runs: Path = Path("runs"),
    assets: Path | None = None, total: int | None = None,
) -> Path:  # fmt: skip
    """Go on with a stage for so many minutes and write its asset; `total` shortens the plan."""
    train, plan = STAGES[stage], PLANS[stage]
    plan = plan if total is None else replace(plan, total=total)
    net, spent = train(stage, plan, runs / stage, device, minutes)
    card: Card = {
        "name": stage,
        "data": "the drawn world, train split, seen classes and genres, drawn endlessly",
        "recipe": asdict(plan),
        "spent": spent,
        "world": world_mark(),
        "licence": "CC0-1.0",
    }
    if isinstance(net, JudgeNet):
        thresholds = calibrate(net)
        card["thresholds"] = asdict(thresholds)
        card["scores"] = {
            "validation": verification(net, "validation"), "test": verification(net, "test"),
        }  # fmt: skip
    elif isinstance(net, ClipLike):
        card["scores"] = {"test": zero_shot(net, "test")}
    path = (assets or Path(__file__).parents[1] / "assets") / f"{stage}.safetensors"
    save_encoder(path, net, card)
    return path
