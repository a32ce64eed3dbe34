"""The grammar of keys: network prefix, module name, tensor suffix, without any module table."""

from __future__ import annotations

import re
from dataclasses import dataclass

# suffix -> (slot, who writes it); an empty writer says nothing about the dialect
_TAILS: dict[str, tuple[str, str]] = {
    "lora_down.weight": ("down", "kohya"),
    "lora_up.weight": ("up", "kohya"),
    "lora_mid.weight": ("mid", "kohya"),
    "lora_A.weight": ("down", "peft"),
    "lora_B.weight": ("up", "peft"),
    "lora_A": ("down", "peft"),
    "lora_B": ("up", "peft"),
    "lora_B.bias": ("up_bias", "peft"),
    "lora_magnitude_vector": ("magnitude", "peft"),
    "lora_magnitude_vector.weight": ("magnitude", "peft"),
    "lora.down.weight": ("down", "diffusers-0.17"),
    "lora.up.weight": ("up", "diffusers-0.17"),
    "lora_linear_layer.down.weight": ("down", "diffusers-0.17"),
    "lora_linear_layer.up.weight": ("up", "diffusers-0.17"),
    "alpha": ("alpha", ""),
    "dora_scale": ("dora_scale", ""),
    "diff": ("diff", ""),
    "diff_b": ("diff_b", ""),
    **{f"hada_{slot}": (f"hada_{slot}", "") for slot in ("w1_a", "w1_b", "w2_a", "w2_b")},
    **{f"hada_{slot}": (f"hada_{slot}", "") for slot in ("t1", "t2")},
    **{f"lokr_{slot}": (f"lokr_{slot}", "") for slot in ("w1", "w1_a", "w1_b")},
    **{f"lokr_{slot}": (f"lokr_{slot}", "") for slot in ("w2", "w2_a", "w2_b", "t2")},
}
# PEFT puts the adapter's name inside: lora_A.default_0.weight
_NAMED = {"lora_A": "down", "lora_B": "up", "lora_magnitude_vector": "magnitude"}

