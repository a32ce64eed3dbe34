"""micro-1 behind the interface of bases, and its file: weights that say what they stand on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from lorarium.bases.base import Text
from lorarium.bases.micro import Micro, MicroConfig, text_mask
from lorarium.errors import LorariumError
from lorarium.files import exists, require_regular
from lorarium.formats import container
from lorarium.world.mark import same_world, world_mark
from lorarium.world.words import tokens

FAMILY = "micro-1"
ASSET = Path(__file__).parent.parent / "assets" / "micro-1.safetensors"


class MicroBase:
    """The embedded base: pixels are its latents."""

    family = FAMILY
    # of 1.0 to 4.0 the strength at which LoRAs of validation artists pass judge A most often
    guidance = 1.5
    distilled = False

    def __init__(self, model: Micro, device: str = "cpu") -> None:
        self.model = model.to(device).eval().requires_grad_(False)
        self.hash = weights_hash(model.state_dict())
        self.size = model.config.size

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"denoiser": self.model.denoiser, "text_encoder": self.model.text_encoder}

    @property
    def device(self) -> torch.device:
        return self.model.denoiser.pos_embed.device

    def encode(self, prompts: Sequence[str]) -> Text:
        words = torch.tensor([tokens(p) for p in prompts], device=self.device)
        return {"hidden": self.model.text_encoder(words), "mask": text_mask(words)}

    def predict(self, x: Tensor, t: Tensor, text: Text) -> Tensor:
        return self.model.denoiser(x, t, text["hidden"], text["mask"])

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return 1 - t, t

    def loss_weight(self, t: Tensor) -> Tensor:
        return t.clamp(min=self.model.config.least_noise) ** -2

    def sample_time(self, share: Tensor) -> Tensor:
        c = self.model.config
        return torch.sigmoid(c.time_mean + c.time_spread * torch.special.ndtri(share))

    def times(self, steps: int) -> list[float]:
        return [1 - i / steps for i in range(steps + 1)]

    def noise_shape(self, size: int) -> tuple[int, int, int]:
        if size != self.size:
            raise LorariumError(f"{FAMILY} makes pictures of {self.size} pixels, not {size}")
        return (3, size, size)

    def to_latent(self, pictures: Tensor) -> Tensor:
        return pictures

    def to_pictures(self, latents: Tensor) -> Tensor:
        return latents.clamp(-1, 1)


def weights_hash(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, shapes, types and bytes."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def save_micro(model: Micro, path: Path, card: Mapping[str, str] | None = None) -> str:
    """Write the base, rounded to half precision, with all that it stands on; the hash of the
    rounded weights is returned."""
    weights = {name: tensor.detach().cpu().half() for name, tensor in model.state_dict().items()}
    base_hash = weights_hash({name: tensor.float() for name, tensor in weights.items()})
    metadata = {
        **(card or {}),
        "lorarium.kind": "base",
        "lorarium.family": FAMILY,
        "lorarium.config": json.dumps(asdict(model.config)),
        "lorarium.world": world_mark(),
        "lorarium.hash": base_hash,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    container.save(
        path, {name: tensor.numpy() for name, tensor in weights.items()}, metadata, force=True
    )
    return base_hash


def load_micro(path: Path | None = None, device: str = "cpu") -> MicroBase:
    """The base of a file (the shipped one by default), refused if what it stands on changed."""
    path = path or Path(os.environ.get("LORARIUM_MICRO", ASSET))
    if not exists(path):
        hint = "train it with `python -m lorarium.recipes base`" if path == ASSET else ""
        raise LorariumError("no such base", where=str(path), hint=hint)
    require_regular(path)
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name).float() for name in file.keys()}
    except (SafetensorError, OSError) as error:
        raise LorariumError(f"not a safetensors file ({error})", where=str(path)) from None
    _check(metadata, path)
    try:
        model = Micro(MicroConfig(**json.loads(metadata["lorarium.config"])))
        model.load_state_dict(weights)
    except (KeyError, TypeError, ValueError, RuntimeError, ZeroDivisionError):
        raise LorariumError("its weights do not fit its configuration", where=str(path)) from None
    base = MicroBase(model, device)
    if base.hash != metadata.get("lorarium.hash"):
        raise LorariumError("its weights do not have the hash that it names", where=str(path))
    return base


def _check(metadata: Mapping[str, str], path: Path) -> None:
    if metadata.get("lorarium.kind") != "base" or metadata.get("lorarium.family") != FAMILY:
        raise LorariumError(f"not a {FAMILY} base", where=str(path))
    if not same_world(metadata.get("lorarium.world", ""), world_mark()):
        raise LorariumError(
            "made for another world or vocabulary",
            where=str(path),
            hint="use the base that ships with this version, or train one",
        )
