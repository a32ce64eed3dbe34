"""What a path argument names: a file of this machine, or one that is read where it is."""

from __future__ import annotations

import os
import re
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from lorarium.errors import LorariumError, without_secrets

# `Path` makes one slash of two, so that one must do
_ADDRESS = re.compile(r"(https?|hf|s3):/+(.*)", re.IGNORECASE | re.DOTALL)
_PRINTABLE = re.compile(r"[\x21-\x7e]*")


@dataclass(frozen=True)
class RemotePath:
    """An address whose password, token or signature is kept, and never shown by `str` or `repr`.

    It is no `os.PathLike`: what opens files of this machine refuses it.
    """

    scheme: str
    address: str = field(repr=False)

    def __str__(self) -> str:
        return without_secrets(self.address)

    @property
    def steps(self) -> list[str]:
        """The pieces between slashes after the scheme, decoded in URLs; the host or owner first."""
        rest = self.address.partition("://")[2]
        if self.scheme.startswith("http"):
            rest = urllib.parse.unquote(re.split("[?#]", rest)[0])
        return [step for step in rest.split("/") if step]

    @property
    def name(self) -> str:
        """The file's own name, as a file of this machine may be called."""
        last = self.steps[-1] if len(self.steps) > 1 else ""
        return re.sub(r"[\\/\x00-\x1f]", "_", last)[-200:] or "file"

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix

    def beside(self, name: str) -> RemotePath:
        """Another file of its folder; what signed this address does not hold for it."""
        head, _, _ = re.split("[?#]", self.address)[0].rpartition("/")
        return RemotePath(self.scheme, f"{head}/{name}")


def as_place(path: str | os.PathLike[str] | RemotePath) -> Path | RemotePath:
    """A local path, or a remote one when it begins with `https://`, `http://`, `hf://`, `s3://`."""
    if isinstance(path, RemotePath):
        return path
    match = _ADDRESS.fullmatch(os.fspath(path))
    if match is None:
        return Path(path)
    scheme = match[1].lower()
    made = RemotePath(scheme, f"{scheme}://{match[2]}")
    min_steps = 2 if scheme == "hf" else 1
    if len(made.steps) < min_steps or {".", ".."} & set(made.steps):
        forms = {"hf": "hf://owner/name[/file]", "s3": "s3://bucket[/folder][/file]"}
        hint = f"expected {forms.get(scheme, scheme + '://host/file')}"
        raise LorariumError("this is no address", where=str(made), hint=hint)
    if scheme.startswith("http") and not _PRINTABLE.fullmatch(match[2]):
        hint = "spell blanks and letters beyond ASCII as %20 and so on"
        raise LorariumError("this address holds signs no URL has", where=str(made), hint=hint)
    return made
