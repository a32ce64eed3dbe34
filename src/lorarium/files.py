"""The one door to a stranger's files: nothing but an ordinary file is ever opened.

A named pipe would be waited for without end, a device may do anything when it is opened, and a
small name can hold any number of bytes.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Collection
from io import BufferedReader
from pathlib import Path

from lorarium.errors import LorariumError

ADDRESS = re.compile(r"(?:https?|hf|s3):/", re.IGNORECASE)  # `Path` makes one slash of two
MOST_TEXT = 16 * 2**20  # bytes of a file that people write: recipes, schedules, block weights


def require_regular(path: Path) -> os.stat_result:
    """The state of an ordinary file; folders, pipes, sockets, devices and absence are errors."""
    where = str(path)
    if ADDRESS.match(where):
        hint = "download it first"
        raise LorariumError("this command reads files of this machine", where=where, hint=hint)
    try:
        state = os.stat(path)
    except FileNotFoundError:
        raise LorariumError("there is no such file", where=where) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise _unreadable(where, error) from None
    if stat.S_ISDIR(state.st_mode):
        raise LorariumError("this is a folder", where=where, hint="give a file inside it")
    if not stat.S_ISREG(state.st_mode):
        raise LorariumError("this is not an ordinary file", where=where)
    return state


def open_regular(path: Path) -> BufferedReader:
    """Open an ordinary file for reading; anything else is an error, before it is opened."""
    require_regular(path)
    try:
        file = open(path, "rb", opener=_without_waiting)
    except (OSError, ValueError) as error:
        raise _unreadable(str(path), error) from None
    # between the two looks another file may have come to this name
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise LorariumError("this is not an ordinary file", where=str(path))
    return file


def file_hash(path: Path) -> str:
    """SHA-256 of an ordinary file, in hexadecimal."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_bytes(path: Path, what: str, limit: int = MOST_TEXT) -> bytes:
    """All of a small file; `what` it is goes into the error when it is large."""
    with open_regular(path) as file:
        try:
            content = file.read(limit + 1)
        except OSError as error:
            raise _unreadable(str(path), error) from None
    if len(content) > limit:
        size = f"{limit >> 20} MiB" if limit >= 2**20 else f"{limit} bytes"
        raise LorariumError(f"{what} is larger than {size}", where=str(path))
    return content


def read_text(path: Path, what: str, limit: int = MOST_TEXT) -> str:
    """The same as text in UTF-8, without a byte order mark."""
    try:
        return read_bytes(path, what, limit).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise LorariumError(f"{what} is not text in UTF-8", where=str(path)) from None


def is_regular(path: Path) -> bool:
    """Whether an ordinary file is here."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def exists(path: Path) -> bool:
    """Whether anything is here; a name that no disk could hold is not."""
    try:
        os.stat(path)
    except (OSError, ValueError):
        return False
    return True


def is_folder(path: Path) -> bool:
    """Whether a folder is here; `Path.is_dir` raises where the name is too long."""
    return os.path.isdir(path)


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a path, with its links followed, lies in a folder.

    A hub cache is the exception: its snapshots are links into the `blobs` beside them.
    """
    try:
        real, home = path.resolve(), folder.resolve()
    except (OSError, RuntimeError, ValueError):  # a link that leads back to itself
        return False
    cached = real.parent.name == "blobs" and real.parent.parent in home.parents
    return real.is_relative_to(home) or cached


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _unreadable(where: str, error: Exception) -> LorariumError:
    reason = getattr(error, "strerror", None) or str(error)
    return LorariumError(f"cannot be read ({reason})", where=where)


def files_inside(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """The ordinary files of a folder with one of these suffixes, in order of their names; links
    that lead out of it are left out."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise _unreadable(str(folder), error) from None
    paths = [folder / name for name in names if os.path.splitext(name)[1].lower() in suffixes]
    return [path for path in paths if is_regular(path) and is_inside(path, folder)]
