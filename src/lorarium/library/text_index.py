"""The texts of all files, indexed by their terms in one sqlite file (FTS5) beside the store.

It holds what a search by words needs, the facts of each file too, so that such a search reads
nothing else. It can always be made again from the store: it says of which state of the store it
is, one of another state is brought up to date by its differences, and one that is damaged or
absent is built anew. `index` does that under the library's lock; a reader that finds it behind
does so as well, and takes a file of its own where it may not write.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path, PurePath
from typing import Any

import pyarrow as pa

from lorarium.library.file_rows import each_file, read_files
from lorarium.library.schema import FACTS, SIGNATURE
from lorarium.library.spaces import FILES
from lorarium.library.store import ROWS, Store
from lorarium.library.terms import joined_terms, split_terms, whole_words
from lorarium.remote import RemotePath

NAME, VERSION = "words.sqlite", 1
# what is kept of a file, as columns of terms; the last are those of `TOGETHER` as joined terms
FIELDS = ("name", "title", "words", "tags", "folder", "base", "author", "about")
TOGETHER = ("name", "title", "words", "tags", "author")
STATE = ("reader", *SIGNATURE)  # what tells whether a file was read again
FOLDERS = 3  # the last parts of a folder's path
MANY = 0.3  # of the files changed: a new index is made rather than this one changed
WAIT, HOUR = 10.0, 3600.0  # seconds: for another writer; until what is left lying is rubbish
TABLES = f"""
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE docs (number INTEGER PRIMARY KEY, key TEXT UNIQUE, state TEXT, id TEXT, facts TEXT);
CREATE INDEX docs_of_id ON docs (id);
CREATE VIRTUAL TABLE texts USING fts5({", ".join(FIELDS)}, joined,
    tokenize="unicode61 remove_diacritics 0");
CREATE VIRTUAL TABLE vocabulary USING fts5vocab(texts, row);
CREATE TABLE spellings (number INTEGER PRIMARY KEY, term TEXT UNIQUE);
CREATE VIRTUAL TABLE spelled USING fts5(term, content=spellings, content_rowid=number,
    tokenize=trigram, detail=none, columnsize=0);
"""


class TextIndex:
    """The index of one store, opened anew for each search, so that any thread may ask."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._own: Path | None = None

    @contextmanager
    def open(self) -> Iterator[sqlite3.Connection]:
        """A connection to the index of the store's present state."""
        with closing(self._connect_current()) as connection:
            yield connection

    def write(self) -> None:
        """Bring it up to date ahead of the first search; what is only faster may fail."""
        if isinstance(self.store.home, RemotePath) or not self.store.state(FILES):
            return
        with suppress(OSError, sqlite3.Error):
            path = self._path()
            if (current := _connect(path, self.store.state(FILES))) is None:
                update(self.store, path)
            else:
                current.close()

    def _connect_current(self) -> sqlite3.Connection:
        path = self._path()
        state = self.store.state(FILES)
        connection = _connect(path, state)
        if connection is not None:
            return connection
        try:
            update(self.store, path)
        except (OSError, sqlite3.Error):
            # one that is behind a writer is better than none; otherwise one of our own
            if (behind := _connect(path)) is not None:
                return behind
            path = self._own_folder() / NAME
            update(self.store, path)
        connection = _connect(path)
        assert connection is not None
        return connection

    def _path(self) -> Path:
        home = self.store.home
        return (self._own_folder() if self._own or isinstance(home, RemotePath) else home) / NAME

    def _own_folder(self) -> Path:
        """A folder that goes when this index does."""
        if self._own is None:
            self._own = Path(tempfile.mkdtemp(prefix="lorarium-"))
            weakref.finalize(self, shutil.rmtree, self._own, ignore_errors=True)
        return self._own


def update(store: Store, path: Path) -> None:
    """Bring the index at `path` up to the store's present state."""
    fresh = Store(store.home)  # which sees what has been written since `store` was opened
    state = fresh.state(FILES)  # looked at first: what is read is no older than it
    connection = _connect(path)
    if connection is not None:
        with closing(connection):
            gone, changed, total = _differences(connection, fresh)
            if len(gone) + len(changed) <= MANY * total + 100:
                with connection:
                    connection.execute("BEGIN IMMEDIATE")
                    _remove(connection, gone)
                    _add(connection, read_files(fresh, changed).to_batches(ROWS))
                    _seal(connection, state)
                return
    _build(fresh, path, state)


def _differences(connection: sqlite3.Connection, store: Store) -> tuple[list[str], list[str], int]:
    """Keys of what is to be taken out and of what is to be put in, and how many the store has."""
    known = dict(connection.execute("SELECT key, state FROM docs"))
    gone, changed, total = [], [], 0
    for batch in store.each(FILES, ["key", *STATE]):
        for row in batch.to_pylist():
            total += 1
            key, there = row["key"], row["key"] in known
            if known.pop(key, None) != _digest(row):
                changed.append(key)
                gone += [key] if there else []
    return [*gone, *known], changed, total


