"""cloneofsimo's positional keys (`unet:12:up`): modules in the order their trainer met them.

The order is that of a walk over the classes the header lists: attentions (q, k, v, out), GEGLU
projections, and CLIP attentions (k, v, q, out); the UNet's middle block comes last. Older diffusers
built a block's GEGLU before its second attention, newer ones after it: two walks, and a file's
shapes fit one of them only. Their `.pt` files are lists of up and down in turn, without a header.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache

from lorarium.adapter import Array

from .families import FAMILIES

HEADER = {"denoiser": "unet", "text_encoder": "text_encoder", "text_encoder_2": "text_encoder_2"}
_ATTENTION = {"CrossAttention", "Attention"}
_UNET_ORDER = ("down_blocks", "up_blocks", "mid_block")
# parts of a block in the order of construction, the commoner walk first
WALKS = (("attn1", "ff", "attn2"), ("attn1", "attn2", "ff"))
_CLIP = {"CLIPAttention", "CLIPSdpaAttention"}


@cache
def order(
    family: str, part: str, feed_forward: bool, walk: tuple[str, ...] = WALKS[0]
) -> tuple[str, ...]:
    """Module paths of a part by position, in one of the walks."""
    known = FAMILIES[family].parts.get(part)
    if known is None or FAMILIES[family].denoiser != "unet":
        return ()
    if part != "denoiser":
        return tuple(path for path in known.shapes if ".self_attn." in path)
    blocks: dict[str, dict[str, list[str]]] = {}
    for path in known.shapes:
        head, separator, tail = path.partition(".transformer_blocks.")
        if not separator or tail.endswith("ff.net.2"):
            continue
        layer, kind = tail.split(".", 2)[:2]
        block = blocks.setdefault(f"{head}.{layer}", {name: [] for name in walk})
        block[kind].append(path)
    ordered = sorted(blocks, key=lambda name: _UNET_ORDER.index(name.split(".", 1)[0]))
    kinds = [kind for kind in walk if kind != "ff" or feed_forward]
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
        return False if classes and classes <= _CLIP else None
    return "GEGLU" in classes if classes - {"GEGLU"} <= _ATTENTION else None


def from_list(tensors: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, str]] | None:
    """Positional keys and their header for a bare list of up, down, up...; None when it is none.

    A text encoder's modules are all of one square shape, a UNet's are not.
    """
    count = len(tensors)
    if not count or count % 2 or tensors.keys() != {str(i) for i in range(count)}:
        return None
    pairs = [(tensors[str(i)], tensors[str(i + 1)]) for i in range(0, count, 2)]
    if any(up.ndim != 2 or down.ndim != 2 or up.shape[1] != down.shape[0] for up, down in pairs):
        return None
    square = {(up.shape[0], down.shape[1]) for up, down in pairs}
    text = len(square) == 1 and all(out == into for out, into in square)
    part = "text_encoder" if text else "denoiser"
    with_ff = any(out == 8 * into for out, into in square)
    arrays = {
        f"{HEADER[part]}:{i}:{name}": array
        for i, pair in enumerate(pairs)
        for name, array in zip(("up", "down"), pair, strict=True)
    }
    return arrays, header(part, {}, with_ff)


def header(part: str, ranks: Mapping[int, int], with_ff: bool) -> dict[str, str]:
    """The metadata that makes the positions readable."""
    name = HEADER[part]
    classes = ["CLIPAttention"]
    if part == "denoiser":
        classes = ["CrossAttention", "Attention"] + (["GEGLU"] if with_ff else [])
    return {name: json.dumps(classes)} | {
        f"{name}:{position}:rank": str(rank) for position, rank in ranks.items()
    }
