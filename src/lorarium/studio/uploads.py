"""What the page sends: pictures and safetensors files, checked before anything uses them.

A file keeps nothing of the name it came with. What it is its bytes say: a pickle, an EPS or
anything else is refused, whatever its name claims.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

from lorarium.errors import LorariumError, one_line
from lorarium.formats.container import load_header
from lorarium.pictures import open_picture

MOST_FILES, MOST_BYTES = 200, 1 << 30
SAFETENSORS = ".safetensors"
NAMES = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "GIF": ".gif", "BMP": ".bmp"}


class Uploads:
    """A folder that is emptied whenever a server starts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for path in folder.iterdir():
            if path.is_file() or path.is_symlink():
                path.unlink()
        self._files: dict[str, tuple[Path, int]] = {}  # and bytes, the oldest first

    def path(self, name: str) -> Path:
        """The file that an upload was given this name for."""
        if name not in self._files or not self._files[name][0].exists():
            raise LorariumError("that upload is not here any more", hint="drop the file again")
        return self._files[name][0]

    def kind(self, name: str) -> str:
        return "adapter" if self.path(name).suffix == SAFETENSORS else "picture"

    async def take(self, body: AsyncIterator[bytes], label: str) -> dict[str, object]:
        """Store what comes, see what it is, and give it a name."""
        name = secrets.token_hex(8)
        raw = self.folder / f"{name}.part"
        try:
            size = 0
            with open(raw, "xb") as file:
                async for chunk in body:
                    size += len(chunk)
                    file.write(chunk)
            if not size:
                raise LorariumError("the upload is empty")
            suffix = suffix_of(raw)
            path = raw.with_suffix(suffix)
            os.replace(raw, path)
        finally:
            raw.unlink(missing_ok=True)
        self._files[name] = (path, size)
        self._forget()
        kind = "adapter" if suffix == SAFETENSORS else "picture"
        return {"id": name, "kind": kind, "name": one_line(label, 120), "size": size}

    def _forget(self) -> None:
        """The oldest go when they are too many or too large together."""
        for name in list(self._files)[:-1]:
            held = sum(size for _, size in self._files.values())
            if len(self._files) <= MOST_FILES and held <= MOST_BYTES:
                return
            self._files.pop(name)[0].unlink(missing_ok=True)


def suffix_of(path: Path) -> str:
    """What the bytes are, by decoding them; an error for anything that is not taken."""
    with open(path, "rb") as file:
        head = file.read(9)
    if len(head) == 9 and head[8:9] == b"{":  # the length of a header, then JSON
        load_header(path)
        return SAFETENSORS
    try:
        with open_picture(path) as picture:
            picture.load()
            kind = str(picture.format)
    except LorariumError as error:
        what = f"neither a picture nor a safetensors file ({error.what})"
        raise LorariumError(what, hint="PNG, JPEG, WebP, GIF, BMP or .safetensors") from None
    if kind not in NAMES:
        raise LorariumError(f"pictures of the kind {kind} are not taken")
    return NAMES[kind]
