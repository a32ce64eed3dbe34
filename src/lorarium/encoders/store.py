"""Encoders as trained files: half-precision weights, their configuration and their card."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import nn

from lorarium import trained
from lorarium.encoders.looking_net import LookingNet
from lorarium.encoders.nets import NETS, NetConfig
from lorarium.errors import LorariumError
from lorarium.trained import Card, FileKind
from lorarium.world.mark import require_this_world

KINDS_OF_NETS = {**NETS, LookingNet.__name__: LookingNet}
KIND = FileKind("encoder", "lorarium.recipes judges", {"format": "lorarium-encoder/1"})


@dataclass(frozen=True)
class PictureEncoder:
    """A network and what is known about it."""

    net: nn.Module
    card: Card


def save_encoder(path: Path, net: nn.Module, card: Card) -> None:
    """Write an encoder; the card also lies beside the file, for people."""
    config = net.config
    assert isinstance(config, NetConfig)
    header = {"net": type(net).__name__, "config": json.dumps(asdict(config))}
    trained.save(path, KIND, trained.half_weights(net), card, header)


def load_encoder(path: Path, device: str = "cpu") -> PictureEncoder:
    """Read an encoder; one that stands on another world is refused."""
    file = trained.load(path, KIND)
    require_this_world(file.card.get("world", ""), path, KIND.again)
    with trained.fitting(path):
        net = KINDS_OF_NETS[file.header["net"]](NetConfig(**json.loads(file.header["config"])))
        trained.fill(net, file.floats())
    return PictureEncoder(net.to(device).eval(), file.card)


def mark_of(net: nn.Module) -> str:
    """A hash of an encoder's weights as its file holds them."""
    return trained.weights_mark(trained.half_weights(net))


def inherit(net: nn.Module, name: str) -> dict[str, float]:
    """Start a network from what is shipped under this name, even if that stands on an older
    world; returns what went into it, nothing if it does not fit."""
    path = trained.asset(name)
    try:
        file = trained.load(path, KIND)
        with trained.fitting(path):
            trained.fill(net, file.floats())
    except LorariumError:
        return {}
    return dict(file.card["spent"])


def with_past(spent: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    """What a run spent, with what went into the weights it started from."""
    return spent | {f"{k} before": v for k, v in before.items() if "before" not in k}


def shipped(name: str, device: str = "cpu") -> PictureEncoder:
    """An encoder among the assets: judge_a, judge_b, clip_like, dino_like."""
    return load_encoder(trained.asset(name), device)
