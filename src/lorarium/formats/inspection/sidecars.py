"""Files that interfaces leave beside a LoRA: descriptions, trigger words, preview pictures.

They share the LoRA's name up to the suffix. Nothing outside the folder is opened, whatever a
link says, and no more than a limit of each.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lorarium.errors import LorariumError, one_line
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
    "author": ("creator/username", "civitai/creator/username", "AuthorUsername"),
    "notes": ("notes", "UserNotes"),
}
WORDS = {
    "words": ("trainedWords", "civitai/trainedWords", "TrainedWords", "activation text"),
    "tags": ("tags", "model/tags", "civitai/model/tags", "Tags"),
}
# longer than a line, and in HTML more often than not
PROSE = ("modelDescription", "model/description", "ModelDescription", "civitai/model/description",
         "description")  # fmt: skip
MAX_PROSE = 2000
MARKUP = re.compile(r"<[^<>]{0,500}>")


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
    sidecars += [Sidecar(picture, "preview", "picture", {}) for picture in _previews(path)]
    return tuple(sidecars)


def find_preview(path: Path) -> Path | None:
    """The first picture beside `path`."""
    return next(_previews(path), None)


def _previews(path: Path) -> Iterator[Path]:
    stem = str(path.with_suffix(""))
    for suffix in PICTURES:
        beside = stem + suffix
        start = _read(beside, MAX_PICTURE_BYTES, only=16)
        if start and start.startswith(PICTURE_STARTS):
            yield Path(beside)


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
    for name, places in WORDS.items():
        for place in places:
            if word_list := words(_at(document, place)):
                facts[name] = word_list
                break
    for place in PROSE:
        prose = _at(document, place)
        if isinstance(prose, str) and (line := _without_markup(prose)):
            facts["description"] = line
            break
    weight = number(document.get("preferred weight"))
    if weight:
        facts["weight"] = weight
    return facts


def _without_markup(prose: str) -> str:
    """One harmless line of it; text is all that anybody ever takes it for."""
    import html  # its table of names takes longer to read than most descriptions

    return one_line(html.unescape(MARKUP.sub(" ", prose[: 4 * MAX_PROSE])), MAX_PROSE)


def _at(document: Any, place: str) -> Any:
    for step in place.split("/"):
        if isinstance(document, list):
            document = document[0] if step == "0" and document else None
        else:
            document = document.get(step) if isinstance(document, dict) else None
    return document
