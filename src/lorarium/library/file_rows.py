"""The rows of the table of files, whichever version wrote it."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from lorarium.library.schema import FACTS, SCHEMA
from lorarium.library.spaces import FILES
from lorarium.library.store import Store


def read_files(store: Store, keys: Sequence[str] | None = None) -> pa.Table:
    """The rows of all files, or of some; columns that an older version did not write are empty.

    Of all of them also the places, for sketches.
    """
    known = set(store.columns(FILES))
    columns = [name for name in FACTS if name in known]
    if keys is None:
        table = store.read(FILES, columns, places=True)
    else:
        table = store.pick(FILES, "key", keys, columns)
    for name in FACTS:
        if name not in known:
            field = SCHEMA.field(name)
            table = table.append_column(field, pa.nulls(len(table), field.type))
    return table