def _build(store: Store, path: Path, state: str) -> None:
    """Beside it, then in its place: whoever has the old one open goes on with it."""
    for left in path.parent.glob(f".{path.name}.*"):  # by a kill
        if left.stat().st_mtime < time.time() - HOUR:
            left.unlink(missing_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(descriptor)
    try:
        with closing(sqlite3.connect(name, isolation_level=None)) as connection:
            # nothing of it is of any use before it is whole
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            connection.executescript(TABLES)
            connection.execute("BEGIN")
            connection.execute("INSERT INTO about VALUES ('version', ?)", (str(VERSION),))
            _add(connection, each_file(store))
            _seal(connection, state)
            connection.execute("COMMIT")
            for table in ("texts", "spelled"):
                connection.execute(f"INSERT INTO {table}({table}) VALUES ('optimize')")
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _connect(path: Path, state: str | None = None) -> sqlite3.Connection | None:
    """None when it is absent, damaged, of another version, or not of this `state`."""
    if not path.is_file():
        return None
    connection = sqlite3.connect(path, timeout=WAIT, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        about = dict(connection.execute("SELECT name, value FROM about"))
        fine = about["version"] == str(VERSION) and state in (None, about["state"])
    except (sqlite3.Error, KeyError):
        fine = False
    if not fine:
        connection.close()
    return connection if fine else None


def _add(connection: sqlite3.Connection, batches: Iterable[pa.RecordBatch]) -> None:
    """The rows of files."""
    numbers = connection.execute("SELECT coalesce(max(number), 0) FROM docs").fetchone()[0]
    rows = (row for batch in batches for row in batch.to_pylist())
    for number, row in enumerate(rows, numbers + 1):
        facts = json.dumps({name: row[name] for name in FACTS}, ensure_ascii=False)
        doc = (number, row["key"], _digest(row), row["id"], facts)
        added = connection.execute("INSERT OR IGNORE INTO docs VALUES (?, ?, ?, ?, ?)", doc)
        if not added.rowcount:  # nothing keeps a store from naming two rows alike
            continue
        texts = [" ".join(terms) for terms in terms_by_field(row)]
        marks = ", ".join("?" * (len(texts) + 1))
        names = f"rowid, {', '.join(FIELDS)}, joined"
        connection.execute(f"INSERT INTO texts({names}) VALUES ({marks})", (number, *texts))


def terms_by_field(row: dict[str, Any]) -> list[list[str]]:
    """The terms of each column of the table of texts."""
    path = PurePath(row["path"])
    several = {
        "name": [path.name.removesuffix(path.suffix)],
        "title": [row["title"], *(row["names"] or [])],
        "words": row["words"] or [],
        "tags": row["tags"] or [],
        "folder": path.parts[1:-1][-FOLDERS:],
        "base": [row["family"], row["base"]],
        "author": [row["author"]],
        "about": [row["about"]],
    }
    texts = {field: [text for text in several[field] if text] for field in FIELDS}
    terms = {field: [split_terms(text) for text in texts[field]] for field in FIELDS}
    joined = [term for field in TOGETHER for text in terms[field] for term in joined_terms(text)]
    joined += [word for field in TOGETHER for text in texts[field] for word in whole_words(text)]
    return [*([t for text in terms[f] for t in text] for f in FIELDS), list(dict.fromkeys(joined))]


def _remove(connection: sqlite3.Connection, keys: Sequence[str]) -> None:
    for key in keys:
        (number,) = connection.execute("SELECT number FROM docs WHERE key = ?", (key,)).fetchone()
        connection.execute("DELETE FROM texts WHERE rowid = ?", (number,))
        connection.execute("DELETE FROM docs WHERE number = ?", (number,))


def _seal(connection: sqlite3.Connection, state: str) -> None:
    """Learn the new terms, and say of which state the index now is."""
    last = connection.execute("SELECT coalesce(max(number), 0) FROM spellings").fetchone()[0]
    connection.execute(
        "INSERT OR IGNORE INTO spellings(term) SELECT term FROM vocabulary "
        "WHERE length(term) >= 4 AND term NOT GLOB '[0-9]*'"
    )
    new = "SELECT number, term FROM spellings WHERE number > ?"
    connection.execute(f"INSERT INTO spelled(rowid, term) {new}", (last,))
    connection.execute("INSERT OR REPLACE INTO about VALUES ('state', ?)", (state,))


def _digest(row: Mapping[str, Any]) -> str:
    values = [row[name] for name in STATE]
    return hashlib.blake2b(repr(values).encode("utf-8", "replace"), digest_size=12).hexdigest()