_FLAT = (
    ("lora_unet_unet_", "denoiser", "kohya"),
    ("lora_unet__", "denoiser", "kohya"),
    ("lora_unet_", "denoiser", "kohya"),
    ("lora_te1_", "te1", "kohya"),
    ("lora_te2_", "te2", "kohya"),
    ("lora_te3_", "te3", "kohya"),
    ("lora_te_", "te", "kohya"),
    ("lora_prior_unet_", "denoiser", "kohya"),
    ("lora_prior_te_", "te", "kohya"),
    ("lora_transformer_", "denoiser", "lora-transformer"),
    ("lycoris_", "denoiser", "lycoris"),
)
_DOTTED = (
    ("text_encoders.", "", "comfy"),
    ("model.diffusion_model.", "denoiser", "comfy"),
    ("diffusion_model.", "denoiser", "comfy"),
    ("unet.", "denoiser", "diffusers"),
    ("transformer_2.", "denoiser_2", "diffusers"),
    ("transformer.", "denoiser", "diffusers"),
    ("prior.", "denoiser", "diffusers"),
    ("text_conditioner.", "denoiser", "diffusers"),
    ("text_encoder.", "text_encoder", "diffusers"),
    ("text_encoder_2.", "text_encoder_2", "diffusers"),
    ("text_encoder_3.", "text_encoder_3", "diffusers"),
)
_PEFT = "base_model.model."
_POSITIONAL = re.compile(r"(unet|text_encoder|text_encoder_2):(\d{1,5}):(up|down)")
_OLD_ATTENTION = re.compile(r"(?:\.processor)?\.(to_[qkv]|to_out)_lora$")
# the last number is the stream: 1 of the picture, 2 of the text
_XLABS = re.compile(r"_blocks\.\d+\.processor\.(?:qkv|proj)_lora[12]?$")
_OLD_TEXT = {"to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "to_out": "out_proj"}


@dataclass(frozen=True)
class Parsed:
    """A key taken apart. `net` is a part or a network name of a dialect ("" when not said);
    `name` is dotted, or `flat` with underscores; `stem` is the key without its suffix."""

    stem: str
    slot: str
    net: str
    name: str
    flat: bool
    dialect: str
    position: int | None = None


def parse(key: str) -> Parsed | None:
    """A key as (network, module name, slot), None when its suffix is none of ours."""
    if match := _POSITIONAL.fullmatch(key):
        net = "denoiser" if match[1] == "unet" else match[1]
        stem = f"{match[1]}:{match[2]}"
        return Parsed(stem, match[3], net, "", False, "cloneofsimo", int(match[2]))
    tail = _tail(key)
    if tail is None:
        return None
    stem, slot, writer = tail
    if "." not in stem:
        for prefix, net, dialect in _FLAT:
            if stem.startswith(prefix):
                return Parsed(stem, slot, net, stem[len(prefix) :], True, dialect)
    net, name, prefixes = _strip(stem)
    name, old = _modern(name)
    return Parsed(stem, slot, net, name, False, _dialect(prefixes, "attn" if old else writer))


def _tail(key: str) -> tuple[str, str, str] | None:
    pieces = key.rsplit(".", 3)
    for count in (3, 2, 1):
        if len(pieces) <= count:
            continue
        tail = ".".join(pieces[-count:])
        slot_and_dialect = _TAILS.get(tail)
        if slot_and_dialect is not None:
            return key[: -len(tail) - 1], *slot_and_dialect
        if count == 3 and pieces[-3] in _NAMED and pieces[-1] == "weight":
            return key[: -len(tail) - 1], _NAMED[pieces[-3]], "peft"
        if count == 2 and pieces[-2] in _NAMED and pieces[-1] not in ("weight", "bias"):
            return key[: -len(tail) - 1], _NAMED[pieces[-2]], "peft"
        if count == 2 and pieces[-1] == "weight" and pieces[-2] in ("up", "down"):
            stem = key[: -len(tail) - 1]
            if stem.endswith("_lora"):
                return stem, pieces[-2], "xlabs" if _XLABS.search(stem) else "attn"
            if _XLABS.search(stem):
                return stem, pieces[-2], "xlabs"
    return None


def _strip(name: str) -> tuple[str, str, tuple[str, ...]]:
    net, seen = "", []
    while True:
        if name.startswith(_PEFT):
            name = name[len(_PEFT) :]
            seen.append("peft")
            continue
        for prefix, part, dialect in _DOTTED:
            if not name.startswith(prefix) or (net and part not in ("", net)):
                continue
            if not part:
                if net:
                    continue
                part, _, name = name[len(prefix) :].partition(".")
                name = name.removeprefix("transformer.")
            else:
                name = name[len(prefix) :]
            net = part
            seen.append(dialect if prefix != "unet." else "unet")
            break
        else:
            return net, name, tuple(seen)


def _modern(name: str) -> tuple[str, bool]:
    """Attention-processor spellings become the modules they stand for."""
    match = _OLD_ATTENTION.search(name)
    if match is None:
        return name.replace(".processor.", "."), False
    head, projection = name[: match.start()], match[1]
    if head.endswith(".self_attn"):
        return f"{head}.{_OLD_TEXT[projection]}", True
    return f"{head}.{'to_out.0' if projection == 'to_out' else projection}", True


def _dialect(prefixes: tuple[str, ...], writer: str) -> str:
    if "peft" in prefixes:
        return "peft-bare"
    if "comfy" in prefixes:
        return "comfy-peft" if writer == "peft" else "comfy"
    if prefixes[:2] == ("unet", "unet"):
        return "diffusers-double"
    if writer == "xlabs":
        return "xlabs"
    if writer == "attn":
        return "attention-processors-unet" if prefixes else "attention-processors"
    if writer == "diffusers-0.17":
        return "diffusers-0.17"
    return "diffusers" if prefixes else "bare"
