"""The stage `judges`: the two judges and the papers' baselines, from scratch on the drawn world.

`judge_a`, `judge_b`, `clip_like` and `dino_like` each go on from their checkpoint and ship with
their card when they win on validation.
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
from lorarium.encoders.store import (
    Card,
    inherit,
    load_encoder,
    save_encoder,
    shipped,
    with_past,
)
from lorarium.encoders.training import FitConfig, Loss, Losses, fit
from lorarium.errors import LorariumError
from lorarium.evaluation.judges import calibrate
from lorarium.evaluation.verification import verification, zero_shot
from lorarium.recipes.baselines import train_clip_like, train_dino_like
from lorarium.trained import ASSETS
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

    def begin(step: int) -> Loss:
        replay = Replay(name[-1], SIZE, [plan.seed, step])
        random = torch.Generator().manual_seed(plan.seed + step)

        def loss(model: nn.Module) -> Losses:
            assert isinstance(model, Pupil)
            e = replay.next(FRESH)
            x = roughened(prepared(e.pictures).to(device), random)
            return judge_losses(model, e, x.contiguous(memory_format=torch.channels_last))

        return loss

    pupil = Pupil(CONFIGS[name])
    before = inherit(pupil.judge, name)
    trained, spent = fit(folder, pupil, begin, plan, minutes, device)
    assert isinstance(trained, Pupil)
    return trained.judge, with_past(spent, before)


TRAINERS: dict[str, Callable[[str, FitConfig, Path, str, float], tuple[nn.Module, Spent]]] = {
    "judge_a": train_judge,
    "judge_b": train_judge,
    "clip_like": train_clip_like,
    "dino_like": train_dino_like,
}


SHARES = {"judge_b": 0.4, "judge_a": 0.4, "clip_like": 0.12, "dino_like": 0.08}  # of the time


def run(device: str, minutes: float) -> None:
    """Go on with all encoders, each for its share of the time."""
    for name, part in SHARES.items():
        go_on(name, device, minutes * part)


def due() -> bool:
    """While one is missing or stands on another world."""
    try:
        for name in TRAINERS:
            shipped(name)
    except LorariumError:
        return True
    return False


def go_on(
    name: str, device: str = "cpu", minutes: float = 60, *, runs: Path = Path("runs"),
    assets: Path = ASSETS, total: int | None = None,
) -> bool:  # fmt: skip
    """Go on with one encoder for so many minutes; whether it ships. `total` shortens its plan."""
    plan = PLANS[name] if total is None else replace(PLANS[name], total=total)
    net, spent = TRAINERS[name](name, plan, runs / name, device, minutes)
    card: Card = {
        "name": name,
        "data": "the drawn world: seen classes and genres of the train split, drawn endlessly",
        "recipe": asdict(plan),
        "spent": spent,
        "world": world_mark(),
        "licence": "CC0-1.0",
    }
    if isinstance(net, JudgeNet):
        card["thresholds"] = asdict(calibrate(net))
    splits = ("validation", "test")
    if isinstance(net, JudgeNet):
        card["scores"] = {split: verification(net, split) for split in splits}
    elif isinstance(net, ClipLike):
        card["scores"] = {split: zero_shot(net, split) for split in splits}
    path = assets / f"{name}.safetensors"
    if not wins(card, path):
        print(f"the shipped {name} keeps its place", flush=True)
        return False
    save_encoder(path, net, card)
    return True


def wins(card: Card, shipped_path: Path) -> bool:
    """Whether an encoder is better on validation than what is shipped for the same world; what
    has no score wins by having seen more."""
    try:
        old = load_encoder(shipped_path).card
    except LorariumError:
        return True
    return _rank(card) > _rank(old)


def _rank(card: Card) -> float:
    figures = card.get("scores", {}).get("validation")
    if figures is None:
        return float(card["spent"]["pictures"])
    if "style" in figures:
        return -float(figures["style"]["error"] + figures["subject"]["error"])
    return float(figures["class"] + figures["genre"])
