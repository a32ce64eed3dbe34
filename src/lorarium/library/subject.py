"""An adapter that is asked about, as a row of the library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lorarium.adapter import Adapter
from lorarium.errors import LorariumError
from lorarium.files import is_folder
from lorarium.formats.header import LORA_SUFFIXES
from lorarium.library.rows import adapter_row, read_row, readers
from lorarium.library.scan import Entry, remote_signature, signature, suffix_of
from lorarium.remote import RemotePath, list_files


def subject(content: Adapter | Path | RemotePath) -> dict[str, Any]:
    """The row of an adapter that is asked about, as `index` would make it."""
    if isinstance(content, Adapter):
        return adapter_row(content)
    if isinstance(content, RemotePath):
        return _remote_subject(content)
    path = content.resolve()
    if is_folder(path):
        from lorarium import formats

        return adapter_row(formats.read(path)) | {"path": str(path)}
    state = signature(path)
    if state is None:
        raise LorariumError("this is no ordinary file", where=str(content))
    return _subject_row(Entry(str(path), state), str(content))


def _remote_subject(path: RemotePath) -> dict[str, Any]:
    first, *more = list_files(path, LORA_SUFFIXES)
    if more:
        what, hint = f"it holds {len(more) + 1} files", "name one of them"
        raise LorariumError(what, where=str(path), hint=hint)
    state = remote_signature(first.size, first.version)
    return _subject_row(Entry(first.path.address, state), str(path))


def _subject_row(entry: Entry, content: str) -> dict[str, Any]:
    row = read_row(entry, readers()[suffix_of(entry.path)])
    if row["error"]:
        raise LorariumError(row["error"], where=content)
    if not row["described"]:
        why = ", ".join(row["health"]) or "its change is zero"
        raise LorariumError(f"it cannot be compared ({why})", where=content)
    return row
