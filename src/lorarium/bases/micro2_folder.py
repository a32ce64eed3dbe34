"""micro-2 as a diffusers folder: written with its tokenizer and scheduler, read without diffusers.

`DiffusionPipeline.from_pretrained(folder)` opens it after `import lorarium.bases.micro2_parts`:
diffusers takes a class from outside only from a module that its caller has imported.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from lorarium import trained
from lorarium.bases.clip_text import TextConfig, TextModel
from lorarium.bases.holding import Holding
from lorarium.bases.levels import STEPS
from lorarium.bases.micro2 import END, FAMILY, PLACES, START, Micro2Base
from lorarium.bases.transformer import Transformer, TransformerConfig
from lorarium.errors import LorariumError
from lorarium.trained import FileKind, write_json
from lorarium.world.mark import require_this_world, world_mark
from lorarium.world.words import SILENT, VOCABULARY

ASSET = trained.ASSETS / FAMILY
T = TypeVar("T")
PART = FileKind("part of a micro-2 base", card=False)
UNKNOWN = END + 1
ROWS = END + 2  # of the token table that ships
SCHEDULER = {
    "_class_name": "DDIMScheduler",
    "num_train_timesteps": STEPS,
    "beta_schedule": "squaredcos_cap_v2",
    "prediction_type": "sample",
    "timestep_spacing": "trailing",
    "clip_sample": False,
    "set_alpha_to_one": True,
}
VAE = {
    "_class_name": "Pixels",
    "latent_channels": 3,
    "block_out_channels": [1],
    "scaling_factor": 1.0,
}
INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "unet": ["lorarium.bases.micro2_parts", "WordTransformer"],
    "vae": ["lorarium.bases.micro2_parts", "Pixels"],
    "safety_checker": [None, None],
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
}


def save_folder(base: Micro2Base, folder: Path, card: Mapping[str, Any]) -> None:
    """Write the base in half precision, with what it stands on."""
    text: TextModel = base.text_encoder.text_model
    table = text.embeddings.token_embedding.weight[:ROWS]
    text_config = {**text.config.for_transformers(), "dtype": "float32", "vocab_size": ROWS,
                   "bos_token_id": START, "eos_token_id": END, "pad_token_id": 0}  # fmt: skip
    write_json(folder / "model_index.json", INDEX)
    write_json(folder / "scheduler" / "scheduler_config.json", SCHEDULER)
    _part(folder / "vae", "config.json", VAE,
          "diffusion_pytorch_model.safetensors", {"one": torch.ones(())})  # fmt: skip
    _part(folder / "unet", "config.json", base.unet.config.for_diffusers(),
          "diffusion_pytorch_model.safetensors", base.unet.state_dict())  # fmt: skip
    weights = {f"text_model.{k}": v for k, v in text.state_dict().items()}
    weights["text_model.embeddings.token_embedding.weight"] = table
    _part(folder / "text_encoder", "config.json", text_config, "model.safetensors", weights)
    write_tokenizer(folder / "tokenizer")
    shipped = load_folder(folder, unsigned=True)
    index = {"family": FAMILY, "world": world_mark(), "hash": shipped.hash, **card}
    write_json(folder / "lorarium.json", index)


def _part(
    folder: Path, name: str, config: Mapping[str, Any], file: str, weights: Mapping[str, Tensor],
) -> None:  # fmt: skip
    write_json(folder / name, config)
    arrays = {k: v.detach().cpu().half().contiguous().numpy() for k, v in weights.items()}
    trained.save(folder / file, PART, arrays, header={"format": "pt"})


def write_tokenizer(folder: Path) -> None:
    """Words of the world as one token each, by the `tokenizers` library's own file."""
    names = {word or "<nothing>": i for i, word in enumerate(VOCABULARY)}
    names |= {"<start>": START, "<end>": END, "<unknown>": UNKNOWN}
    special = [
        {"id": names[n], "content": n, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": True}
        for n in ("<nothing>", "<start>", "<end>", "<unknown>")
    ]  # fmt: skip
    silent = r"\b(" + "|".join(sorted(SILENT)) + r")\b"
    token = {"id": "<start>", "type_id": 0}, {"id": "<end>", "type_id": 0}
    write_json(folder / "tokenizer.json", {
        "version": "1.0",
        "added_tokens": special,
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Lowercase"},
            {"type": "Replace", "pattern": {"Regex": silent}, "content": " "},
        ]},
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "[a-z0-9]+"},
                          "behavior": "Removed", "invert": True},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": token[0]}, {"Sequence": {"id": "A", "type_id": 0}},
                       {"SpecialToken": token[1]}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}},
                     {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {
                n: {"id": n, "ids": [names[n]], "tokens": [n]} for n in ("<start>", "<end>")
            },
        },
        "model": {"type": "WordLevel", "vocab": names, "unk_token": "<unknown>"},
    })  # fmt: skip
    write_json(folder / "tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": PLACES,
        "pad_token": "<nothing>", "bos_token": "<start>", "eos_token": "<end>",
        "unk_token": "<unknown>",
    })  # fmt: skip


def open_named(name: str, holding: Holding) -> Micro2Base:
    holding.require_float32(FAMILY)
    return load_folder(ASSET if name == FAMILY else Path(name), holding.device)


def load_folder(folder: Path, device: str = "cpu", *, unsigned: bool = False) -> Micro2Base:
    """The base in a folder, refused when what it stands on changed."""
    index = _read(folder / "lorarium.json") if not unsigned else {"family": FAMILY}
    if index.get("family") != FAMILY:
        raise LorariumError(f"not a {FAMILY} base", where=str(folder))
    if not unsigned:
        require_this_world(index.get("world", ""), folder)
    with trained.fitting(folder):
        unet = Transformer(_fields(TransformerConfig, folder / "unet" / "config.json"))
        text = TextModel(_fields(TextConfig, folder / "text_encoder" / "config.json"))
        for net, file, head in (
            (unet, "unet/diffusion_pytorch_model.safetensors", ""),
            (text, "text_encoder/model.safetensors", "text_model."),
        ):
            trained.fill(net, trained.load(folder / file, PART).floats(head))
    base = Micro2Base(unet, text, device)
    if not unsigned and base.hash != index.get("hash"):
        raise LorariumError("its weights do not have the hash that it names", where=str(folder))
    return base


def trained_with(folder: Path) -> dict[str, Any]:
    """What the card of a folder says of its training."""
    return dict(_read(folder / "lorarium.json")["trained"])


def _read(path: str | os.PathLike[str]) -> dict[str, Any]:
    try:
        config = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise LorariumError(f"cannot be read ({error})", where=str(path)) from None
    if not isinstance(config, dict):
        raise LorariumError("is not a configuration", where=str(path))
    return config


def _fields(kind: type[T], path: Path) -> T:
    """The fields of a config of diffusers' or transformers' that are ours."""
    config = _read(path)
    return kind(**{field.name: config[field.name] for field in fields(kind)})  # type: ignore[arg-type]
