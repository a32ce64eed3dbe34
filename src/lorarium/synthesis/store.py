"""Generators as files: half-precision safetensors with their configuration and their card."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from torch import Tensor

from lorarium.bases.base import Base
from lorarium.encoders.store import shipped
from lorarium.errors import LorariumError
from lorarium.files import exists, require_regular
from lorarium.formats import container
from lorarium.synthesis.net import Eyes, Generator, SynthConfig
from lorarium.trained import ASSETS
from lorarium.world.mark import same_world, world_mark

FORMAT = "lorarium-synth/1"
ASSET = ASSETS / "synth.safetensors"
AGAIN = "train it: python -m lorarium.recipes synth"
EYES = "eyes."  # head of their names
Card = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Synth:
    """A generator, what belongs to it (what it has seen, directions with names) and its card."""

    net: Generator
    extras: Mapping[str, Tensor]
    card: Card = field(default_factory=dict)
    hash: str = ""  # of the file it came from


def save_synth(path: Path, net: Generator, extras: Mapping[str, Tensor], card: Card) -> None:
    """Write beside, then rename; the card also lies beside the file, for people.

    Eyes that are the shipped judge A's stay out of the file; the card says which they are.
    """
    weights = {k: v.detach().cpu().half() for k, v in net.state_dict().items()}
    eyes = {k: v for k, v in weights.items() if k.startswith(EYES)}
    if (own := _hash(eyes)) == _hash(_judges_eyes()):
        weights = {k: v for k, v in weights.items() if k not in eyes}
        card = {**card, "eyes": own}
    weights = {f"net.{k}": v for k, v in weights.items()}
    weights |= {f"extra.{k}": v.detach().cpu().half() for k, v in extras.items()}
    tensors = {k: v.contiguous().numpy() for k, v in weights.items()}
    about = {
        "format": FORMAT, "config": json.dumps(asdict(net.config)),
        "card": json.dumps(card, sort_keys=True),
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    container.save(path, tensors, about, force=True)
    text = json.dumps(card, indent=1, sort_keys=True) + "\n"
    container.write_atomically(path.with_suffix(".json"), [text.encode()], force=True)


def load_synth(path: Path | None = None, base: Base | None = None) -> Synth:
    """A generator (the shipped one by default); refused on another world or base than its own."""
    path = path or Path(os.environ.get("LORARIUM_SYNTH", ASSET))
    if not exists(path):
        raise LorariumError(
            "no such generator", where=str(path), hint=AGAIN if path == ASSET else ""
        )
    require_regular(path)
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            if about.get("format") != FORMAT:
                raise LorariumError(f"not a generator of format {FORMAT}", where=str(path))
            tensors = {k: file.get_tensor(k).float() for k in file.keys()}
        numbers, card = json.loads(about["config"]), json.loads(about["card"])
        rows = tuple(tuple(row) for row in numbers.pop("modules"))
        loud = tuple(numbers.pop("loud", SynthConfig.loud))
        net = Generator(SynthConfig(rows, loud=loud, **numbers))
        if "eyes" in card:
            eyes = _judges_eyes()
            if _hash(eyes) != card["eyes"]:
                raise LorariumError("looks with another judge A", where=str(path), hint=AGAIN)
            tensors |= {f"net.{k}": v for k, v in eyes.items()}
        net.load_state_dict(_named(tensors, "net."))
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RuntimeError):
        raise LorariumError("cannot be read as a generator", where=str(path)) from None
    if card.get("world") and not same_world(card["world"], world_mark()):
        raise LorariumError("was trained on another world", where=str(path), hint=AGAIN)
    if base is not None and base.hash != card.get("base_hash"):
        raise LorariumError(
            f"writes for base {str(card.get('base_hash'))[:12]}, this one is {base.hash[:12]}",
            where=str(path), hint=AGAIN,
        )  # fmt: skip
    net = net.to(base.device if base is not None else "cpu").eval().requires_grad_(False)
    mark = _hash(tensors, about["config"])
    return Synth(net, _named(tensors, "extra."), card, mark)


def _judges_eyes() -> dict[str, Tensor]:
    """The shipped judge A's, by their names in a generator."""
    eyes = Eyes()
    eyes.inherit(shipped("judge_a").net)
    return {EYES + k: v for k, v in eyes.state_dict().items()}


def _named(tensors: Mapping[str, Tensor], head: str) -> dict[str, Tensor]:
    return {k.removeprefix(head): v for k, v in tensors.items() if k.startswith(head)}


def _hash(tensors: Mapping[str, Tensor], config: str = "") -> str:
    digest = hashlib.sha256(config.encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensors[name].half().cpu().numpy()).tobytes())
    return digest.hexdigest()
