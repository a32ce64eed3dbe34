"""micro-1 behind the interface of bases, and its file: weights that say what they stand on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from lorarium import trained
from lorarium.bases.base import Text
from lorarium.bases.holding import Holding
from lorarium.bases.micro import Micro, MicroConfig, text_mask
from lorarium.errors import LorariumError
from lorarium.formats.families.embedded import SHIPPED, ships
from lorarium.trained import FileKind
from lorarium.world.mark import require_this_world, world_mark
from lorarium.world.words import tokens

FAMILY = SHIPPED
ASSET = trained.asset(FAMILY)
KIND = FileKind(
    "micro-1 base",
    "lorarium.recipes base",
    {"kind": "base", "family": FAMILY},
    prefix="lorarium.",
    card=False,
)


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
    weights = trained.half_weights(model)
    base_hash = weights_hash({k: torch.from_numpy(v).float() for k, v in weights.items()})
    header = {
        **{key.removeprefix(KIND.prefix): text for key, text in (card or {}).items()},
        "config": json.dumps(asdict(model.config)),
        "world": world_mark(),
        "hash": base_hash,
    }
    trained.save(path, KIND, weights, header=header)
    return base_hash


def open_named(name: str, holding: Holding) -> MicroBase:
    holding.require_float32(FAMILY)
    return load_micro(None if ships(name) else Path(name), holding.device)


def load_micro(path: Path | None = None, device: str = "cpu") -> MicroBase:
    """The base of a file (the shipped one by default), refused if what it stands on changed."""
    path = path or Path(os.environ.get("LORARIUM_MICRO", ASSET))
    file = trained.load(path, KIND)
    require_this_world(file.header.get("world", ""), path)
    with trained.fitting(path):
        model = Micro(MicroConfig(**json.loads(file.header["config"])))
        trained.fill(model, file.floats())
    base = MicroBase(model, device)
    if base.hash != file.header.get("hash"):
        raise LorariumError("its weights do not have the hash that it names", where=str(path))
    return base
