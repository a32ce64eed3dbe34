"""The folder of a library: its card says which format it has, its lock who may write to it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lorarium.errors import LorariumError, need_packages
from lorarium.files import exists, require_regular
from lorarium.formats.target import write_atomically
from lorarium.library.lease import BucketFolder, hold_lease
from lorarium.remote import RemotePath, as_place

FORMAT, VERSION = "lorarium-library", 1
CARD, LOCK, STORE = "library.json", "lock", "store"
REBUILD = "delete the folder and index again: the adapter files themselves are not in it"


def default_folder() -> Path | RemotePath:
    """`LORARIUM_LIBRARY`, or where programs of a user keep their data."""
    named = os.environ.get("LORARIUM_LIBRARY")
    return as_place(named) if named else Path.home() / ".local" / "share" / "lorarium"


def need_library() -> None:
    """Refuse when the extra `library` is not installed."""
    need_packages("a library", ("lancedb", "pyarrow", "sklearn"), "library")


def check(folder: Path | RemotePath) -> None:
    """Whether a library is here that this version can read."""
    if isinstance(folder, RemotePath):
        card = BucketFolder(folder).read(CARD)
        if card is None:
            raise _no_library(folder)
        return _check_card(card.decode("utf-8", "replace"), folder)
    try:
        if exists(folder / CARD):
            require_regular(folder / CARD)
        text = (folder / CARD).read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise _no_library(folder) from None
    except (OSError, UnicodeDecodeError) as error:
        raise damaged(folder, f"{CARD} cannot be read ({error})") from None
    _check_card(text, folder)


def _no_library(folder: Path | RemotePath) -> LorariumError:
    hint = "make one: lorarium index FOLDER"
    return LorariumError("there is no library here", where=str(folder), hint=hint)


def _check_card(text: str, folder: Path | RemotePath) -> None:
    try:
        card = json.loads(text)
        version = int(card["version"])
        known = card["format"] == FORMAT
    except (ValueError, KeyError, TypeError, RecursionError):
        raise damaged(folder, f"{CARD} is broken") from None
    if not known:
        raise LorariumError("this is not a library of lorarium", where=str(folder))
    if version > VERSION:
        raise LorariumError(
            f"this library has format {version}, this lorarium knows up to {VERSION}",
            where=str(folder),
            hint="update lorarium, or name another --library",
        )


def damaged(folder: Path | RemotePath, why: str) -> LorariumError:
    return LorariumError(f"the library is damaged: {why}", where=str(folder), hint=REBUILD)


def create(folder: Path) -> None:
    """Make the folder a library, unless it is one; a folder with other things in it is refused."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = set(os.listdir(folder))
    except OSError as error:
        raise cannot_write(folder, error) from None
    if CARD in names:
        return check(folder)
    _refuse_others(folder, names)
    write_atomically(folder / CARD, [_new_card()], force=True)


def _new_card() -> bytes:
    return json.dumps({"format": FORMAT, "version": VERSION}).encode()


def _refuse_others(folder: Path | RemotePath, names: set[str]) -> None:
    """A folder with other things in it becomes no library."""
    # what a kill at the very start can leave behind
    if CARD in names or all(n == LOCK or n.startswith(f".{CARD}") for n in names):
        return
    if STORE in names:
        raise damaged(folder, f"{CARD} is missing")
    hint = "name a new --library"
    raise LorariumError("this folder holds other things", where=str(folder), hint=hint)


def cannot_write(folder: Path, error: OSError) -> LorariumError:
    reason = error.strerror or str(error)
    hint = "name another --library, or see who may write here"
    return LorariumError(f"the library cannot be written ({reason})", where=str(folder), hint=hint)


@contextmanager
def writing(folder: Path | RemotePath) -> Iterator[None]:
    """Create the library if need be and hold its lock; the system frees it when we die."""
    if isinstance(folder, RemotePath):
        there = BucketFolder(folder)
        _refuse_others(folder, there.names())
        with hold_lease(there, LOCK):
            if there.read(CARD) is None:
                there.write(CARD, _new_card())
            check(folder)
            yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _refuse_others(folder, set(os.listdir(folder)))
        file = open(folder / LOCK, "a+")
    except OSError as error:
        raise cannot_write(folder, error) from None
    with file:
        try:
            lock_descriptor(file.fileno())
        except OSError:
            file.seek(0)
            owner = file.read(200).strip() or "another process"
            raise LorariumError(
                f"{owner} is writing to this library",
                where=str(folder),
                hint="one at a time: wait for it, or stop it",
            ) from None
        file.seek(0)
        file.truncate()
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        create(folder)
        yield


def lock_descriptor(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        # far behind the text, which others may read
        os.lseek(descriptor, 2**20, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
