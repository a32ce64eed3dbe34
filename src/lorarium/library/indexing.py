"""Folders -> rows: only what is new or changed is read, and what is read is kept at once.

Rows are written in batches, each in one commit, so an end at any moment loses at most the last
seconds. Files that have gone are forgotten last, when all else is safe.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from lorarium.errors import LorariumError
from lorarium.library import folder as place
from lorarium.library.filling import fill
from lorarium.library.lance_memory import share_arenas
from lorarium.library.pool import Died, run, run_on_ray
from lorarium.library.preview_index import (
    NONE,
    PreviewReport,
    choose_preview_model,
    fill_previews,
)
from lorarium.library.rows import died_row, read_row, readers
from lorarium.library.scan import Entry, Known, Plan, Signature, plan, scan, suffix_of
from lorarium.library.schema import SCHEMA, SIGNATURE
from lorarium.library.spaces import FILES, VectorSpace
from lorarium.library.store import Store
from lorarium.library.text_index import TextIndex
from lorarium.remote import RemotePath, as_place

BATCH, SECONDS = 256, 5.0  # rows, or time, after which what was read is written

Progress = Callable[[int, int, str], None]


@dataclass
class Indexed:
    """What one run found and did."""

    new: int = 0
    changed: int = 0
    moved: int = 0
    gone: int = 0
    unchanged: int = 0
    bad: list[tuple[str, str]] = field(default_factory=list)  # path and why, of this run
    closed: list[str] = field(default_factory=list)  # folders that could not be opened
    seconds: float = 0.0
    previews: PreviewReport | None = None  # of a library that has a model for them

    def to_json(self) -> dict[str, Any]:
        counts = {n: getattr(self, n) for n in ("new", "changed", "moved", "gone", "unchanged")}
        return {
            **counts,
            "bad": [{"path": path, "error": error} for path, error in self.bad],
            "closed": self.closed,
            "previews": asdict(self.previews) if self.previews else None,
            "seconds": round(self.seconds, 3),
        }


def index(
    store: Store,
    folders: Sequence[Path | RemotePath],
    encoders: dict[str, VectorSpace],
    *,
    workers: int | None = None,
    ray: str | None = None,
    previews: str | None = None,
    progress: Progress = lambda done, total, words: None,
    only: Callable[[Entry], bool] = lambda entry: True,
) -> Indexed:
    """Bring the library up to date with the folders; `only` leaves files for a later run.

    `previews` is the model of its previews from now on, by name or "none".
    """
    started = time.perf_counter()
    model = None if previews is None or previews == NONE else choose_preview_model(previews)
    share_arenas()
    with place.writing(store.home):
        store.refresh()
        store.widen(FILES, SCHEMA)
        work = functools.partial(_read, workers=workers, ray=ray, progress=progress)
        report, count = _bring_files(store, folders, work, only)
        fill(store, encoders, lambda n: progress(count, count, "vectors"))
        report.previews = fill_previews(store, model, previews == NONE, progress)
        store.write_mapped_tables()
        TextIndex(store).write()
    report.bad.sort()
    report.seconds = time.perf_counter() - started
    return report


def _bring_files(
    store: Store,
    folders: Sequence[Path | RemotePath],
    work: Callable[[list[Entry], dict[str, str]], Iterator[list[dict[str, Any]]]],
    only: Callable[[Entry], bool],
) -> tuple[Indexed, int]:
    """The table of files as the folders are now, with how many were read; what was found in them
    is let go with this."""
    report = Indexed()
    listing = scan(folders)
    by_suffix = readers()
    todo = plan(listing, each_known(store), folders, by_suffix)
    _need_files(folders, listing.entries, todo)
    todo.read = [entry for entry in todo.read if only(entry)]
    report.closed = listing.closed
    report.unchanged = todo.unchanged
    if todo.moved:
        _move(store, todo)
        report.moved = len(todo.moved)
    gone_ids = _ids(store, [row.key for row in todo.gone])
    for rows in work(todo.read, by_suffix):
        store.put(FILES, "key", pa.Table.from_pylist(rows, SCHEMA))
        for row in rows:
            _count(report, row, todo, gone_ids)
    if todo.gone:
        store.remove(FILES, "key", [row.key for row in todo.gone])
        report.gone = len(todo.gone) - (report.moved - len(todo.moved))
    if todo.read or todo.gone or todo.moved:
        store.tidy(FILES)
    return report, len(todo.read)


def each_known(store: Store) -> Iterator[Known]:
    """What the library knows of each file."""
    if FILES not in store.names():
        return
    for batch in store.each(FILES, ["key", "path", "reader", *SIGNATURE]):
        for row in batch.to_pylist():
            state = Signature(*(row[name] for name in SIGNATURE))
            yield Known(row["key"], row["path"], state, row["reader"])


def _need_files(folders: Sequence[Path | RemotePath], entries: Sequence[Entry], todo: Plan) -> None:
    """A folder whose files have all gone is most likely a disk that is not there."""
    if entries:
        return
    where = ", ".join(map(str, folders))
    if not todo.gone:
        raise LorariumError("there is no tensor file in this folder", where=where)
    raise LorariumError(
        f"none of the {len(todo.gone)} files that were here is left, so nothing was changed",
        where=where,
        hint="is a disk missing? if they are gone for good, index the folder above",
    )


def _move(store: Store, todo: Plan) -> None:
    """New paths first: a kill in between leaves both, and the next run takes the old one out."""
    keys = {old.key: entry for old, entry in todo.moved}
    rows = store.pick(FILES, "key", list(keys), SCHEMA.names).to_pylist()
    for row in rows:
        entry = keys[row["key"]]
        row |= {"key": entry.key, "path": str(as_place(entry.path)), **entry.signature._asdict()}
    store.put(FILES, "key", pa.Table.from_pylist(rows, SCHEMA))
    store.remove(FILES, "key", list(keys))


def _ids(store: Store, keys: list[str]) -> list[str]:
    if not keys:
        return []
    return store.pick(FILES, "key", keys, ["id"])["id"].to_pylist()


def _read(
    entries: list[Entry],
    by_suffix: dict[str, str],
    workers: int | None,
    ray: str | None,
    progress: Progress,
) -> Iterator[list[dict[str, Any]]]:
    """Rows of the entries in batches; what was read before Ctrl-C is handed over too."""
    work = functools.partial(_work, by_suffix=by_suffix)
    results = run(work, entries, workers) if ray is None else run_on_ray(work, entries, ray)
    rows: list[dict[str, Any]] = []
    last = time.monotonic()
    total = len(entries)
    try:
        for done, (entry, row) in enumerate(results, 1):
            if isinstance(row, Died):
                row = died_row(entry, by_suffix[suffix_of(entry.path)])
            rows.append(row)
            progress(done, total, "")
            if len(rows) >= BATCH or time.monotonic() - last > SECONDS:
                yield rows
                rows, last = [], time.monotonic()
    except KeyboardInterrupt:
        if rows:
            yield rows
        raise
    if rows:
        yield rows


def _work(entry: Entry, by_suffix: dict[str, str]) -> dict[str, Any]:
    return read_row(entry, by_suffix[suffix_of(entry.path)])


def _count(report: Indexed, row: dict[str, Any], todo: Plan, gone_ids: list[str]) -> None:
    if row["error"]:
        report.bad.append((row["path"], row["error"]))
    if row["key"] in todo.changed:
        report.changed += 1
    elif row["id"] and row["id"] in gone_ids:  # moved to another disk, or copied and deleted
        gone_ids.remove(row["id"])
        report.moved += 1
    else:
        report.new += 1
