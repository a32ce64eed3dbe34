"""What lies in a folder, and how that differs from what the library knows.

Nothing is read here. A file counts as unchanged while its size, times and inode are those of the
last reading; one that only moved is known by its inode. A remote file is known by its size and by
what its server says of its state.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from lorarium.errors import LorariumError
from lorarium.files import is_folder, is_inside
from lorarium.formats import peft
from lorarium.formats.header import LORA_SUFFIXES
from lorarium.formats.inspection.sidecars import DESCRIPTIONS
from lorarium.library.folder import CARD
from lorarium.remote import RemotePath, as_place, list_files


class Signature(NamedTuple):
    """The state of a file and of the descriptions beside it."""

    size: int
    modified: int  # nanoseconds
    changed: int
    inode: int
    beside: str

    @property
    def place(self) -> tuple[int, int, int]:
        """What a file keeps when it is renamed."""
        return self.inode, self.size, self.modified


class Entry(NamedTuple):
    path: str  # of a remote file its address, which may hold a secret
    signature: Signature

    @property
    def key(self) -> str:
        return key_of(self.path)


def key_of(path: str) -> str:
    """The name of a path's row: hex digits, whatever the path holds."""
    return hashlib.blake2b(os.fsencode(str(as_place(path))), digest_size=16).hexdigest()


def suffix_of(path: str) -> str:
    """In small letters; an address that ends in none is taken for a safetensors file."""
    suffix = as_place(path).suffix.lower()
    return suffix if suffix in LORA_SUFFIXES else ".safetensors"


@dataclass(frozen=True)
class Known:
    """What the library remembers of a file."""

    key: str
    path: str
    signature: Signature
    reader: str  # by which version of our code


@dataclass
class Plan:
    read: list[Entry] = field(default_factory=list)
    moved: list[tuple[Known, Entry]] = field(default_factory=list)
    gone: list[Known] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)  # keys of those in `read` that were known
    unchanged: int = 0


@dataclass
class Scan:
    """Files found, sorted; folders that would not open, so that nobody knows what is in them."""

    entries: list[Entry]
    closed: list[str]


def scan(folders: Iterable[Path | RemotePath]) -> Scan:
    """Every tensor file below the folders, each once, links out of a folder left out."""
    entries: dict[str, Entry] = {}
    closed: list[str] = []
    for folder in folders:
        if isinstance(folder, RemotePath):
            for file in list_files(folder, LORA_SUFFIXES):
                state = remote_signature(file.size, file.version)
                entries.setdefault(file.path.address, Entry(file.path.address, state))
            continue
        if not is_folder(folder):
            raise LorariumError("there is no such folder", where=str(folder))
        root = folder.resolve()
        for entry in _walk(root, closed):
            entries.setdefault(entry.path, entry)
    return Scan([entries[path] for path in sorted(entries)], closed)


def _walk(root: Path, closed: list[str]) -> Iterator[Entry]:
    waiting = [str(root)]
    linked: set[str] = set()
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as listing:
                items = {item.name: item for item in listing}
        except OSError as error:
            if folder == str(root):
                reason = error.strerror or str(error)
                raise LorariumError(f"cannot be opened ({reason})", where=folder) from None
            closed.append(folder)
            continue
        if CARD in items and folder != str(root):
            continue  # a library
        for name in sorted(items):
            item = items[name]
            if item.is_dir(follow_symlinks=False):
                waiting.append(item.path)
            elif os.path.splitext(name)[1].lower() in LORA_SUFFIXES:
                path = Path(item.path)
                if item.is_symlink():
                    # a file that is found under its own name needs no second one
                    real = os.path.realpath(path)
                    if not is_inside(path, root) or real in linked or _found_itself(real, root):
                        continue
                    linked.add(real)
                state = signature(path, items.keys())
                if state is not None:
                    yield Entry(item.path, state)


def _found_itself(real: str, root: Path) -> bool:
    return Path(real).suffix.lower() in LORA_SUFFIXES and Path(real).is_relative_to(root)


def remote_signature(size: int, version: str) -> Signature:
    """Of a server that says nothing of the file's state, one that is never the same again."""
    digest = hashlib.blake2b(version.encode(), digest_size=8).digest()
    now = 0 if version else time.time_ns()
    return Signature(size, 0, now, int.from_bytes(digest), digest.hex())


def signature(path: Path, names: Iterable[str] | None = None) -> Signature | None:
    """The state of a file now; `names` are those of its folder, where they are known already.

    None when it is no ordinary file, or has just gone.
    """
    try:
        state = os.stat(path)
    except OSError:
        return None
    if not stat.S_ISREG(state.st_mode):
        return None
    stem, folder = path.name.removesuffix(path.suffix), str(path.parent)
    side_files = [stem + suffix for suffix in DESCRIPTIONS]
    if path.name in peft.WEIGHTS:
        side_files.append(peft.CONFIG)
    digest = hashlib.blake2b(digest_size=8)
    for name in side_files:
        if names is not None and name not in names:
            continue
        try:
            other = os.stat(os.path.join(folder, name), follow_symlinks=False)
        except OSError:
            continue
        digest.update(repr((name, other.st_size, other.st_mtime_ns)).encode("utf-8", "replace"))
    return Signature(
        state.st_size,
        state.st_mtime_ns,
        state.st_ctime_ns,
        state.st_ino,
        sys.intern(digest.hexdigest()),  # nearly all files have nothing beside them
    )


def plan(
    scanned: Scan,
    known: Iterable[Known],
    folders: Iterable[Path | RemotePath],
    readers: Mapping[str, str],
) -> Plan:
    """Sort what is found into unchanged, moved and to be read; `readers` by suffix, see `rows`.

    What is known is looked at once, and only what has gone is kept of it.
    """
    changes = Plan()
    here = {entry.key: entry for entry in scanned.entries}
    roots = [str(f if isinstance(f, RemotePath) else f.resolve()) for f in folders]
    unchanged: set[str] = set()
    for old in known:
        now = here.get(old.key)
        if now is not None:
            reader = readers[suffix_of(now.path)]
            if old.signature == now.signature and old.reader == reader:
                unchanged.add(old.key)
            else:
                changes.changed.add(old.key)
            continue
        covered = any(_below(old.path, root) for root in roots)
        hidden = any(_below(old.path, folder) for folder in scanned.closed)
        if covered and not hidden:
            changes.gone.append(old)
    changes.unchanged = len(unchanged)
    lost = {row.signature.place: row for row in changes.gone}
    for key, entry in here.items():
        if key in unchanged:
            continue
        if key in changes.changed:
            changes.read.append(entry)
            continue
        reader = readers[suffix_of(entry.path)]
        moved = lost.get(entry.signature.place)
        if moved and moved.reader == reader and moved.signature.beside == entry.signature.beside:
            changes.moved.append((lost.pop(entry.signature.place), entry))
        else:
            changes.read.append(entry)
    moved_keys = {row.key for row, _ in changes.moved}
    changes.gone = [row for row in changes.gone if row.key not in moved_keys]
    return changes


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
