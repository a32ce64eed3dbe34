"""Which files the page may touch: those inside the chosen folders, with every link followed.

`inside` is the one place where that is decided; the page itself never names a path, only the key of
a row, or a plain name for something new.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lorarium.errors import LorariumError, quoted
from lorarium.files import is_folder, require_regular

LONGEST_NAME = 120
RESERVED = frozenset('<>:"/\\|?*')  # of some file system or other


class OutsideError(LorariumError):
    """A path that leads out of the chosen folders."""


@dataclass(frozen=True)
class AllowedFolders:
    """`folders` are resolved; what is new is written to the first one that takes it."""

    folders: tuple[Path, ...]

    @classmethod
    def of(cls, folders: Iterable[str | os.PathLike[str]]) -> AllowedFolders:
        places = []
        for folder in folders:
            if not is_folder(Path(folder)):
                raise LorariumError("there is no such folder", where=str(folder))
            places.append(Path(folder).resolve())
        return cls(tuple(dict.fromkeys(places)))

    @classmethod
    def around(cls, paths: Iterable[str]) -> AllowedFolders:
        """The folders of files that a library has, without those inside others."""
        parents = sorted({str(Path(path).parent) for path in paths})
        tops: list[str] = []
        for parent in parents:
            if not any(_below(parent, top) for top in tops):
                tops.append(parent)
        return cls(tuple(Path(top).resolve() for top in tops if is_folder(Path(top))))

    def inside(self, path: str | os.PathLike[str]) -> Path:
        """The path with its links followed, when it lies in a chosen folder."""
        try:
            real = Path(path).resolve()
        except (OSError, RuntimeError, ValueError):
            raise OutsideError("this path leads nowhere", where=str(path)) from None
        if not any(real.is_relative_to(folder) for folder in self.folders):
            raise OutsideError("this is outside the chosen folders", where=str(path))
        return real

    def file(self, path: str | os.PathLike[str]) -> Path:
        """An ordinary file inside."""
        real = self.inside(path)
        require_regular(real)
        return real

    def has(self, path: str) -> bool:
        """Whether the file of a row is inside."""
        try:
            self.inside(path)
        except OutsideError:
            return False
        return True

    def new(self, name: str, folder: int = 0) -> Path:
        """Where something new of a plain name goes: directly into a chosen folder."""
        if not self.folders or not 0 <= folder < len(self.folders):
            raise LorariumError("there is no folder to write to", hint="lorarium studio FOLDER")
        return self.inside(self.folders[folder] / plain_name(name))


def plain_name(name: str) -> str:
    """A name of one file, without steps, tricks or hidden files."""
    odd = not name.isprintable() or RESERVED & set(name) or name != name.strip()
    if odd or not name or name.startswith(".") or len(name.encode()) > LONGEST_NAME:
        what = f"{quoted(name)} cannot be the name of a file"
        raise LorariumError(what, hint="use letters, digits, blanks, - and _")
    return name


def _below(path: str, top: str) -> bool:
    return path == top or path.startswith(top.rstrip(os.sep) + os.sep)
