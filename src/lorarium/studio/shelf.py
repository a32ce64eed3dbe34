"""The table of files as the page shows it: filtered, sorted, and taken a page at a time.

Everything stays in columns until a page is cut out, so the first of seventy thousand comes at once.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lorarium.adapter import Array
from lorarium.errors import LorariumError, one_line
from lorarium.library.schema import FACTS, SCHEMA
from lorarium.library.where import Mask
from lorarium.library.where import where as parse

SORTS = ("name", "size", "rank", "modified", "norm", "family", "modules")
FACETS = ("family", "kind", "folder", "tags", "health")
MOST_PAGE = 500
MOST_FACET = 60
SHOWN_WORDS = 8
HEALTHY, FINDINGS, UNREADABLE = "healthy", "has findings", "cannot be read"


@dataclass(frozen=True)
class ShelfQuery:
    """What to show: `chosen` has values of facets; files of any value of each facet pass."""

    words: str = ""
    where: str = ""
    chosen: Mapping[str, Sequence[str]] = field(default_factory=dict)
    own: Sequence[str] | None = None  # contents that carry a tag of one's own; None for all
    sort: str = "name"
    down: bool = False


class Shelf:
    """`folders` are the spellings of what may be seen; `state` names what was read."""

    def __init__(self, files: pa.Table, folders: Sequence[str], state: str = "") -> None:
        paths = files["path"].to_pylist()
        starts = tuple(folder.rstrip(os.sep) + os.sep for folder in folders)
        inside = [path.startswith(starts) for path in paths]
        files = files.filter(pa.array(inside, pa.bool_()))
        paths = [path for path, keep in zip(paths, inside, strict=True) if keep]
        self.state = state
        self.table = files
        names = [PurePath(path).stem.lower() for path in paths]
        self._by_name = np.argsort(np.array(names, object), kind="stable")
        places = [_folder(path, starts) for path in paths]
        self.table = self.table.append_column("folder", pa.array(places, pa.string()))
        self._position = {key: i for i, key in enumerate(files["key"].to_pylist())}
        self._key_of = dict(zip(paths, self._position, strict=True))

    @classmethod
    def without_files(cls) -> Shelf:
        columns = pa.schema([SCHEMA.field(name) for name in FACTS])
        return cls(columns.empty_table(), ())

    def __len__(self) -> int:
        return len(self.table)

    def knows(self, path: str) -> bool:
        return path in self._key_of

    def row(self, key: str) -> dict[str, Any] | None:
        if key not in self._position:
            return None
        row: dict[str, Any] = self.table.slice(self._position[key], 1).to_pylist()[0]
        return row

    def short(self, path: str) -> dict[str, Any]:
        """How another file is named on a card; one that may not be seen has no key."""
        name = one_line(PurePath(path).stem, 120)
        key = self._key_of.get(path, "")
        family = self.row(key)["family"] if key else ""  # type: ignore[index]
        return {"key": key, "name": name, "family": family}

    def rows_of(self, paths: Sequence[str]) -> list[dict[str, Any]]:
        """Cards for these files, in their order; without those that may not be seen."""
        places = [self._position[self._key_of[p]] for p in paths if p in self._key_of]
        return self._cards(np.array(places, np.int64))

    def rows_of_keys(self, keys: Sequence[str]) -> list[dict[str, Any]]:
        places = [self._position[key] for key in keys if key in self._position]
        return self._cards(np.array(places, np.int64))

    def page(self, wanted: ShelfQuery, offset: int, limit: int) -> dict[str, Any]:
        places = self.places(wanted)
        limit = max(0, min(limit, MOST_PAGE))
        cut = places[max(0, offset) : max(0, offset) + limit]
        return {"total": len(places), "offset": offset, "rows": self._cards(cut)}

    def places(self, wanted: ShelfQuery) -> Array:
        """Rows that are wanted, in order."""
        mask = self._mask(wanted)
        order = self._order(wanted.sort)
        if wanted.down:
            order = order[::-1]
        return order[mask[order]]

    def passing(self, wanted: ShelfQuery) -> set[str]:
        """The keys of what a filter lets through, whatever its words."""
        mask = self._mask(ShelfQuery(where=wanted.where, chosen=wanted.chosen, own=wanted.own))
        return set(self.table["key"].filter(pa.array(mask)).to_pylist())

    def keys(self, wanted: ShelfQuery) -> list[str]:
        """All that a filter lets through, for selecting them."""
        keys: list[str] = self.table["key"].take(pa.array(self.places(wanted))).to_pylist()
        return keys

    def facets(self, wanted: ShelfQuery) -> dict[str, list[list[Any]]]:
        """For each facet its values and their counts, with all other filters applied."""
        counts = {}
        for facet in FACETS:
            chosen = {k: v for k, v in wanted.chosen.items() if k != facet}
            other = ShelfQuery(wanted.words, wanted.where, chosen, wanted.own)
            part = self.table.filter(pa.array(self._mask(other)))
            counts[facet] = _counts(_facet(part, facet))
        return counts

    def _mask(self, wanted: ShelfQuery) -> Array:
        mask = np.ones(len(self.table), bool)
        if wanted.where.strip():
            mask &= parse(wanted.where)(self.table)
        for word in wanted.words.split()[:20]:
            text = word.replace('"', "")
            if text:
                mask &= parse(f'text ~ "{text}"')(self.table)
        for facet, values in wanted.chosen.items():
            if facet not in FACETS:
                raise LorariumError(f"nothing is filtered by {facet!r}")
            if values:
                mask &= _has_any(self.table, facet, values)
        if wanted.own is not None:
            hits = np.zeros(len(self.table), bool)
            own = pa.array(list(wanted.own), pa.string())
            for name in ("id", "key"):  # notes on what cannot be read are by its key
                hits |= np.asarray(pc.is_in(self.table[name], own), bool)
            mask &= hits
        return mask

    def _order(self, sort: str) -> Array:
        if sort not in SORTS:
            raise LorariumError(f"nothing is sorted by {sort!r}", hint=", ".join(SORTS))
        if sort == "name":
            return self._by_name
        column = self.table[sort].take(pa.array(self._by_name))  # equal ones by name
        order = pc.array_sort_indices(column.combine_chunks(), null_placement="at_end")
        return self._by_name[np.asarray(order)]

    def _cards(self, places: Array) -> list[dict[str, Any]]:
        return [card_row(row) for row in self.table.take(pa.array(places, pa.int64())).to_pylist()]


def card_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a card on the shelf needs, every text on one harmless line."""
    lists = {n: [one_line(w, 60) for w in row[n][:SHOWN_WORDS]] for n in ("words", "tags")}
    numbers = ("rank", "size", "norm", "modules", "parameters")
    return {
        "key": row["key"],
        "content": row["id"] or row["key"],
        "name": one_line(PurePath(row["path"]).stem, 160),
        "suffix": PurePath(row["path"]).suffix,
        "title": one_line(row["title"] or "", 120),
        "base": one_line(row["base"] or "", 60),
        "author": one_line(row["author"] or "", 60),
        "health": list(row["health"]),
        "error": one_line(row["error"] or "", 300),
        "modified": (row["modified"] or 0) // 10**9,
        **{n: row[n] for n in ("family", "kind", "dialect", "dtype", "folder")},
        **{n: row[n] for n in numbers},
        **lists,
    }


