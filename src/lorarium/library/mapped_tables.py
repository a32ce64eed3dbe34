"""Small tables once more, as they are when mapped into memory: reading them needs no LanceDB,
whose import alone takes two seconds.

A mapped table says which manifests its folder held when it was written. Every commit of the store
writes another manifest, so one that names just those that are there is the table's state;
any other is left alone, as is one that is damaged.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pyarrow as pa

from lorarium.errors import LorariumError
from lorarium.formats.target import write_atomically
from lorarium.library import arrow

arrow.settle()
FOLDER = "snapshot"  # beside the store; its name on disk stays
MOST_ROWS = 2000  # of a table, which with their sketches are 60 MB
_STATE = b"lorarium.state"
_END = ".arrow"


class MappedTables:
    """Those of one store's tables, whose folders are `*.lance` in `store`."""

    def __init__(self, store: Path) -> None:
        self.store, self.folder = store, store.with_name(FOLDER)

    def read(self, name: str) -> pa.Table | None:
        """The whole table, or nothing when none was mapped of its present state."""
        try:
            with pa.memory_map(str(self.folder / (name + _END))) as source:
                table = pa.ipc.open_file(source).read_all()
            # the state of the store is looked at last: what was read is no older than it
            state = (table.schema.metadata or {}).get(_STATE, b"")
            return table if state and state == self.state(name) else None
        except (OSError, pa.ArrowException, ValueError):
            return None

    def write(self, name: str, table: pa.Table, state: bytes) -> None:
        """Keep a table that was read while the store was in a state."""
        path = self.folder / (name + _END)
        try:
            self.folder.mkdir(exist_ok=True)
            sink = pa.BufferOutputStream()
            marked = table.combine_chunks().replace_schema_metadata({_STATE: state})
            with pa.ipc.new_file(sink, marked.schema) as writer:
                writer.write_table(marked)
            write_atomically(path, [memoryview(sink.getvalue())], force=True)
        except (OSError, LorariumError):
            pass  # what is only faster is no reason to fail

    def forget_others(self, names: set[str]) -> None:
        """Take away those of tables other than these."""
        try:
            for path in self.folder.glob("*" + _END):
                if path.name.removesuffix(_END) not in names:
                    path.unlink(missing_ok=True)
        except OSError:
            pass

    def state(self, name: str) -> bytes:
        """A digest of the manifests that the table has now; empty when it has none."""
        digest = hashlib.blake2b(digest_size=16)
        try:
            with os.scandir(self.store / f"{name}.lance" / "_versions") as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
            for entry in entries:
                at = entry.stat(follow_symlinks=False)
                known = (entry.name, at.st_size, at.st_mtime_ns, at.st_ino)
                digest.update(repr(known).encode("utf-8", "replace"))
        except OSError:
            return b""
        return digest.hexdigest().encode() if entries else b""
