"""The stage `merge`: LoRA.rar's network, from adapters made for it into one small asset.

Mints what `merge.toml` names, learns from pairs of its train split, and ships when the distillation
loss on pairs of the validation split is below the shipped one's and below the sum's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from lorarium import trained
from lorarium.bases.base import Base, open_base
from lorarium.bases.rounded import rounded
from lorarium.encoders.training import FitConfig
from lorarium.errors import LorariumError
from lorarium.evaluation.describe.zoo import Zoo, load, read_zoo
from lorarium.mergers.lora_rar import ASSET, KIND, TARGETS, Network, load_network
from lorarium.recipes.describe import mark
from lorarium.recipes.timebox import TimeBox
from lorarium.recipes.workplace import Workplace
from lorarium.recipes.zoo import mint_into
from lorarium.training.distil import DistillationSet
from lorarium.training.manifest import Manifest, read_manifest
from lorarium.training.merger import CoefficientNet, Member, PairedAdapters, distance, train_merger
from lorarium.training.mint import job_of

RUN = "merge"
FOLDER = f"{RUN}/zoo"
RECIPE = Path(__file__).with_name("merge.toml")
PLAN = FitConfig(total=8 * 3000, batch=8, muon=2e-3, adam=2e-3, ema=0.99, seed=31)


def run(
    place: Workplace, minutes: float, todo: Manifest | None = None, plan: FitConfig = PLAN,
    batch: int | None = None,
) -> None:  # fmt: skip
    """Mint, train on it and ship what wins."""
    box = TimeBox(minutes)
    zoo = minted(place, minutes, todo, batch)
    box.check(f"{len(zoo.entries)} adapters are minted, nothing was learned from them")
    train(zoo, place, minutes=box.left, plan=plan)


def minted(
    place: Workplace, minutes: float, todo: Manifest | None = None, batch: int | None = None
) -> Zoo:
    """The adapters that merging is learned on, made where they are missing."""
    manifest = todo or read_manifest(RECIPE)
    mint_into(place, FOLDER, manifest, minutes, quick=True, batch=batch)
    return read_zoo(place.runs / FOLDER)


def due() -> bool:
    """While none ships, or it does not fit the base."""
    try:
        return load_network(ASSET).card.get("base_hash") != open_base().hash
    except LorariumError:
        return True


def train(
    zoo: Zoo, place: Workplace, *, minutes: float = 30, plan: FitConfig = PLAN,
    targets: Sequence[str] = TARGETS,
) -> bool:  # fmt: skip
    """Whether what was learned ships; goes on from its checkpoint."""
    base, asset = place.base, place.asset(ASSET)
    if zoo.base_hash != base.hash:
        raise LorariumError("these adapters were trained on another base", where=str(zoo.folder))
    learned, known = (
        [members(zoo, base, kind, split) for kind in ("subject", "style")]
        for split in ("train", "validation")
    )
    subjects, styles = learned
    folder = place.runs / RUN / mark(zoo)[:12]
    with rounded(base):
        net, spent = train_merger(
            base,
            subjects,
            styles,
            folder,
            plan=plan,
            minutes=minutes,
            targets=targets,
            by_time=not place.to_the_end,
        )
    validation = PairedAdapters(base, *known)
    scores = {"lora-rar": distance(validation, net), "sum": distance(validation, None)}
    print(f"validation: {scores}", flush=True)
    card: dict[str, Any] = {
        "name": "lora-rar",
        "data": "pairs of subject and style adapters of the zoo's train split, and their pictures",
        "family": base.family, "base_hash": base.hash, "zoo": mark(zoo),
        "recipe": asdict(plan) | {"targets": targets}, "spent": spent,
        "subjects": len(subjects), "styles": len(styles),
        "scores": {"validation": {k: round(v, 6) for k, v in scores.items()}},
        "licence": "CC0-1.0",
    }  # fmt: skip
    if not wins(card, asset):
        print("no better than what is there: nothing ships", flush=True)
        return False
    save(asset, net, card)
    return True


def members(zoo: Zoo, base: Base, kind: str, split: str, recipe: str | None = None) -> list[Member]:
    """The adapters of a split (and recipe), with what they were trained on."""
    corpus = load(zoo, kind, split)
    if not corpus.entries:
        raise LorariumError(f"no {kind} adapters of the split {split}", where=str(zoo.folder))
    split_members = []
    for entry, adapter in zip(corpus.entries, corpus.adapters, strict=True):
        if recipe not in (None, entry.recipe):
            continue
        job = job_of(entry, base)
        pictures = torch.from_numpy(job.pictures).permute(0, 3, 1, 2).to(base.device)
        latents = base.to_latent(pictures.float() / 127.5 - 1)
        split_members.append(Member(adapter, DistillationSet(latents, job.prompts)))
    return split_members


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
    """The file that `merge --method lora-rar` reads."""
    trained.save(path, KIND, net.tensors(), card, {"targets": ",".join(net.targets)})


def learned_net(network: Network) -> CoefficientNet:
    """A network from its file, as it was when it learned."""
    sizes = {height: (2 * height) ** 0.5 for height in network.inputs}  # its lengths are folded in
    net = CoefficientNet(sizes, network.output[0].shape[1], network.targets)
    with torch.no_grad():
        for height, (W, b) in network.inputs.items():
            net.layer(height).weight.copy_(torch.from_numpy(W))
            net.layer(height).bias.copy_(torch.from_numpy(b))
        net.output.weight.copy_(torch.from_numpy(network.output[0]))
        net.output.bias.copy_(torch.from_numpy(network.output[1]))
    return net.requires_grad_(False)
