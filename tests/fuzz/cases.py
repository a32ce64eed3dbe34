"""One number -> one hostile input: a file, a PEFT folder, or an adapter built in memory.

Each is a sound small file with a few things made wrong, so that most of it is believed and the
rest reaches what comes after the checks. The same number always gives the same input.
"""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from lorarium.adapter import (
    PARTS,
    Adapter,
    Bias,
    Dense,
    Dora,
    Hadamard,
    Kronecker,
    LowRank,
    Module,
)
from lorarium.formats.header import DTYPE_NAMES
from lorarium.formats.reading import Source
from tests.fuzz import text
from tests.fuzz.tensors import KINDS, Slots, sound_module, wrong_array

# how the slots end in each dialect; a slot that is not here is spelled by its own name
KOHYA = {"up": "lora_up.weight", "down": "lora_down.weight", "mid": "lora_mid.weight"}
PEFT = {"up": "lora_B.weight", "down": "lora_A.weight", "up_bias": "lora_B.bias"}
PEFT |= {"magnitude": "lora_magnitude_vector"}
OLD = {"up": "lora.up.weight", "down": "lora.down.weight"}
MID = "mid_block.attentions.0.transformer_blocks.0.attn1"
STEMS: tuple[tuple[str, dict[str, str]], ...] = (
    *((f"lora_unet_{MID.replace('.', '_')}_to_{x}", KOHYA) for x in "qkv"),
    ("lora_unet_input_blocks_4_1_proj_in", KOHYA),
    ("lora_unet_down_blocks_0_resnets_0_conv1", KOHYA),
    ("lora_unet_double_blocks_0_img_attn_qkv", KOHYA),
    ("lora_unet_single_blocks_3_linear1", KOHYA),
    ("lora_te_text_model_encoder_layers_0_mlp_fc1", KOHYA),
    ("lora_te1_text_model_encoder_layers_0_self_attn_q_proj", KOHYA),
    ("lycoris_transformer_blocks_0_attn_to_q", KOHYA),
    *((f"unet.{MID}.to_{x}", PEFT) for x in "qk"),
    ("unet.unet.mid_block.attentions.0.proj_in", OLD),
    ("transformer.transformer_blocks.0.attn.to_q", PEFT),
    ("transformer.single_transformer_blocks.0.proj_mlp", PEFT),
    ("transformer_2.blocks.0.attn1.to_q", PEFT),
    ("text_encoder.text_model.encoder.layers.0.self_attn.q_proj", PEFT),
    ("base_model.model.transformer_blocks.0.attn1.to_q", PEFT),
    ("diffusion_model.double_blocks.0.img_attn.qkv", KOHYA),
    ("diffusion_model.blocks.0.self_attn.q", PEFT),
    ("diffusion_model.layers.0.attention.qkv", KOHYA),
    ("transformer_blocks.0.attn1.to_q", PEFT),
    ("nothing.known", PEFT),
    ("model.layers.0.self_attn.q_proj", PEFT),
)
OPAQUE = (
    "{}.oft_blocks",
    "{}.a1.weight",
    "{}.w_norm",
    "bundle_emb.x.string_to_param.*",
    "emb_params",
)


@dataclass(frozen=True)
class Case:
    """One of three: `path` is a file or a PEFT folder, `source` the tensors of a file that nobody
    wrote, which is much faster, `adapter` is built in memory."""

    number: int
    kind: str
    path: Path | None = None
    source: Source | None = None
    adapter: Adapter | None = None


def make_case(number: int, folder: Path) -> Case:
    """The input of this number, files of it written into the folder.

    Building an adapter in memory may raise: then that is the operation.
    """
    rng = Random(number)
    kind = rng.choices(tuple(MAKERS), WEIGHTS)[0]
    return MAKERS[kind](number, rng, folder)


