"""Generators as files: half-precision safetensors with their configuration and their card."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lorarium import trained
from lorarium.adapter import Array, Module
from lorarium.adopted import lender, trained_file
from lorarium.bases.base import Base, modules
from lorarium.encoders.store import shipped
from lorarium.errors import LorariumError
from lorarium.synthesis.net import Eyes, Generator, SynthConfig
from lorarium.trained import Card, FileKind
from lorarium.world.mark import require_this_world

KIND = FileKind("generator", "lorarium.recipes synth", {"format": "lorarium-synth/1"})
ASSET = trained.asset("synth")
NET, EXTRA = "net.", "extra."  # how the names of either begin in a file
EYES = "eyes."  # and, inside the net, those of its eyes


@dataclass(frozen=True, eq=False)
class Synth:
    """A generator, what belongs to it (what it has seen, directions with names) and its card."""

    net: Generator
    extras: Mapping[str, Tensor]
    card: Card = field(default_factory=dict)
    hash: str = ""  # of the file it came from


def save_synth(path: Path, net: Generator, extras: Mapping[str, Tensor], card: Card) -> None:
    """Eyes that are the shipped judge A's stay out of the file; the card says which they are."""
    weights = trained.half_weights(net)
    eyes = {name: array for name, array in weights.items() if name.startswith(EYES)}
    if (own := trained.weights_mark(eyes)) == trained.weights_mark(_judges_eyes()):
        weights = {name: array for name, array in weights.items() if name not in eyes}
        card = {**card, "eyes": own}
    tensors = {NET + name: array for name, array in weights.items()}
    tensors |= {EXTRA + k: v.detach().cpu().half().contiguous().numpy() for k, v in extras.items()}
    trained.save(path, KIND, tensors, card, {"config": json.dumps(asdict(net.config))})


def load_synth(path: Path | None = None, base: Base | None = None) -> Synth:
    """A generator (by default the one of the base); refused on another world or base."""
    path = path or _usual(base)
    file = trained.load(path, KIND)
    weights = {name: np.array(array, np.float16) for name, array in file.tensors.items()}
    if "eyes" in file.card:
        eyes = _judges_eyes()
        if trained.weights_mark(eyes) != file.card["eyes"]:
            raise LorariumError("looks with another judge A", where=str(path), hint=KIND.again)
        weights |= {NET + name: array for name, array in eyes.items()}
    with trained.fitting(path):
        config = file.header["config"]
        numbers = json.loads(config)
        rows = tuple(tuple(row) for row in numbers.pop("modules"))
        loud = tuple(numbers.pop("loud", SynthConfig.loud))
        net = Generator(SynthConfig(rows, loud=loud, **numbers))
        trained.fill(net, {k.removeprefix(NET): v for k, v in weights.items() if k.startswith(NET)})
    if world := file.card.get("world"):
        require_this_world(world, path, KIND.again)
    if base is not None and lender() is not None:
        _require_modules(net, base, path)
    elif base is not None and base.hash != file.card.get("base_hash"):
        raise LorariumError(
            f"writes for base {str(file.card.get('base_hash'))[:12]}, this one is {base.hash[:12]}",
            where=str(path), hint=KIND.again,
        )  # fmt: skip
    net = net.to(base.device if base is not None else "cpu").eval().requires_grad_(False)
    extras = {name: torch.from_numpy(array) for name, array in file.floats(EXTRA).items()}
    return Synth(net, extras, file.card, trained.weights_mark(weights, config))


def _usual(base: Base | None) -> Path:
    """The generator for a base, as far as anybody trained one."""
    if named := os.environ.get("LORARIUM_SYNTH"):
        return Path(named)
    if base is None:
        return ASSET
    path = trained_file(ASSET, base.family, [base.hash])
    if path is None:
        raise LorariumError(
            f"no generator was trained for base {base.hash[:12]}", hint="make one: lorarium adopt"
        )
    return path


def _require_modules(net: Generator, base: Base, path: Path) -> None:
    """A borrowed generator writes for the modules that a base has."""
    shapes = modules(base, "all", tuple(base.networks))
    for part, name, out, into in net.config.modules:
        if shapes.get(Module(part, name)) != (out, into):
            what = f"writes for modules that this base has not, such as {name}"
            raise LorariumError(what, where=str(path), hint="borrow from a base of this size")


def _judges_eyes() -> dict[str, Array]:
    """The shipped judge A's, by their names in a generator."""
    eyes = Eyes()
    eyes.inherit(shipped("judge_a").net)
    return {EYES + name: array for name, array in trained.half_weights(eyes).items()}
