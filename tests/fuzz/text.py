"""JSON, metadata and names made wrong in every way."""

from __future__ import annotations

import json
from random import Random
from typing import Any

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -0.0, 1, -1, 4, 8, 0.5, 16.0, 2**31, 2**63, 2**64, 10**400, -(10**400)),
    *(1e308, -1e308, 1e-320, 1e38, 1e39, float("nan"), float("inf"), float("-inf"), 3.5, -4),
    *("", "4", "NaN", "None", "x" * 5000, "\x1b[31m\x07", "\u202e", "é", "1e999", "9" * 400, "\0"),
    *([], {}, [1], ["a", "b"], {"a": 1}, {"r": {}}, [[[[]]]], {"": ""}, [None], [{}], [10**400]),
)
PATTERNS = (
    *(
        "to_q",
        "attn1.to_q",
        "^mid_block",
        ".*",
        ".*a",
        "to_[qk]",
        "(a+)+$",
        "\\d+",
        "^.*\\.\\d+\\.x$",
    ),
    *(
        "q_proj",
        "x" * 600,
        "",
        "^",
        "$",
        "^$",
        ".",
        "\\",
        "a|b",
        "[0-9]+",
        "\\.",
        ".*" * 60,
        "^a.*b$",
        "(?=.*)x",
        ".*a" * 30,
        "^a.*b$",
    ),
)
CONFIG: dict[str, Any] = {
    "peft_type": "LORA",
    "r": 4,
    "lora_alpha": 8,
    "use_rslora": False,
    "use_dora": False,
    "alpha_pattern": {"to_q": 2},
    "rank_pattern": {"^mid_block.attentions.0.to_k": 2},
    "target_modules": ["to_q", "to_k"],
    "bias": "none",
    "base_model_name_or_path": None,
}
METADATA: dict[str, Any] = {
    "ss_network_dim": "4",
    "ss_network_alpha": "8.0",
    "ss_network_module": "networks.lora",
    "ss_network_args": {"algo": "lokr", "factor": "8"},
    "ss_base_model_version": "sdxl_base_v1-0",
    "ss_tag_frequency": {"1_ink": {"ink": 12, "cat": 3}},
    "ss_dataset_dirs": {"1_ink": {"n_repeats": 1, "img_count": 12}},
    "ss_datasets": [{"subsets": [{"class_tokens": "ink", "image_dir": "x"}]}],
    "ss_training_started_at": "1700000000.5",
    "ss_steps": "1000",
    "ss_resolution": "(512, 512)",
    "modelspec.title": "ink",
    "modelspec.architecture": "stable-diffusion-v1/lora",
    "modelspec.tags": "a, b",
    "modelspec.trigger_phrase": "ink",
    "modelspec.hash_sha256": "0xdeadbeef",
    "sshs_model_hash": "deadbeef",
    "software": {"name": "ai-toolkit", "version": "1"},
    "training_info": {"step": 10, "epoch": 1},
    "ot_config": {"lora_rank": 4, "lora_alpha": 2.0, "optimizer": {"optimizer": "ADAMW"}},
    "lora_adapter_metadata": {
        "unet.r": 4,
        "unet.lora_alpha": 8,
        "unet.alpha_pattern": {"to_q": 2},
        "transformer.peft_type": "LORA",
        "transformer.use_rslora": True,
    },
    "lorarium.dialect": "kohya",
    "lorarium.merge": {"method": "sum", "inputs": ["0" * 32], "weights": [1.0]},
    "unet": ["CrossAttention", "GEGLU"],
    "text_encoder": ["CLIPAttention"],
    "unet:0:rank": "4",
    "<ink>": "<embed>",
}


def wrong_json(rng: Random, value: Any, depth: int = 0) -> Any:
    """The value with one thing in it changed, lost, doubled or put elsewhere."""
    if isinstance(value, dict) and value and depth < 4 and rng.random() < 0.85:
        changed = dict(value)
        key = rng.choice(tuple(changed))
        chance = rng.random()
        if chance < 0.6:
            changed[key] = wrong_json(rng, changed[key], depth + 1)
        elif chance < 0.75:
            changed[str(rng.choice(PATTERNS))] = rng.choice(VALUES)
        elif chance < 0.9:
            changed[wrong_name(rng, key)] = changed.pop(key)
        else:
            del changed[key]
        return changed
    if isinstance(value, list) and value and rng.random() < 0.5:
        changed_list = list(value)
        changed_list[rng.randrange(len(changed_list))] = rng.choice(VALUES)
        return changed_list
    return rng.choice(VALUES)


LETTERS = (
    "",
    ".",
    "_",
    ":",
    "0",
    "9" * 30,
    "\0",
    "\n",
    "\x1b",
    "é",
    "\u202e",
    "..",
    "/",
    "lora_",
    "%s",
)


def wrong_name(rng: Random, name: str) -> str:
    """A name with a piece changed."""
    start = rng.randrange(len(name) + 1)
    stop = min(len(name), start + rng.choice((0, 0, 1, 3)))
    return (name[:start] + rng.choice(LETTERS) + name[stop:])[:9000]


def metadata(rng: Random) -> dict[str, str]:
    """A few entries as trainers write them, most of them sound."""
    chosen = rng.sample(tuple(METADATA), rng.randrange(4))
    entries = {}
    for key in chosen:
        value = METADATA[key]
        if rng.random() < 0.4:
            value = wrong_json(rng, value)
        text = value if isinstance(value, str) else json.dumps(value)
        if rng.random() < 0.05:
            text = wrong_name(rng, text)
        entries[key if rng.random() < 0.95 else wrong_name(rng, key)] = text
    return entries


def wrong_text(rng: Random, text: bytes) -> bytes:
    """Bytes of JSON with a piece changed, lost or doubled."""
    if not text:
        return text
    start = rng.randrange(len(text))
    stop = min(len(text), start + rng.choice((1, 1, 2, 8, 40)))
    chance = rng.randrange(5)
    if chance == 0:
        return text[:start] + text[stop:]
    if chance == 1:
        return text[:stop] + text[start:stop] + text[stop:]
    if chance == 2:
        return text[:start] + bytes([rng.randrange(256)]) + text[start + 1 :]
    if chance == 3:
        word = rng.choice((b"null", b"1e999", b"-1", b"NaN", b'"', b"{", b"[", b"9" * 400, b"0"))
        return text[:start] + word + text[stop:]
    return text[:start]