def tensors_of_file(rng: Random) -> Slots:
    """The tensors of a whole file by key, some of them wrong."""
    tensors: Slots = {}
    for _ in range(rng.choice((1, 1, 2, 3))):
        stem, tails = rng.choice(STEMS)
        for slot, array in sound_module(rng, rng.choice(KINDS)).items():
            tensors[f"{stem}.{tails.get(slot, slot)}"] = array
    if rng.random() < 0.08:
        stem = rng.choice(STEMS)[0]
        tensors[rng.choice(OPAQUE).format(stem)] = np.ones((2, 3), np.float32)
    if rng.random() < 0.02:  # by position, as cloneofsimo's
        for i in range(3):
            pair = sound_module(rng, "lora")
            tensors |= {f"unet:{i}:up": pair["up"], f"unet:{i}:down": pair["down"]}
    for _ in range(rng.choice((0, 1, 1, 1, 2))):
        key = rng.choice(tuple(tensors))
        chance = rng.random()
        if chance < 0.75:
            tensors[key] = wrong_array(rng, tensors[key])
        elif chance < 0.85 and len(tensors) > 1:
            del tensors[key]
        elif chance < 0.95:
            other, tails = rng.choice(STEMS)
            slot = rng.choice(("up", "down", "alpha", "dora_scale", "hada_w1_a", "lokr_w1", "diff"))
            tensors[f"{other}.{tails.get(slot, slot)}"] = tensors[key]
        else:
            tensors[text.wrong_name(rng, key)] = tensors.pop(key)
    return tensors


