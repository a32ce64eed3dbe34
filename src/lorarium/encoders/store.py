"""Encoders as files: half-precision safetensors that carry their configuration and their card."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from lorarium.encoders.nets import NETS, NetConfig
from lorarium.errors import LorariumError
from lorarium.files import require_regular
from lorarium.world.mark import same_world, world_mark

FORMAT = "lorarium-encoder/1"
ASSETS = Path(str(resources.files("lorarium"))) / "assets"
Card = dict[str, Any]


@dataclass(frozen=True)
class PictureEncoder:
    """A network and what is known about it."""

    net: nn.Module
    card: Card


def save_encoder(path: Path, net: nn.Module, card: Card) -> None:
    """Write beside, then rename; the card also lies beside the file, for people."""
    config = net.config
    assert isinstance(config, NetConfig)
    tensors = {
        k: v.detach().cpu().to(torch.float16).contiguous() for k, v in net.state_dict().items()
    }
    about = {
        "format": FORMAT, "net": type(net).__name__, "config": json.dumps(asdict(config)),
        "card": json.dumps(card, sort_keys=True),
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    save_file(tensors, fresh, about)
    fresh.rename(path)
    path.with_suffix(".json").write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")


def load_encoder(path: Path, device: str = "cpu") -> PictureEncoder:
    """Read an encoder; one that stands on another world is refused."""
    require_regular(path)
    try:
        with safe_open(path, "pt", device=device) as file:
            about = file.metadata() or {}
            tensors = {k: file.get_tensor(k).float() for k in file.keys()}
    except (OSError, SafetensorError) as problem:
        raise LorariumError(
            "cannot be read as an encoder", where=str(path), hint="is it a safetensors file?"
        ) from problem
    if about.get("format") != FORMAT or about.get("net") not in NETS:
        raise LorariumError(
            f"is not an encoder of format {FORMAT}", where=str(path), hint="train it again"
        )
    card = json.loads(about["card"])
    if not same_world(card["world"], world_mark()):
        raise LorariumError(
            "was trained on another world than this one", where=str(path),
            hint="train it again: python -m lorarium.recipes judges",
        )  # fmt: skip
    net = NETS[about["net"]](NetConfig(**json.loads(about["config"])))
    net.load_state_dict(tensors)
    return PictureEncoder(net.to(device).eval(), card)


def mark_of(net: nn.Module) -> str:
    """A hash of an encoder's weights as its file holds them."""
    digest = hashlib.sha256()
    for name, tensor in sorted(net.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().to(torch.float16).contiguous().numpy().tobytes())
    return digest.hexdigest()


def inherit(net: nn.Module, name: str) -> dict[str, float]:
    """Start a network from what is shipped under this name, even if that stands on an older
    world; returns what went into it, nothing if it does not fit."""
    try:
        with safe_open(ASSETS / f"{name}.safetensors", "pt") as file:
            about = file.metadata() or {}
            net.load_state_dict({k: file.get_tensor(k).float() for k in file.keys()})
    except (OSError, SafetensorError, RuntimeError):
        return {}
    return dict(json.loads(about["card"])["spent"])


def with_past(spent: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    """What a run spent, with what went into the weights it started from."""
    return spent | {f"{k} before": v for k, v in before.items() if "before" not in k}


def shipped(name: str, device: str = "cpu") -> PictureEncoder:
    """An encoder among the assets: judge_a, judge_b, clip_like, dino_like."""
    path = ASSETS / f"{name}.safetensors"
    if not path.exists():
        raise LorariumError(
            f"there is no encoder {name!r} among the assets", where=str(path.parent),
            hint="train it: python -m lorarium.recipes judges",
        )  # fmt: skip
    return load_encoder(path, device)
