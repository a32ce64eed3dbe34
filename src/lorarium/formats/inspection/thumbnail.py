"""The small picture that some trainers and tools put into a file's header."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from lorarium.formats.header import load_header

NAMES = ("modelspec.thumbnail", "ssmd_cover_images")
MOST_LETTERS = 8 << 20


def read_thumbnail(path: Path) -> bytes | None:
    """What a safetensors file says is its picture, not yet looked at; None where it says none."""
    if path.suffix.lower() != ".safetensors":
        return None
    metadata = load_header(path).metadata
    for name in NAMES:
        text = metadata.get(name, "")
        start, comma, coded = text.partition(",")
        if comma and start.startswith("data:image/") and len(text) <= MOST_LETTERS:
            try:
                return base64.b64decode(coded, validate=True)
            except (binascii.Error, ValueError):
                continue
    return None
