"""Files that interfaces leave beside a LoRA: descriptions, trigger words, preview pictures.

They share the LoRA's name up to the suffix. Nothing outside the folder is opened, whatever a
link says, and no more than a limit of each.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lorarium.errors import LorariumError
from lorarium.formats.header import open_regular
from lorarium.formats.inspection.metadata import number, table, text, words

MAX_TEXT_BYTES = 4 * 2**20
MAX_PICTURE_BYTES = 64 * 2**20

# suffix -> who writes it
DESCRIPTIONS = {
    ".civitai.info": "Civitai Helper",
    ".metadata.json": "LoRA Manager",
    ".cm-info.json": "Stability Matrix",
    ".json": "WebUI",
    ".description.txt": "text",
    ".txt": "text",
}
PICTURES = tuple(
    middle + end
    for middle in ("", ".preview", ".thumb")
    for end in (".png", ".jpg", ".jpeg", ".webp", ".gif")
)
PICTURE_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"GIF8")

# field -> the paths that hold it in one or another description
FIELDS: dict[str, tuple[str, ...]] = {
    "name": ("model/name", "model_name", "ModelName", "civitai/model/name", "name"),
    "base": ("baseModel", "base_model", "BaseModel", "civitai/baseModel", "sd version"),
    "sha256": ("sha256", "Hashes/SHA256", "files/0/hashes/SHA256"),
}
WORDS = ("trainedWords", "civitai/trainedWords", "TrainedWords", "activation text")


@dataclass(frozen=True)
class Sidecar:
    """One file beside the LoRA: `kind` is `description`, `text` or `preview`."""

    path: Path
    kind: str
    source: str
    facts: dict[str, Any]


def find_sidecars(path: Path) -> tuple[Sidecar, ...]:
    """The recognised files beside `path`, in a fixed order; broken ones are left out."""
    stem = str(path.with_suffix(""))  # text: twenty paths for each file would take longer to make
    sidecars = []
    for suffix, source in DESCRIPTIONS.items():
        beside = stem + suffix
        content = _read(beside, MAX_TEXT_BYTES)
        if content is None:
            continue
        if suffix.endswith(".txt"):
            line = text(content.decode("utf-8", "replace"))
            sidecars.append(Sidecar(Path(beside), "text", source, {"text": line} if line else {}))
        elif facts := _facts(content):
            sidecars.append(Sidecar(Path(beside), "description", source, facts))
    for suffix in PICTURES:
        beside = stem + suffix
        start = _read(beside, MAX_PICTURE_BYTES, only=16)
        if start and start.startswith(PICTURE_STARTS):
            sidecars.append(Sidecar(Path(beside), "preview", "picture", {}))
    return tuple(sidecars)


def _read(name: str, limit: int, only: int = -1) -> bytes | None:
    """The content of an ordinary file in its folder, None for anything else or too large."""
    try:
        status = os.lstat(name)
        path = Path(name)
        if stat.S_ISLNK(status.st_mode):
            if path.resolve(strict=True).parent != path.parent.resolve():
                return None
            status = os.stat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
            return None
        with open_regular(path) as file:
            return file.read(limit if only < 0 else only)
    except (OSError, ValueError, RuntimeError, LorariumError):
        return None


def _facts(content: bytes) -> dict[str, Any]:
    document = table(content.decode("utf-8", "replace"))
    facts: dict[str, Any] = {}
    for name, places in FIELDS.items():
        for place in places:
            if line := text(_at(document, place)):
                facts[name] = line.lower() if name == "sha256" else line
                break
    for place in WORDS:
        if word_list := words(_at(document, place)):
            facts["words"] = word_list
            break
    weight = number(document.get("preferred weight"))
    if weight:
        facts["weight"] = weight
    return facts


def _at(document: Any, place: str) -> Any:
    for step in place.split("/"):
        if isinstance(document, list):
            document = document[0] if step == "0" and document else None
        else:
            document = document.get(step) if isinstance(document, dict) else None
    return document