def header_of(tensors: Slots, metadata: dict[str, str]) -> tuple[dict[str, Any], bytes]:
    """The table of a safetensors header, and the payload."""
    table: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    chunks: list[bytes] = []
    position = 0
    for name in sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name)):
        array = tensors[name]
        chunk = array.tobytes()
        ends = [position, position + len(chunk)]
        dtype = DTYPE_NAMES[array.dtype]
        table[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": ends}
        position = ends[1]
        chunks.append(chunk)
    return table, b"".join(chunks)


def file_bytes(table: Any, payload: bytes) -> bytes:
    encoded = json.dumps(table, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    return struct.pack("<Q", len(encoded)) + encoded + payload


def _file(number: int, rng: Random, folder: Path) -> Case:
    """Tensors and metadata made wrong, the container sound."""
    path = folder / "x.safetensors"
    path.write_bytes(file_bytes(*header_of(tensors_of_file(rng), text.metadata(rng))))
    return Case(number, "file", path)


def _tensors(number: int, rng: Random, folder: Path) -> Case:
    """The same, without a file."""
    source = Source("x", tensors_of_file(rng), text.metadata(rng), lambda prefix, name: None)
    return Case(number, "tensors", source=source)


def _header(number: int, rng: Random, folder: Path) -> Case:
    """The container itself made wrong."""
    path = folder / "x.safetensors"
    table, payload = header_of(tensors_of_file(rng), text.metadata(rng))
    chance = rng.random()
    if chance < 0.5:
        content = file_bytes(text.wrong_json(rng, table), payload)
    else:
        content = file_bytes(table, payload)
        size = struct.unpack("<Q", content[:8])[0]
        if chance < 0.8:
            changed = text.wrong_text(rng, content[8 : 8 + size])
            content = struct.pack("<Q", len(changed)) + changed + content[8 + size :]
        else:
            content = text.wrong_text(rng, content)
    path.write_bytes(content)
    return Case(number, "header", path)


def _folder(number: int, rng: Random, folder: Path) -> Case:
    """A PEFT folder whose config, tensors or both are wrong."""
    home = folder / "peft"
    home.mkdir(exist_ok=True)
    config: Any = text.CONFIG
    for _ in range(rng.choice((0, 1, 1, 2))):
        config = text.wrong_json(rng, config)
    content = json.dumps(config).encode()
    if rng.random() < 0.1:
        content = text.wrong_text(rng, content)
    (home / "adapter_config.json").write_bytes(content)
    tensors: Slots = {}
    for x in rng.sample("qkv", 2):
        for slot, array in sound_module(rng, rng.choice(("lora", "dora", "lokr-whole"))).items():
            if slot != "alpha":
                tensors[f"base_model.model.{MID}.to_{x}.{PEFT.get(slot, slot)}"] = array
    if rng.random() < 0.3:
        key = rng.choice(tuple(tensors))
        tensors[key] = wrong_array(rng, tensors[key])
    weights = home / "adapter_model.safetensors"
    weights.write_bytes(file_bytes(*header_of(tensors, {"format": "pt"})))
    return Case(number, "folder", home)


def _memory(number: int, rng: Random, folder: Path) -> Case:
    """Changes built from arrays that may not fit together."""
    deltas: dict[Module, Any] = {}
    for k in range(rng.choice((1, 1, 2, 3))):
        slots = sound_module(rng, rng.choice(KINDS))
        slots.pop("alpha", None)
        if rng.random() < 0.5:
            key = rng.choice(tuple(slots))
            slots[key] = wrong_array(rng, slots[key])
        scale: Any = rng.choice((1.0, 0.5, -2.0, 0.0, 0.3))
        if rng.random() < 0.1:
            scale = rng.choice((*text.VALUES[:24], np.float32(2), np.float64(3)))
        part = rng.choice(PARTS)
        path = rng.choice(STEMS)[0] if rng.random() < 0.3 else f"mid_block.attentions.{k}.proj_in"
        deltas[Module(part, path)] = _delta(slots, scale)
    family = rng.choice(("sd1", "sdxl", "flux1", "unknown", "micro-1"))
    dialect = rng.choice(("kohya", "diffusers", "unknown", "peft"))
    adapter = Adapter(deltas, family, text.metadata(rng), {}, dialect)
    return Case(number, "memory", adapter=adapter)


def _delta(slots: Slots, scale: Any) -> Any:
    inner: Any
    if "up" in slots or "down" in slots:
        inner = LowRank(slots["up"], slots["down"], slots.get("mid"), scale)
    elif "diff" in slots:
        inner = Dense(slots["diff"], scale)
    elif "diff_b" in slots:
        inner = Bias(slots["diff_b"], scale)
    else:
        fields = {slot.partition("_")[2]: array for slot, array in slots.items()}
        inner = (Hadamard if "hada_w1_a" in slots else Kronecker)(**fields, scale=scale)
    for slot in ("dora_scale", "magnitude"):
        if slot in slots:
            return Dora(inner, slots[slot])
    return inner


def _torch(number: int, rng: Random, folder: Path) -> Case:
    """A torch file: sound tensors beside odd objects, or a corrupt one."""
    import torch

    content: dict[Any, Any] = {}
    for key, array in tensors_of_file(rng).items():
        if array.dtype.name in ("float16", "float32", "float64", "int64"):
            content[key] = torch.from_numpy(np.array(array))
    for _ in range(rng.randrange(3)):
        name = rng.choice(("a.alpha", "lora_unet_x.alpha", "note", 3, "state_dict", "\0"))
        content[name] = rng.choice(text.VALUES)
    path = folder / "x.pt"
    torch.save(content, path, _use_new_zipfile_serialization=rng.random() < 0.5)
    if rng.random() < 0.6:
        path.write_bytes(text.wrong_text(rng, path.read_bytes()))
    return Case(number, "torch", path)


def save_case(case: Case, path: Path) -> None:
    """The input as a file or a folder of this name, to be kept; one in memory has none."""
    if case.source is not None:
        table, payload = header_of(dict(case.source.tensors), dict(case.source.metadata))
        path.with_suffix(".safetensors").write_bytes(file_bytes(table, payload))
    elif case.path is not None and case.path.is_dir():
        shutil.copytree(case.path, path)
    elif case.path is not None:
        shutil.copy(case.path, path.with_suffix(case.path.suffix))


Maker = Callable[[int, Random, Path], Case]
MAKERS: dict[str, Maker] = {
    "file": _file,
    "tensors": _tensors,
    "header": _header,
    "folder": _folder,
    "memory": _memory,
    "torch": _torch,
}
WEIGHTS = (18, 37, 8, 10, 26, 1)
