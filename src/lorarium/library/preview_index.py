"""Preview pictures as vectors: of which model they are is kept in the library, and so are they.

A library's previews are read with one CLIP or SigLIP of the user's, which is never fetched. Each
file has a row that says which picture its vector is of, and in what state that was; zeros stand
for a file without a picture, or with one that cannot be read, until that changes.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from lorarium.errors import LorariumError, need_packages
from lorarium.formats.inspection.sidecars import find_preview
from lorarium.formats.inspection.thumbnail import read_thumbnail
from lorarium.library.spaces import FILES, batches, unit
from lorarium.library.store import VECTOR, Store
from lorarium.remote import RemotePath, as_place

if TYPE_CHECKING:
    from lorarium.adapter import Array
    from lorarium.encoders.picture_words import PictureWordModel
    from lorarium.encoders.pretrained import PictureTower

SETTING, VECTORS = "preview_setting", "preview_vectors"  # tables; of the latter, how names begin
ONLY_ROW = "0"  # its name in the table of the setting
NONE = "none"  # in place of a model
TOGETHER = 32  # pictures that are held at once
ROWS, SECONDS = 256, 5.0  # after which what was embedded is written


class PreviewSetting(NamedTuple):
    """The model as the user names it, the state of its files, and the table of its vectors."""

    model: str
    state: str
    table: str


@dataclass
class PreviewReport:
    """What one run did with pictures; `note` says why it could do nothing."""

    embedded: int = 0
    bad: int = 0
    gone: int = 0
    note: str = ""


class PictureState(NamedTuple):
    """Where a file's picture is, or the file itself, which may hold one, and its state."""

    picture: str
    size: int
    modified: int


def open_preview_model(name: str) -> PictureWordModel:
    """Torch and transformers load with its towers, and only where there is a picture to read."""
    packages = ("torch", "transformers", "PIL")
    need_packages("searching previews", packages, "diffusers")
    from lorarium.encoders.picture_words import open_model

    return open_model(name)


def choose_preview_model(name: str) -> PictureWordModel:
    """The same with both towers loaded, so that it is now that something is missing."""
    model = open_preview_model(name)
    assert model.pictures and model.words
    return model


def read_setting(store: Store) -> PreviewSetting | None:
    if SETTING not in store.names():
        return None
    rows = store.read(SETTING, ["model", "state", "table"]).to_pylist()
    return PreviewSetting(**rows[0]) if rows else None


def fill_previews(
    store: Store, chosen: PictureWordModel | None, forget: bool,
    progress: Callable[[int, int, str], None],
) -> PreviewReport | None:  # fmt: skip
    """Bring the vectors up to date with the pictures, under the library's lock, by the `chosen`
    model, which is remembered, or by the one that is; None where the library has no previews."""
    setting = read_setting(store)
    if forget and setting is not None:
        store.remove(SETTING, "name", [ONLY_ROW])
        setting = None
    try:
        model = chosen or (open_preview_model(setting.model) if setting else None)
        is_new = model and (not setting or setting[:2] != (model.name, model.state))
        if is_new and model:
            assert model.pictures
    except LorariumError as error:
        return PreviewReport(note=f"previews stay as they were: {error}")
    if is_new and model:
        # what is left of a table that was dropped must never be met again: no name is used twice
        setting = PreviewSetting(model.name, model.state, f"{VECTORS}.{uuid.uuid4().hex}")
        row = {"name": ONLY_ROW, **setting._asdict()}
        store.put(SETTING, "name", pa.Table.from_pylist([row]))
    for name in store.names():
        if name.startswith(VECTORS) and (setting is None or name != setting.table):
            store.drop(name)
    if setting is None or model is None or FILES not in store.names():
        return None
    return _fill(store, setting.table, model, progress)


def _fill(
    store: Store, table: str, model: PictureWordModel, progress: Callable[[int, int, str], None]
) -> PreviewReport:
    report = PreviewReport()
    known: dict[str, tuple[PictureState, bool]] = {}
    if table in store.names():
        for batch in store.each(table, ["key", *PictureState._fields, "seen"]):
            for key, *fields, seen in zip(*batch.to_pydict().values(), strict=True):
                known[key] = PictureState(*fields), seen
    todo, keys = [], set()
    for key, path in _each_file(store):
        keys.add(key)
        state = picture_state(path)
        if state is not None and (key not in known or known[key][0] != state):
            todo.append((key, path, state))
    if gone := sorted(known.keys() - keys):
        store.remove(table, "key", gone)
        report.gone += sum(known[key][1] for key in gone)
    try:
        tower = model.pictures if todo else None
    except LorariumError as error:
        return PreviewReport(gone=report.gone, note=f"previews stay as they were: {error}")
    width = len(tower.embed(np.zeros((1, 8, 8, 3), np.uint8))[0]) if tower else 0
    rows: list[dict[str, Any]] = []
    last, done = time.monotonic(), 0
    for some in batches(todo, TOGETHER):
        vectors = _embed(model.pictures, some, report)
        for key, _, state in some:
            seen = key in vectors
            report.embedded += seen
            report.gone += not seen and key in known and known[key][1]
            vector = vectors.get(key, np.zeros(width, np.float16))
            rows.append({"key": key, **state._asdict(), "seen": seen, VECTOR: vector})
        done += len(some)
        progress(done, len(todo), "previews")
        if len(rows) >= ROWS or done == len(todo) or time.monotonic() - last > SECONDS:
            store.put(table, "key", pa.Table.from_pylist(rows, _schema(width)))
            rows, last = [], time.monotonic()
    if todo or gone:
        store.tidy(table)
    return report


def _each_file(store: Store) -> Iterator[tuple[str, Path]]:
    """Those of this machine."""
    for batch in store.each(FILES, ["key", "path"]):
        for key, name in zip(*batch.to_pydict().values(), strict=True):
            if not isinstance(path := as_place(name), RemotePath):
                yield key, path


def picture_state(path: Path) -> PictureState | None:
    """None where the file is not here now, whose disk may be away."""
    place = find_preview(path) or path
    try:
        state = os.stat(place)
    except OSError:
        return None
    return PictureState(str(place), state.st_size, state.st_mtime_ns)


def _embed(
    tower: PictureTower, files: list[tuple[str, Path, PictureState]], report: PreviewReport
) -> dict[str, Array]:
    """The vectors of those files that have a picture which can be read, by their keys."""
    from lorarium.pictures import read_picture

    pictures = {}
    for key, path, state in files:
        try:
            if state.picture != str(path):
                pictures[key] = read_picture(Path(state.picture), tower.size)
            elif (thumbnail := _thumbnail(path)) is not None:
                pictures[key] = read_picture(thumbnail, tower.size)
        except LorariumError:
            report.bad += 1
    if not pictures:
        return {}
    units = map(unit, tower.embed(np.stack([*pictures.values()])))
    return {
        key: vector.astype(np.float16)
        for key, vector in zip(pictures, units, strict=True)
        if vector is not None
    }


def _thumbnail(path: Path) -> bytes | None:
    try:
        return read_thumbnail(path)
    except (LorariumError, OSError):  # a fault of the LoRA's, of which `index` tells
        return None


def _schema(width: int) -> pa.Schema:
    return pa.schema(
        {
            "key": pa.string(),
            "picture": pa.string(),
            "size": pa.int64(),
            "modified": pa.int64(),
            "seen": pa.bool_(),
            VECTOR: pa.list_(pa.float16(), width),
        }
    )
