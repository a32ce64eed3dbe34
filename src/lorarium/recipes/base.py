"""Train micro-1 on the drawn world: `python -m lorarium.recipes base --minutes N`.

Resumable: everything lies in one checkpoint. Muon on the matrices, AdamW on the rest.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from lorarium.bases.micro import Micro, MicroConfig
from lorarium.files import open_regular
from lorarium.recipes.training_log import TrainingLog
from lorarium.world.scene import Style, Subject, View, render
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES, numbers
from lorarium.world.words import LONGEST, VOCABULARY, prompt, tokens


@dataclass(frozen=True)
class BaseRecipe:
    batch: int = 64
    muon: float = 0.02  # rate of the matrices
    adam: float = 1.5e-3  # rate of everything else
    warmup: int = 200  # steps
    decay: float = 0.25  # last part of the run over which the rates fall to a tenth
    ema: float = 0.999
    drop: float = 0.1  # prompts left out, for guidance
    fresh: float = 0.4  # share of a batch that is newly rendered
    pool: int = 24_000  # pictures kept
    seed: int = 1


def cast(count: int, r: np.random.Generator) -> tuple[list[Subject], list[Style]]:
    """Individuals and artists that a base may learn from."""
    kinds = r.integers(len(SEEN_CLASSES), size=count)
    genres = r.integers(len(SEEN_GENRES), size=count)
    subjects = [
        Subject(SEEN_CLASSES[k], n) for k, n in zip(kinds, numbers("train", count, r), strict=True)
    ]
    styles = [
        Style(SEEN_GENRES[g], n) for g, n in zip(genres, numbers("train", count, r), strict=True)
    ]
    return subjects, styles


class PicturePool:
    """A ring of rendered pictures and their words; a share of every batch is new."""

    def __init__(self, size: int, room: int, seed: int) -> None:
        self.size, self.random = size, np.random.default_rng(seed)
        self.pictures = np.zeros((room, size, size, 3), np.uint8)
        self.words = np.zeros((room, LONGEST), np.int64)
        self.filled = self.next = 0

    def render(self, count: int) -> None:
        r = self.random
        subjects, styles = cast(count, r)
        views = [View(n) for n in numbers("train", count, r)]
        pictures = render(subjects, styles, views, self.size)
        words = [tokens(prompt(s, a, r)) for s, a in zip(subjects, styles, strict=True)]
        self._put(pictures, np.array(words))

    def batch(self, count: int, fresh: float) -> tuple[Tensor, Tensor]:
        """Pictures (n, 3, s, s) in [-1, 1] and words (n, tokens)."""
        self.render(max(1, int(count * fresh)))
        return self._drawn(count)

    def close(self) -> None:
        """Nothing: what renders in other processes ends them."""

    def _put(self, pictures: np.ndarray, words: np.ndarray) -> None:
        rows = (self.next + np.arange(len(pictures))) % len(self.pictures)
        self.pictures[rows], self.words[rows] = pictures, words
        self.next = int((self.next + len(pictures)) % len(self.pictures))
        self.filled = min(self.filled + len(pictures), len(self.pictures))

    def _drawn(self, count: int) -> tuple[Tensor, Tensor]:
        rows = self.random.integers(self.filled, size=count)
        pictures = torch.from_numpy(self.pictures[rows]).permute(0, 3, 1, 2)
        return pictures.float() / 127.5 - 1, torch.from_numpy(self.words[rows])


def loss(model: Micro, x: Tensor, words: Tensor, r: BaseRecipe, random: torch.Generator) -> Tensor:
    """Mean squared velocity error at random noise levels."""
    n, c = len(x), model.config
    t = torch.sigmoid(c.time_mean + c.time_spread * torch.randn(n, generator=random)).to(x.device)
    noise = torch.randn(x.shape, generator=random).to(x.device)
    share = t[:, None, None, None]
    keep = torch.rand(n, 1, generator=random).to(x.device) >= r.drop
    prediction = model((1 - share) * x + share * noise, t, words * keep)
    weight = 1 / share.clamp(min=c.least_noise) ** 2
    return (weight * (prediction - x) ** 2).mean()


def optimizers(model: Micro, r: BaseRecipe) -> list[torch.optim.Optimizer]:
    matrices: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, p in model.named_parameters():
        inner = "transformer_blocks" in name or "layers" in name
        (matrices if p.ndim == 2 and inner and "table" not in name else rest).append(p)
    return [
        torch.optim.Muon(matrices, lr=r.muon, momentum=0.95, weight_decay=0.01),
        torch.optim.AdamW(rest, lr=r.adam, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def train(
    folder: Path, minutes: float, total: int, recipe: BaseRecipe, config: MicroConfig, device: str
) -> None:
    """Go on for so many minutes towards `total` pictures, whose last part cools the rates."""
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoint.pt"
    torch.manual_seed(recipe.seed)
    model = Micro(config).to(device)
    averaged = Micro(config).to(device)
    averaged.load_state_dict(model.state_dict())
    optims = optimizers(model, recipe)
    bases = [[g["lr"] for g in o.param_groups] for o in optims]
    step, seconds = 0, 0.0
    if checkpoint.exists():
        with open_regular(checkpoint) as file:
            state = torch.load(file, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        averaged.load_state_dict(state["averaged"])
        for o, s in zip(optims, state["optimizers"], strict=True):
            o.load_state_dict(s)
        step, seconds = state["step"], state["seconds"]
    pool = PicturePool(config.size, recipe.pool, recipe.seed + step)
    pool.render(4096)
    random = torch.Generator().manual_seed(recipe.seed + step)
    log, started = TrainingLog(folder, recipe.batch, 100), time.time()

    def save() -> None:
        state = {
            "model": model.state_dict(), "averaged": averaged.state_dict(),
            "optimizers": [o.state_dict() for o in optims], "step": step,
            "seconds": seconds + time.time() - started,
        }  # fmt: skip
        torch.save(state, checkpoint.with_suffix(".new"))
        checkpoint.with_suffix(".new").rename(checkpoint)

    steps = total // recipe.batch
    try:
        while step < steps and time.time() - started < minutes * 60:
            left = (steps - step) / steps
            heat = min(1.0, (step + 1) / recipe.warmup) * (
                0.1 + 0.9 * min(1.0, left / recipe.decay)
            )
            for o, lrs in zip(optims, bases, strict=True):
                for group, lr in zip(o.param_groups, lrs, strict=True):
                    group["lr"] = lr * heat
            x, words = pool.batch(recipe.batch, recipe.fresh)
            value = loss(model, x.to(device), words.to(device), recipe, random)
            value.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for o in optims:
                o.step()
                o.zero_grad()
            step += 1
            with torch.no_grad():
                ema = min(recipe.ema, (1 + step) / (10 + step))
                for a, p in zip(averaged.parameters(), model.parameters(), strict=True):
                    a.lerp_(p, 1 - ema)
            log.add(step, step * recipe.batch, value)
            if step % 500 == 0:
                save()
    finally:
        save()
        (folder / "recipe.json").write_text(
            json.dumps(
                {"recipe": asdict(recipe), "config": asdict(config), "total": total}, indent=1
            )
        )
    if step < steps:
        print(f"the time is over: {step} of {steps} steps; run it again to go on", flush=True)


def config() -> MicroConfig:
    return MicroConfig(words=len(VOCABULARY), tokens=LONGEST)
