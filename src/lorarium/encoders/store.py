"""Encoders as files: half-precision safetensors that carry their configuration and their card."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from lorarium.encoders.nets import NETS, NetConfig
from lorarium.errors import LorariumError
from lorarium.world.scene import PHOTO, Style, Subject, View, render
from lorarium.world.styles import GENRES
from lorarium.world.subjects import CLASSES
from lorarium.world.words import VOCABULARY

FORMAT = "lorarium-encoder/1"
Card = dict[str, Any]


@dataclass(frozen=True)
class Encoder:
    """A network and what is known about it."""

    net: nn.Module
    card: Card


@lru_cache(maxsize=1)
def world_hash() -> str:
    """A short text that changes with the world: a hash of its words, then what probe pictures of
    every class and genre look like, one byte for lightness and one for roughness each.

    Processors differ in the last digit of a sine, so the bytes are compared by `same_world` with
    a tolerance of one; a hash of the pictures themselves would refuse honest machines.
    """
    probes = [(Subject(kind, 7), Style(PHOTO, 7)) for kind in sorted(CLASSES)]
    probes += [(Subject(sorted(CLASSES)[i], i), Style(genre, i)) for genre in sorted(GENRES)
               for i in range(4)]  # fmt: skip
    views = [View(i) for i in range(len(probes))]
    pictures = render([s for s, _ in probes], [a for _, a in probes], views, 48).astype(np.float32)
    light = pictures.mean((1, 2, 3))
    rough = np.abs(np.diff(pictures, axis=2)).mean((1, 2, 3)) * 4
    looks = np.clip(np.rint(np.stack([light, rough], 1)), 0, 255).astype(np.uint8).tobytes()
    words = hashlib.sha256(json.dumps([VOCABULARY, sorted(CLASSES), sorted(GENRES)]).encode())
    return f"{words.hexdigest()[:16]}:{base64.b64encode(looks).decode()}"


def same_world(one: str, other: str) -> bool:
    words_1, _, looks_1 = one.partition(":")
    words_2, _, looks_2 = other.partition(":")
    a, b = (np.frombuffer(base64.b64decode(x), np.uint8).astype(int) for x in (looks_1, looks_2))
    return words_1 == words_2 and len(a) == len(b) and bool(np.abs(a - b).max(initial=0) <= 1)


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


def load_encoder(path: Path, device: str = "cpu") -> Encoder:
    """Read an encoder; one that stands on another world is refused."""
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
    if not same_world(card["world"], world_hash()):
        raise LorariumError(
            "was trained on another world than this one", where=str(path),
            hint="train it again: python -m lorarium.recipes judge_a (judge_b, clip_like, ...)",
        )  # fmt: skip
    net = NETS[about["net"]](NetConfig(**json.loads(about["config"])))
    net.load_state_dict(tensors)
    return Encoder(net.to(device).eval(), card)


def shipped(name: str, device: str = "cpu") -> Encoder:
    """An encoder among the assets: judge_a, judge_b, clip_like, dino_like."""
    path = Path(str(resources.files("lorarium"))) / "assets" / f"{name}.safetensors"
    if not path.exists():
        raise LorariumError(
            f"there is no encoder {name!r} among the assets", where=str(path.parent),
            hint=f"train it: python -m lorarium.recipes {name}",
        )  # fmt: skip
    return load_encoder(path, device)
