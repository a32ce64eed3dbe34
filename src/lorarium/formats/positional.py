"""cloneofsimo's positional keys (`unet:12:up`): modules in the order their trainer met them.

The order is that of a walk over the classes the header lists: attentions (q, k, v, out), GEGLU
projections, and CLIP attentions (k, v, q, out); the UNet's middle block comes last.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache

from .families import FAMILIES

HEADER = {"denoiser": "unet", "text_encoder": "text_encoder", "text_encoder_2": "text_encoder_2"}
_ATTENTION = {"CrossAttention", "Attention"}
_UNET_ORDER = ("down_blocks", "up_blocks", "mid_block")
_IN_BLOCK = ("attn1", "ff", "attn2")


@cache
def order(family: str, part: str, feed_forward: bool) -> tuple[str, ...]:
    """Module paths of a part by position."""
    known = FAMILIES[family].parts.get(part)
    if known is None:
        return ()
    if part != "denoiser":
        return tuple(path for path in known.shapes if ".self_attn." in path)
    blocks: dict[str, dict[str, list[str]]] = {}
    for path in known.shapes:
        head, found, tail = path.partition(".transformer_blocks.")
        if not found or tail.endswith("ff.net.2"):
            continue
        layer, kind = tail.split(".", 2)[:2]
        block = blocks.setdefault(f"{head}.{layer}", {name: [] for name in _IN_BLOCK})
        block[kind].append(path)
    ordered = sorted(blocks, key=lambda name: _UNET_ORDER.index(name.split(".", 1)[0]))
    kinds = [kind for kind in _IN_BLOCK if kind != "ff" or feed_forward]
    return tuple(path for name in ordered for kind in kinds for path in blocks[name][kind])


def feed_forward(metadata: Mapping[str, str], part: str) -> bool | None:
    """Whether GEGLU is among the classes; None when the header names classes we cannot place."""
    raw = metadata.get(HEADER.get(part, ""))
    if raw is None:
        return part == "denoiser"
    try:
        classes = {name for name in json.loads(raw) if isinstance(name, str)}
    except (ValueError, TypeError, RecursionError):
        return None
    if part != "denoiser":
        return False if classes == {"CLIPAttention"} else None
    return "GEGLU" in classes if classes - {"GEGLU"} <= _ATTENTION else None


def header(part: str, ranks: Mapping[int, int], with_ff: bool) -> dict[str, str]:
    """The metadata that makes the positions readable."""
    name = HEADER[part]
    classes = ["CLIPAttention"]
    if part == "denoiser":
        classes = ["CrossAttention", "Attention"] + (["GEGLU"] if with_ff else [])
    return {name: json.dumps(classes)} | {
        f"{name}:{position}:rank": str(rank) for position, rank in ranks.items()
    }
