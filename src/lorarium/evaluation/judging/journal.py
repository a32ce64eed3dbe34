"""A file of JSON lines that survives being killed: a line is on the disk before `append` returns.

A line that was cut off by a kill is removed when the file is opened again; any other damage is an
error, since what was paid for would be forgotten.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lorarium.errors import LorariumError
from lorarium.library.folder import lock_descriptor

Record = dict[str, Any]
MOST_BYTES = 2_000_000_000


class Journal:
    """Append-only, one process at a time."""

    def __init__(self, path: Path) -> None:
        self.path, self._failed = path, ""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(path, "a+b")
        except OSError as error:
            reason = error.strerror or str(error)
            raise LorariumError(f"cannot be opened ({reason})", where=str(path)) from None
        try:
            lock_descriptor(self._file.fileno())
        except OSError:
            self._file.close()
            hint = "wait for it, or give this one another folder"
            raise LorariumError("another run writes here", where=str(path), hint=hint) from None
        try:
            self.records = self._recover()
        except BaseException:
            self._file.close()
            raise

    def append(self, record: Mapping[str, Any]) -> None:
        line = json.dumps(record, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
        if self._failed:  # half a line may be there: nothing may follow it
            raise LorariumError(self._failed, where=str(self.path))
        try:
            self._file.write(line.encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            self._failed = f"cannot be written ({error.strerror or error})"
            raise LorariumError(self._failed, where=str(self.path)) from None
        self.records.append(dict(record))

    def close(self) -> None:
        self._file.close()

    def _recover(self) -> list[Record]:
        self._file.seek(0, os.SEEK_END)
        if self._file.tell() > MOST_BYTES:
            raise LorariumError("the journal is too large", where=str(self.path))
        self._file.seek(0)
        text = self._file.read()
        end = text.rfind(b"\n") + 1
        if end < len(text):
            self._file.truncate(end)
            os.fsync(self._file.fileno())
        records = []
        for number, line in enumerate(text[:end].splitlines(), 1):
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                record = None
            if not isinstance(record, dict):
                raise LorariumError(
                    f"line {number} is damaged", where=str(self.path),
                    hint="move the journal away; what it holds would be asked and paid again",
                )  # fmt: skip
            records.append(record)
        return records