def _folder(path: str, starts: Sequence[str]) -> str:
    """The folder of a file below the chosen one it lies in, with that one's name before it."""
    start = max((s for s in starts if path.startswith(s)), key=len)
    below = os.path.dirname(path[len(start) :])
    name = PurePath(start).name or start
    return one_line(f"{name}/{below}" if below else name, 200)


def _facet(table: pa.Table, facet: str) -> pa.Array:
    if facet == "tags":
        return pc.list_flatten(table["tags"])
    if facet == "health":
        return pa.array(_verdicts(table), pa.string())
    return table[facet]


def _verdicts(table: pa.Table) -> Array:
    sizes = pc.fill_null(pc.list_value_length(table["health"]), 0).to_numpy()
    bad = pc.fill_null(pc.not_equal(table["error"], ""), False).to_numpy()
    verdicts = np.where(sizes > 0, FINDINGS, HEALTHY)
    return np.where(np.asarray(bad, bool), UNREADABLE, verdicts)


def _has_any(table: pa.Table, facet: str, values: Sequence[str]) -> Array:
    wanted = pa.array(list(values), pa.string())
    if facet == "tags":
        lists = table["tags"].combine_chunks()
        hits = np.asarray(pc.is_in(pc.list_flatten(lists), wanted), bool)
        mask = np.zeros(len(table), bool)
        mask[np.asarray(pc.list_parent_indices(lists))[hits]] = True
        return mask
    column = _facet(table, facet)
    return np.asarray(pc.is_in(column, wanted), bool)


def _counts(column: pa.Array) -> list[list[Any]]:
    counts = [[e["values"], e["counts"]] for e in pc.value_counts(column).to_pylist()]
    usable = [[one_line(str(v), 200), n] for v, n in counts if v not in (None, "")]
    return sorted(usable, key=lambda pair: (-pair[1], pair[0]))[:MOST_FACET]


def among(keys: Collection[str]) -> Mask:
    """The rows of the library's own table that have these keys."""
    wanted = pa.array(list(keys), pa.string())
    return lambda table: np.asarray(pc.is_in(table["key"], wanted), bool)
