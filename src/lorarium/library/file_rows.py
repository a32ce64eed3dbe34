"""The rows of the table of files, whichever version wrote it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import pyarrow as pa

from lorarium.library.schema import FACTS, SCHEMA
from lorarium.library.spaces import FILES
from lorarium.library.store import Store

Rows = TypeVar("Rows", pa.Table, pa.RecordBatch)


def read_files(store: Store, keys: Sequence[str] | None = None) -> pa.Table:
    """The rows of all files, or of some; columns that an older version did not write are empty.

    Of all of them also the places, for sketches.
    """
    columns = _columns(store)
    if keys is None:
        return _filled(store.read(FILES, columns, places=True))
    return _filled(store.pick(FILES, "key", keys, columns))


def each_file(store: Store) -> Iterator[pa.RecordBatch]:
    """The same of all, some rows at a time, without places."""
    for batch in store.each(FILES, _columns(store)):
        yield _filled(batch)


def _columns(store: Store) -> list[str]:
    known = set(store.columns(FILES))
    return [name for name in FACTS if name in known]


def _filled(rows: Rows) -> Rows:
    known = set(rows.schema.names)
    for name in FACTS:
        if name not in known:
            field = SCHEMA.field(name)
            rows = rows.append_column(field, pa.nulls(len(rows), field.type))
    return rows
