"""One state of a library, read into memory as far as questions need it."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa

from lorarium.adapter import Array
from lorarium.descriptors.sketch import Sketch
from lorarium.errors import LorariumError
from lorarium.library.calibrate import ROW, TABLE, Calibration, from_rows
from lorarium.library.family_space import FamilySpace
from lorarium.library.file_rows import read_files
from lorarium.library.preview_index import PreviewSetting, read_setting
from lorarium.library.schema import FACTS
from lorarium.library.spaces import AT_ONCE, FILES, VectorSpace, batches, decode_sketch
from lorarium.library.store import PLACE, VECTOR, Store, vectors_of
from lorarium.library.text_index import TextIndex
from lorarium.library.where import Mask, as_mask


class Snapshot:
    """Files and vector spaces as they were when they were first asked for."""

    def __init__(self, store: Store, encoders: Mapping[str, VectorSpace]) -> None:
        self.store, self.encoders = store, encoders
        self.tables = store.names()
        self._spaces: dict[str, FamilySpace] = {}
        self.searchers: dict[str, Any] = {}  # of `lineage`, by family; they go when this goes

    @functools.cached_property
    def texts(self) -> TextIndex:
        if FILES not in self.tables:
            self._empty()
        return TextIndex(self.store)

    @functools.cached_property
    def _files(self) -> pa.Table:
        if FILES not in self.tables:
            self._empty()
        return read_files(self.store).sort_by("path")

    @functools.cached_property
    def files(self) -> pa.Table:
        """One row for each file, by path."""
        return self._files.select(FACTS)

    @functools.cached_property
    def calibrations(self) -> dict[str, Calibration]:
        if TABLE not in self.tables:
            return {}
        return from_rows(self.store.read(TABLE, ROW.names))

    @functools.cached_property
    def preview_setting(self) -> PreviewSetting | None:
        return read_setting(self.store)

    @functools.cached_property
    def preview_vectors(self) -> tuple[list[str], Array]:
        """Of the files whose preview is known: their contents, and unit vectors (n, d)."""
        setting = self.preview_setting
        ids_of_keys = dict(zip(*self.files.select(["key", "id"]).to_pydict().values(), strict=True))
        if setting is None or setting.table not in self.tables:
            return [], np.zeros((0, 0), np.float16)
        rows = self.store.read(setting.table, ["key", "seen", VECTOR])
        ids = [ids_of_keys.get(key) for key in rows["key"].to_pylist()]
        mask = np.array([bool(id) for id in ids]) & rows["seen"].to_numpy()
        return list(filter(None, np.array(ids, object)[mask])), vectors_of(rows[VECTOR])[mask]

    def _empty(self) -> NoReturn:
        hint = "lorarium index FOLDER puts files into it"
        raise LorariumError("the library is empty", where=str(self.store.home), hint=hint)

    @functools.cached_property
    def of_content(self) -> dict[str, list[int]]:
        """Rows of `files` by content id."""
        rows_of_id: dict[str, list[int]] = {}
        for row, id in enumerate(self.files["id"].to_pylist()):
            if id:
                rows_of_id.setdefault(id, []).append(row)
        return rows_of_id

    def families(self) -> Counter[str]:
        columns = self.files.select(["family", "described"]).to_pydict()
        pairs = zip(columns["family"], columns["described"], strict=True)
        return Counter(family for family, described in pairs if described)

    def mask(self, where: str | Mask) -> pa.Array:
        return pa.array(as_mask(where)(self.files))

    def allowed(self, where: str | Mask | None) -> set[str] | None:
        """The contents that a filter lets through."""
        if where is None:
            return None
        return set(self.files["id"].filter(self.mask(where)).to_pylist()) - {""}

    def rows(
        self, ids: Sequence[str], columns: Sequence[str] = FACTS
    ) -> list[list[dict[str, Any]]]:
        """For each content the rows of its files; none for one that is in no file any more."""
        rows_of_ids = [self.of_content.get(id, []) for id in ids]
        flat = pa.array([row for rows in rows_of_ids for row in rows], pa.int64())
        facts = iter(self.files.select(list(columns)).take(flat).to_pylist())
        return [[next(facts) for _ in rows] for rows in rows_of_ids]

    def space(self, encoder: VectorSpace, family: str) -> FamilySpace:
        """The vectors of a family; `index` must have filled them."""
        name = encoder.table(family)
        if name not in self.tables:
            raise LorariumError(
                f"nothing of the family {family} has {encoder.name} vectors yet",
                where=str(self.store.home),
                hint="run `lorarium index` again on a folder of it",
            )
        if name not in self._spaces:
            self._spaces[name] = FamilySpace(self, encoder, family)
        return self._spaces[name]

    def need_family(self, family: str) -> None:
        """Refuse a family that the library has nothing of."""
        known = self.families()
        if not known:
            self._empty()
        if family not in known:
            have = ", ".join(f"{count} {name}" for name, count in known.most_common())
            raise LorariumError(
                f"this is of the family {family}, of which the library has nothing",
                hint=f"it has {have}; adapters of different base models do not compare",
            )

    def sketches(self, ids: Sequence[str]) -> dict[str, Sketch]:
        """The sketches of some contents; those without a usable one are left out."""
        return dict(self.each_sketch(ids))

    def each_sketch(self, ids: Iterable[str]) -> Iterator[tuple[str, Sketch]]:
        """The same one by one, where all together would be too many."""
        for id, data in self.sketch_bytes(ids):
            sketch = decode_sketch(data)
            if sketch is not None:
                yield id, sketch

    @functools.cached_property
    def sketch_places(self) -> Mapping[str, int]:
        """Where the sketch of each content lies in the table of files."""
        columns = self._files.select(["id", PLACE])
        rows = [rows[0] for rows in self.of_content.values()]
        places = columns[PLACE].take(pa.array(rows, pa.int64())).to_pylist()
        return dict(zip(self.of_content, places, strict=True))

    def sketch_bytes(self, ids: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """As they are stored, a few at a time."""
        known = (id for id in dict.fromkeys(ids) if id in self.sketch_places)
        for some in batches(known, AT_ONCE):
            places = [self.sketch_places[id] for id in some]
            column = self.store.at(FILES, places, ["sketch"])["sketch"]
            for id, data in zip(some, column, strict=True):
                if data.is_valid:
                    yield id, data.as_py()
