"""Tables on disk. Everything that knows LanceDB is in this file.

A table has a column that names its rows; `put` replaces rows of the same name, in one commit.
There is no unique constraint behind that: it holds because a library has one writer at a time.
What was written as a mapped table and not written to since is read without LanceDB.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lorarium.adapter import Array
from lorarium.errors import LorariumError
from lorarium.library import lance_memory
from lorarium.library.folder import STORE, damaged
from lorarium.library.lease import BucketFolder
from lorarium.library.mapped_tables import MOST_ROWS, MappedTables
from lorarium.remote import RemotePath

OLD = timedelta(hours=1)  # versions that a reader may still hold are left alone
CHUNK = 1000
ROWS = 4096  # that are looked at together, where all are
SAFE = re.compile(r"[0-9a-f]+")
VECTOR = "vector"
SUFFIX = ".lance"
PLACE = "_rowid"  # LanceDB's name for it


class Store:
    """The tables of one library, in a folder or in object storage; opened at the first use."""

    def __init__(self, home: Path | RemotePath) -> None:
        self.home = home
        self._bucket: BucketFolder | None = None
        self._connection: Any = None
        self._tables: dict[str, Any] = {}
        local = None if isinstance(home, RemotePath) else home
        self._mapped_tables = MappedTables(local / STORE) if local else None
        self._mapped: dict[str, pa.Table | None] = {}

    def names(self) -> set[str]:
        """Tables that were committed; a kill while one was made leaves a folder without a state."""
        if isinstance(self.home, RemotePath):
            self._bucket = self._bucket or BucketFolder(self.home)
            return self._bucket.tables(STORE, SUFFIX)
        return {
            path.name.removesuffix(SUFFIX)
            for path in (self.home / STORE).glob("*" + SUFFIX)
            if any(path.glob("_versions/*.manifest"))
        }

    def refresh(self) -> None:
        """See what other processes have written since."""
        self._tables.clear()
        self._mapped.clear()

    def write_mapped_tables(self) -> None:
        """Of all small tables, by the one who holds the library's lock."""
        if self._mapped_tables is None:
            return
        self.refresh()
        small = {name for name in self.names() if self.count(name) <= MOST_ROWS}
        self._mapped_tables.forget_others(small)
        for name in sorted(small):
            if self._mapped_table(name) is None:
                state = self._mapped_tables.state(name)
                with self._guarded():
                    columns = self._open(name).schema.names
                self._mapped_tables.write(name, self.read(name, columns, places=True), state)
                self._mapped.pop(name)

    def _mapped_table(self, name: str) -> pa.Table | None:
        if name not in self._mapped:
            # one that was opened stays in the state that it was opened in
            tables = None if name in self._tables else self._mapped_tables
            self._mapped[name] = None if tables is None else tables.read(name)
        return self._mapped[name]

    def _writing(self, name: str) -> Any:
        """The table, of which what was mapped is no longer true."""
        self._mapped[name] = None
        return self._open(name)

    def version(self, name: str) -> int:
        with self._guarded():
            return int(self._open(name).version)

    def state(self, name: str) -> str:
        """What differs after every commit to a table; without LanceDB where it is a folder."""
        if self._mapped_tables is not None:
            return self._mapped_tables.state(name).decode()
        return f"version {self.version(name)}" if name in self.names() else ""

    def columns(self, name: str) -> list[str]:
        if (mapped := self._mapped_table(name)) is not None:
            return [column for column in mapped.schema.names if column != PLACE]
        with self._guarded():
            return list(self._open(name).schema.names)

    def widen(self, name: str, schema: pa.Schema) -> None:
        """Add the columns that an older version did not have, without values."""
        if name not in self.names():
            return
        known = set(self.columns(name))
        if new := [field for field in schema if field.name not in known]:
            with self._guarded():
                self._writing(name).add_columns(new)

    def count(self, name: str) -> int:
        if (mapped := self._mapped_table(name)) is not None:
            return len(mapped)
        with self._guarded():
            return int(self._open(name).count_rows())

    def read(self, name: str, columns: Sequence[str], *, places: bool = False) -> pa.Table:
        """Whole columns; with `places` also where each row lies, for `at`."""
        if (mapped := self._mapped_table(name)) is not None:
            return mapped.select([*columns, *([PLACE] if places else [])])
        with self._guarded():
            query = self._open(name).search().select(list(columns)).limit(None)
            return (query.with_row_id(True) if places else query).to_arrow()

    def each(
        self, name: str, columns: Sequence[str], *, places: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """The same, some rows at a time."""
        if self._mapped_table(name) is not None:
            yield from self.read(name, columns, places=places).to_batches(ROWS)
            return
        with self._guarded():
            query = self._open(name).search().select(list(columns)).limit(None)
            yield from (query.with_row_id(True) if places else query).to_batches(ROWS)

    def vectors(self, name: str, key: str) -> tuple[list[str], Array]:
        """All names of rows and their vectors (n, d), in half precision; mapped where they can be,
        else held once."""
        if (mapped := self._mapped_table(name)) is not None:
            return mapped[key].to_pylist(), vectors_of(mapped[VECTOR])
        with self._guarded():
            table = self._open(name)
            names: list[str] = []
            vectors = np.zeros((0, 0), np.float16)
            for batch in table.search().select([key, VECTOR]).limit(None).to_batches():
                part = vectors_of(batch[VECTOR])
                if not names:
                    vectors = np.empty((table.count_rows(), part.shape[1]), part.dtype)
                vectors[len(names) : len(names) + len(part)] = part
                names += batch[key].to_pylist()
            return names, vectors

    def at(self, name: str, places: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """The rows at these places, in this order."""
        if (mapped := self._mapped_table(name)) is not None:
            rows = {place: row for row, place in enumerate(mapped[PLACE].to_pylist())}
            subset = mapped.select(list(columns))
            return subset.take(pa.array([rows[place] for place in places], pa.int64()))
        with self._guarded():
            table = self._open(name)
            if not places:
                return pa.schema([table.schema.field(c) for c in columns]).empty_table()
            query = table.take_row_ids(sorted(set(places))).select(list(columns))
            subset = query.with_row_id().to_arrow()  # in an order of its own
            rows = {place: row for row, place in enumerate(subset[PLACE].to_pylist())}
            return subset.select(list(columns)).take([rows[place] for place in places])

    def pick(self, name: str, key: str, values: Sequence[str], columns: Sequence[str]) -> pa.Table:
        """The rows whose `key` is one of `values` (hex digits), in no particular order."""
        if (mapped := self._mapped_table(name)) is not None:
            wanted = set(values)
            rows = [i for i, value in enumerate(mapped[key].to_pylist()) if value in wanted]
            return mapped.select(list(columns)).take(pa.array(rows, pa.int64()))
        with self._guarded():
            table = self._open(name)
            parts = [
                table.search().where(_among(key, some)).select(list(columns)).limit(None).to_arrow()
                for some in _chunks(values)
            ]
            if parts:
                return pa.concat_tables(parts)
            return pa.schema([table.schema.field(c) for c in columns]).empty_table()

    def put(self, name: str, key: str, rows: pa.Table) -> None:
        with self._guarded():
            if name not in self._tables and name not in self.names():
                # a kill in between leaves an empty table, which the next run fills
                self._tables[name] = self._connect().create_table(name, schema=rows.schema)
            merge = self._writing(name).merge_insert(key)
            merge.when_matched_update_all().when_not_matched_insert_all().execute(rows)

    def remove(self, name: str, key: str, values: Sequence[str]) -> None:
        with self._guarded():
            for some in _chunks(values):
                self._writing(name).delete(_among(key, some))

    def drop(self, name: str) -> None:
        with self._guarded():
            self._tables.pop(name, None)
            self._mapped.pop(name, None)
            self._connect().drop_table(name)

    def tidy(self, name: str) -> None:
        """Merge small pieces, bring indexes up to date, forget versions nobody reads any more."""
        with self._guarded():
            self._writing(name).optimize(cleanup_older_than=OLD)
        lance_memory.give_back()

    def make_index(self, name: str) -> None:
        """An approximate index over `vector` by cosine, unless there is one."""
        from lancedb.index import IvfRq

        with self._guarded():
            table = self._writing(name)
            if not table.list_indices():
                table.create_index(VECTOR, config=IvfRq(distance_type="cosine"))

    def nearest(self, name: str, key: str, vector: Array, k: int) -> tuple[list[str], Array]:
        """Through the index: names of the nearest rows and their cosines."""
        with self._guarded():
            query = self._open(name).search(vector).distance_type("cosine").refine_factor(10)
            neighbours = query.limit(k).select([key, "_distance"]).to_arrow()
            return neighbours[key].to_pylist(), 1 - neighbours["_distance"].to_numpy()

    def _connect(self) -> Any:
        if self._connection is None:
            lance_memory.read_less_ahead()
            import lancedb

            self._connection = lancedb.connect(**_address(self.home))
        return self._connection

    def _open(self, name: str) -> Any:
        if name not in self._tables:
            self._tables[name] = self._connect().open_table(name)
        return self._tables[name]

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Errors of the store as sentences."""
        try:
            yield
        except (LorariumError, MemoryError):
            raise
        except Exception as error:  # it has no error class of its own
            reason = str(error).strip() or type(error).__name__
            reason = reason.splitlines()[0][:300]
            if re.search(r"read-only|permission denied|no space|disk quota", str(error), re.I):
                what = f"the library cannot be written ({reason})"
                raise LorariumError(what, where=str(self.home)) from None
            raise damaged(self.home, reason) from None


def _address(home: Path | RemotePath) -> dict[str, Any]:
    """Where LanceDB finds the tables; in object storage as AWS's environment says."""
    if not isinstance(home, RemotePath):
        return {"uri": str(home / STORE)}
    options = {}
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        plain = endpoint.lower().startswith("http://")
        options = {"aws_endpoint": endpoint, "allow_http": str(plain).lower()}
    return {"uri": f"{home.address.rstrip('/')}/{STORE}", "storage_options": options}


def vectors_of(column: pa.Array | pa.ChunkedArray) -> Array:
    """The rows of a column of vectors (n, d)."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return whole.flatten().to_numpy(zero_copy_only=False).reshape(len(whole), -1)


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]


def _among(key: str, values: Sequence[str]) -> str:
    # names of rows are our own hex digits, so no text from a file ever stands in a query
    assert all(SAFE.fullmatch(value) for value in values)
    return f"{key} IN ({', '.join(repr(value) for value in values)})"
