"""The stage `merge`: LoRA.rar's network, from the zoo's train split into one small asset.

Subjects and styles are the adapters of the recipe that has copies. Ships when its distillation
loss on pairs of the validation split is below the shipped one's and below the sum's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from lorarium import __version__
from lorarium.encoders.training import FitConfig
from lorarium.errors import LorariumError
from lorarium.evaluate.describe.zoo import Zoo, load, read_zoo
from lorarium.formats import container
from lorarium.merge.lora_rar import ASSET, load_network
from lorarium.models.base import Base, open_base
from lorarium.recipes import zoo as zoo_stage
from lorarium.recipes.describe import mark
from lorarium.train.distil import Lesson
from lorarium.train.merger import CoefficientNet, Member, Troupe, distance, train_merger
from lorarium.train.mint import job_of

RUN = Path("runs/merge")
PLAN = FitConfig(total=8 * 6000, batch=8, muon=2e-3, adam=2e-3, ema=0.99, seed=31)


def run(device: str, minutes: float) -> None:
    """Train on `runs/zoo` and ship what wins."""
    base = open_base(None, device)
    train(read_zoo(zoo_stage.FOLDER), base, RUN, ASSET, minutes=minutes)


def due() -> bool:
    """While the zoo is whole and what ships does not stand on it."""
    zoo = zoo_stage.whole()
    if zoo is None:
        return False
    try:
        return load_network(ASSET).card.get("zoo") != mark(zoo)
    except LorariumError:
        return True


def train(
    zoo: Zoo, base: Base, runs: Path, asset: Path, *, minutes: float = 30, plan: FitConfig = PLAN
) -> bool:
    """Whether what was learned ships; goes on from its checkpoint."""
    if zoo.base_hash != base.hash:
        raise LorariumError("these adapters were trained on another base", where=str(zoo.folder))
    learned, known = (
        [members(zoo, base, kind, split) for kind in ("subject", "style")]
        for split in ("train", "validation")
    )
    subjects, styles = learned
    folder = runs / mark(zoo)[:12]
    net, spent = train_merger(base, subjects, styles, folder, plan=plan, minutes=minutes)
    judged = Troupe(base, *known)
    scores = {"lora-rar": distance(judged, net), "sum": distance(judged, None)}
    print(f"validation: {scores}", flush=True)
    card: dict[str, Any] = {
        "name": "lora-rar",
        "data": "pairs of subject and style adapters of the zoo's train split, and their pictures",
        "family": base.family, "base_hash": base.hash, "zoo": mark(zoo),
        "recipe": asdict(plan), "spent": spent,
        "subjects": len(subjects), "styles": len(styles),
        "scores": {"validation": {k: round(v, 6) for k, v in scores.items()}},
        "licence": "CC0-1.0",
    }  # fmt: skip
    if not wins(card, asset):
        print("no better than what is there: nothing ships", flush=True)
        return False
    save(asset, net, card)
    return True


def members(zoo: Zoo, base: Base, kind: str, split: str) -> list[Member]:
    """The adapters of the usual recipe, with what they were trained on."""
    corpus = load(zoo, kind, split)
    if not corpus.entries:
        raise LorariumError(f"no {kind} adapters of the split {split}", where=str(zoo.folder))
    found = []
    for entry, adapter in zip(corpus.entries, corpus.adapters, strict=True):
        if entry.recipe == corpus.usual:
            job = job_of(entry, base)
            pictures = torch.from_numpy(job.pictures).permute(0, 3, 1, 2).to(base.device)
            latents = base.to_latent(pictures.float() / 127.5 - 1)
            found.append(Member(adapter, Lesson(latents, job.prompts)))
    return found


def wins(card: Mapping[str, Any], path: Path) -> bool:
    """Nearer than the sum, and than what is shipped for the same base."""
    scores = card["scores"]["validation"]
    if not scores["lora-rar"] < scores["sum"]:
        return False
    try:
        old = load_network(path).card
    except LorariumError:
        return True
    if (old.get("base_hash"), old.get("zoo")) != (card["base_hash"], card["zoo"]):
        return True
    return bool(scores["lora-rar"] < old["scores"]["validation"]["lora-rar"])


def save(path: Path, net: CoefficientNet, card: Mapping[str, Any]) -> None:
    """The file `merge --method lora-rar` reads; the card also lies beside it, for people."""
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {
        "lorarium.version": __version__,
        "lorarium.targets": ",".join(net.targets),
        "lorarium.card": json.dumps(card, sort_keys=True),
    }
    container.save(path, net.tensors(), about)
    path.with_suffix(".json").write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")
