"""Small checkpoints with the real names of a family, in the original words and in diffusers'."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lorarium.adapter import Adapter, Bias, Delta, LowRank, Module
from lorarium.formats.container import save
from lorarium.formats.families import FAMILIES

Weights = dict[Module, np.ndarray]
SMALLER = {"flux1": 384}  # the others are divided by 40
PREFIX = {"flux1": ""}
OPENCLIP = {  # family -> part and prefix of the tower that has OpenCLIP's names
    "sd2": ("text_encoder", "cond_stage_model.model."),
    "sdxl": ("text_encoder_2", "conditioner.embedders.1.model."),
    "sdxl-refiner": ("text_encoder_2", "conditioner.embedders.0.model."),
}
CLIP = {"sd1": "cond_stage_model.transformer.", "sdxl": "conditioner.embedders.0.transformer."}


def weights(family: str, seed: int = 0, scale: float = 0.1) -> Weights:
    """Every weight and bias of a family, each width cut down; T5 is left out."""
    rng = np.random.default_rng(seed)
    made: Weights = {}
    for part, table in FAMILIES[family].parts.items():
        if family == "flux1" and part != "denoiser":
            continue
        for path, shape in table.shapes.items():
            tiny = tuple(d if d < 5 else max(4, d // SMALLER.get(family, 40)) for d in shape)
            made[Module(part, path)] = scale * rng.standard_normal(tiny, np.float32)
            if path in table.biased:
                made[Module(part, path + ".bias")] = scale * rng.standard_normal(
                    tiny[:1], np.float32
                )
    return made


def diffusers(made: Weights) -> dict[str, np.ndarray]:
    """The tensors of a unet or transformer file."""
    return {_key(m.path): array for m, array in made.items() if m.part == "denoiser"}


def native(made: Weights, family: str) -> dict[str, np.ndarray]:
    """The tensors of a single-file checkpoint in the original words."""
    tensors: dict[str, np.ndarray] = {}
    for part, table in FAMILIES[family].parts.items():
        tower, tower_prefix = OPENCLIP.get(family, ("", ""))
        openclip = tower == part
        prefix = PREFIX.get(family, "model.diffusion_model.")
        if part != "denoiser":
            prefix = tower_prefix if openclip else CLIP.get(family, "")
        own = table.natives if part == "denoiser" or openclip else {}
        named = {path for item in own.values() for path in item.paths}
        groups = [(item.name, item.paths, item.swapped) for item in own.values()]
        groups += [(path, (path,), False) for path in table.shapes if path not in named]
        for name, paths, swapped in groups:
            for tail in ("", ".bias"):
                pieces = [made[m] for p in paths if (m := Module(part, p + tail)) in made]
                if not pieces:
                    continue
                weight = np.concatenate(pieces)
                if swapped:
                    weight = np.concatenate(np.split(weight, 2)[::-1])
                tensors[prefix + _native_key(name + tail, openclip)] = (
                    weight.T if openclip and name == "text_projection" else weight
                )
    return tensors


def _key(path: str) -> str:
    return path if path.endswith(".bias") else path + ".weight"


def _native_key(name: str, openclip: bool) -> str:
    if openclip and name == "text_projection":
        return name
    key = _key(name)
    return key.replace("in_proj.", "in_proj_") if openclip else key


def lora(made: Weights, family: str, rank: int = 2, seed: int = 5, *, part: str = "") -> Adapter:
    """A LoRA on every matrix that is large enough, and a bias change wherever there is a bias."""
    rng = np.random.default_rng(seed)
    deltas: dict[Module, Delta] = {}
    for module, array in made.items():
        if part and module.part != part:
            continue
        if array.ndim == 1:
            deltas[module] = Bias(rng.standard_normal(array.shape, np.float32))
            continue
        ones = (1,) * (array.ndim - 2)
        up = rng.standard_normal((len(array), rank, *ones), np.float32)
        down = rng.standard_normal((rank, *array.shape[1:]), np.float32)
        deltas[module] = LowRank(up, down, scale=0.5)
    return Adapter(deltas, family, dialect="kohya")


def save_checkpoint(path: Path, tensors: dict[str, np.ndarray], dtype: object = None) -> Path:
    changed = tensors if dtype is None else {k: a.astype(dtype) for k, a in tensors.items()}
    save(path, {k: np.ascontiguousarray(a) for k, a in changed.items()}, {"made": "up"}, force=True)
    return path
