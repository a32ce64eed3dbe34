"""The stage `base`: train micro-1 in `runs/base`, and ship it when it wins on validation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lorarium.bases.base import losses
from lorarium.bases.micro import Micro, MicroConfig
from lorarium.bases.micro_base import ASSET, MicroBase, load_micro, save_micro
from lorarium.errors import LorariumError
from lorarium.files import open_regular
from lorarium.recipes import base
from lorarium.world.scene import Style, Subject, View, render
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES, numbers
from lorarium.world.words import prompt

RUN = Path("runs/base")
PICTURES = {"cpu": 400_000, "cuda": 20_000_000}  # of a whole run
LIGHTEST = 0.005  # a new base must be better by this share


def run(device: str, minutes: float) -> None:
    """Go on with the run; export what it has when that wins."""
    total = PICTURES[device]
    if (RUN / "recipe.json").exists():
        total = json.loads((RUN / "recipe.json").read_text())["total"]
    base.train(RUN, minutes, total, base.BaseRecipe(), base.config(), device)
    export(RUN / "checkpoint.pt", ASSET)


def due() -> bool:
    """While nothing is shipped, or what is shipped does not fit this version."""
    try:
        load_micro()
    except LorariumError:
        return True
    return False


def export(checkpoint: Path, asset: Path) -> bool:
    """Write the averaged weights as the asset if their validation loss is lower."""
    with open_regular(checkpoint) as file:
        state = torch.load(file, map_location="cpu", weights_only=True)
    model = Micro(config_of(checkpoint))
    model.load_state_dict(state["averaged"])
    fresh = validation_loss(MicroBase(model))
    print(f"validation loss {fresh:.5f} after {state['step']} steps", flush=True)
    try:
        shipped = validation_loss(load_micro(asset))
    except LorariumError:
        shipped = float("inf")
    if fresh >= shipped * (1 - LIGHTEST):
        print(f"the shipped base keeps its place with {shipped:.5f}", flush=True)
        return False
    card = {
        "lorarium.licence": "Apache-2.0",
        "lorarium.data": "the drawn world (no pictures from outside)",
        "lorarium.recipe": json.dumps(base.BaseRecipe().__dict__),
        "lorarium.steps": str(state["step"]),
        "lorarium.seconds": str(round(state["seconds"])),
        "lorarium.validation_loss": f"{fresh:.5f}",
    }
    print(f"shipped as {save_micro(model, asset, card)[:12]}", flush=True)
    return True


def config_of(checkpoint: Path) -> MicroConfig:
    """The configuration a run was started with."""
    file = checkpoint.parent / "recipe.json"
    return MicroConfig(**json.loads(file.read_text())["config"]) if file.exists() else base.config()


@torch.no_grad()
def validation_loss(model: MicroBase, count: int = 512) -> float:
    """The training loss on fixed pictures of the validation split, with fixed noise and times."""
    random = np.random.default_rng(5)
    kinds, genres = (
        random.integers(len(SEEN_CLASSES), size=count),
        random.integers(len(SEEN_GENRES), size=count),
    )
    subjects = [
        Subject(SEEN_CLASSES[k], n)
        for k, n in zip(kinds, numbers("validation", count, random), strict=True)
    ]
    styles = [
        Style(SEEN_GENRES[g], n)
        for g, n in zip(genres, numbers("validation", count, random), strict=True)
    ]
    views = [View(n) for n in numbers("validation", count, random)]
    pictures = torch.from_numpy(render(subjects, styles, views, model.size)).permute(0, 3, 1, 2)
    prompts = [prompt(s, a) for s, a in zip(subjects, styles, strict=True)]
    chance = torch.Generator().manual_seed(5)
    values: list[Tensor] = []
    for start in range(0, count, 32):
        rows = slice(start, start + 32)
        x = pictures[rows].float() / 127.5 - 1
        t = model.sample_time((torch.arange(len(x)) + 0.5) / len(x))
        noise = torch.randn(x.shape, generator=chance)
        values.append(losses(model, x, model.encode(prompts[rows]), t, noise))
    return float(torch.cat(values).mean())
