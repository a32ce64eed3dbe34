"""Search: the nearest adapters to adapter files, pictures, words, or all of them together.

All queries become unit vectors of one space and are averaged. Only adapters of one family
compare, so there is one family for each answer.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa

from lorarium.adapter import Adapter, Array
from lorarium.descriptors.sketch import Sketch
from lorarium.errors import LorariumError, one_line, quoted
from lorarium.files import exists, is_folder
from lorarium.formats import peft
from lorarium.formats.header import LORA_SUFFIXES
from lorarium.library.calibrate import AROUND_FOUND, AROUND_QUERY, TWINS, around, chance
from lorarium.library.rows import adapter_row, read_row, readers
from lorarium.library.scan import Entry, remote_signature, signature, suffix_of
from lorarium.library.snapshot import FamilySpace, Near, Snapshot
from lorarium.library.spaces import VectorSpace, for_adapters, for_kinds, unit
from lorarium.notebook import html_table
from lorarium.pictures import SUFFIXES, picture_files
from lorarium.remote import RemotePath, as_place, list_files

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["adapter", "pictures", "words"]
LONGEST = 1000  # of words
# what one can do where nothing puts adapters and these in one space
INSTEAD = {
    "words": "--where 'text ~ WORD' finds words in names, titles and tags",
    "pictures": "search by a LoRA file that draws alike, or by words: --where 'text ~ WORD'",
}


@dataclass(frozen=True)
class Query:
    """`content` is an adapter or a path for `adapter`, a path for `pictures`, else words."""

    kind: Kind
    content: Any


def as_query(query: Query | Adapter | str | os.PathLike[str], kind: Kind | None = None) -> Query:
    """Guess what a query is: a file or folder by its suffix and content, else words."""
    if isinstance(query, Query):
        return query
    if isinstance(query, Adapter):
        return Query("adapter", query)
    text = query if isinstance(query, str) else os.fspath(query)
    path = as_place(text)
    if isinstance(path, RemotePath) and kind in (None, "adapter"):
        return Query("adapter", path)
    path = Path(text)
    suffix = path.suffix.lower()
    if kind is None:
        kind = "words"
        if suffix in LORA_SUFFIXES or _is_peft(path):
            kind = "adapter"
        elif suffix in SUFFIXES or is_folder(path):
            kind = "pictures"
    if kind == "words":
        if not text.strip() or len(text) > LONGEST:
            raise LorariumError(f"words to search for: 1 to {LONGEST} characters")
        return Query(kind, text)
    if not exists(path):
        what = "there is no such file" if suffix else "there is no such file or folder"
        hint = "are these words? --text says so" if kind == "pictures" else ""
        raise LorariumError(what, where=text, hint=hint)
    return Query(kind, path)


def _is_peft(path: Path) -> bool:
    """A PEFT folder, or a folder of them."""
    return is_folder(path) and any(any(path.glob(p + peft.CONFIG)) for p in ("", "*/"))


@dataclass(frozen=True)
class Match:
    """One content of the library; `paths` are its files."""

    score: float
    paths: tuple[str, ...]
    facts: Mapping[str, Any]
    relation: str = ""  # to an adapter that was asked for, where they share weights

    @property
    def path(self) -> str:
        return self.paths[0]

    def to_json(self) -> dict[str, Any]:
        names = ("family", "title", "tags", "words", "rank", "dialect", "dtype", "norm")
        return {
            "path": self.paths[0],
            "also": list(self.paths[1:]),
            "score": round(self.score, 6),
            "relation": self.relation or None,
            **{name: self.facts.get(name) for name in names},
        }


@dataclass(frozen=True, repr=False)
class Answer(Sequence[Match]):
    """`close` says whether the best is near; None where too few adapters are here to say.

    >>> for match in library.search("ink.safetensors"):  # doctest: +SKIP
    ...     print(match.score, match.path)
    """

    family: str
    space: str
    matches: tuple[Match, ...]
    close: bool | None = None
    threshold: float | None = None
    nearer_than: float | None = None  # the share of the library's own nearest neighbours
    more: int = 0  # that a filter without a query lets through

    def __len__(self) -> int:
        return len(self.matches)

    def __getitem__(self, index: Any) -> Any:
        return self.matches[index]

    def _rows(self) -> list[tuple[str, str, str]]:
        return [(f"{m.score:.3f}", str(m.facts.get("title") or ""), m.path) for m in self.matches]

    def __repr__(self) -> str:
        lines = [
            f"Answer({len(self)} of {self.family or 'any family'}, by {self.space or 'facts'})"
        ]
        return "\n".join([*lines, *(one_line("  ".join(filter(None, r))) for r in self._rows())])

    def _repr_html_(self) -> str:
        return html_table(self._rows(), ("score", "title", "file"))

    def to_json(self) -> dict[str, Any]:
        return {
            "family": self.family,
            "space": self.space,
            "close": self.close,
            "threshold": None if self.threshold is None else round(self.threshold, 6),
            "nearer_than": None if self.nearer_than is None else round(self.nearer_than, 4),
            "more": self.more,
            "matches": [match.to_json() for match in self.matches],
        }

    def to_arrow(self) -> pa.Table:
        return pa.Table.from_pylist([match.to_json() for match in self.matches])

    def to_pandas(self) -> pd.DataFrame:
        from lorarium.library.library import frame

        return frame(self.to_arrow())


def search(
    snapshot: Snapshot,
    queries: Sequence[Query],
    *,
    k: int = 10,
    where: str | None = None,
    space: str = "",
    relate: bool = False,
) -> Answer:
    """The `k` nearest contents; without queries those that `where` lets through.

    `relate` also says which of them share weights with the one adapter that was asked for.
    """
    if not queries:
        return _listed(snapshot, where, k)
    allowed = snapshot.allowed(where)
    rows = [subject(snapshot, q.content) for q in queries if q.kind == "adapter"]
    families = {str(row["family"]) for row in rows}
    if len(families) > 1:
        raise LorariumError(f"the queries are of different families: {', '.join(sorted(families))}")
    kinds = {q.kind for q in queries}
    family = families.pop() if families else _family_for(snapshot, kinds, allowed)
    snapshot.need_family(family)
    encoder = _encoder(snapshot, kinds, family, space)
    vector = _vector(snapshot, encoder, queries, rows)
    here = snapshot.space(encoder, family)
    own = {str(row["path"]) for row in rows}
    near = here.nearest(vector, max(k, AROUND_QUERY) + len(own), allowed)
    matches = matched(snapshot, near, k, own)
    if relate and len(queries) == len(rows) == 1:
        matches = _related(snapshot, rows[0], matches)
    verdict = closeness(here, vector, near, matches, kinds)
    return Answer(family, encoder.name, tuple(matches), **verdict)


def matched(snapshot: Snapshot, near: Near, k: int, without: Collection[str] = ()) -> list[Match]:
    """Contents with their files, those paths left out."""
    matches: list[Match] = []
    for score, files in zip(near.scores, snapshot.rows(near.ids), strict=True):
        others = [file for file in files if file["path"] not in without]
        if others and len(matches) < k:
            paths = tuple(str(file["path"]) for file in others)
            matches.append(Match(float(score), paths, others[0]))
    return matches


def subject(snapshot: Snapshot, content: Adapter | Path | RemotePath) -> dict[str, Any]:
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


def _listed(snapshot: Snapshot, where: str | None, k: int) -> Answer:
    """Without a query: what a filter lets through, by path, bad files too."""
    if where is None:
        raise LorariumError("what should be searched for?", hint="a file, words, or a filter")
    files = snapshot.files.filter(snapshot.mask(where))
    matches = [Match(1.0, (str(row["path"]),), row) for row in files.slice(0, k).to_pylist()]
    return Answer("", "", tuple(matches), more=len(files) - len(matches))


def _family_for(snapshot: Snapshot, kinds: set[Kind], allowed: set[str] | None) -> str:
    """For pictures and words: the family with most adapters that has a space for them."""
    for family, _ in snapshot.families().most_common():
        if for_kinds(snapshot.encoders, set(kinds), family):
            return family
    return next(iter(dict(snapshot.families().most_common(1))), "unknown")


def _encoder(snapshot: Snapshot, kinds: set[Kind], family: str, name: str) -> VectorSpace:
    if name:
        if name not in snapshot.encoders:
            known = ", ".join(snapshot.encoders)
            raise LorariumError(f"no vector space {quoted(name)}", hint=f"there are {known}")
        return snapshot.encoders[name]
    if kinds == {"adapter"}:
        return for_adapters(snapshot.encoders, family, snapshot.tables)
    encoder = for_kinds(snapshot.encoders, set(kinds), family)
    if encoder is None:
        what = " and ".join(sorted(kind for kind in kinds if kind != "adapter"))
        raise LorariumError(
            f"searching {family} adapters by {what} needs an encoder that puts both in one space, "
            "and there is none for this base model",
            hint=INSTEAD["pictures" if "pictures" in kinds else "words"],
        )
    return encoder


def _vector(
    snapshot: Snapshot,
    encoder: VectorSpace,
    queries: Sequence[Query],
    rows: Sequence[dict[str, Any]],
) -> Array:
    """The mean of the unit vectors of all queries, again of length one."""
    vectors: list[Array | None] = [encoder.full(Sketch.from_bytes(row["sketch"])) for row in rows]
    places = [query.content for query in queries if query.kind == "pictures"]
    if places:
        pictures = picture_files(places)
        assert encoder.pictures is not None
        vectors.append(unit(encoder.pictures(pictures)))
    for query in queries:
        if query.kind == "words":
            assert encoder.words is not None
            vectors.append(unit(encoder.words(query.content)))
    known = [v for v in vectors if v is not None]
    mixed = unit(np.sum(known, axis=0)) if len(known) == len(vectors) else None
    if mixed is None:
        raise LorariumError(f"the query has no direction in the space {encoder.name}")
    return mixed


def _related(snapshot: Snapshot, row: dict[str, Any], matches: Sequence[Match]) -> list[Match]:
    """Add how the matches are related by weights to the adapter that was asked for."""
    from lorarium.library.relate import Weights, relation

    asked = Weights(row, Sketch.from_bytes(row["sketch"]))
    sketches = dict(snapshot.sketches([str(match.facts["id"]) for match in matches]))
    return [
        replace(match, relation=relation(asked, Weights(match.facts, sketches[match.facts["id"]])))
        for match in matches
    ]


def closeness(
    space: FamilySpace, vector: Array, near: Near, matches: Sequence[Match], kinds: set[Kind]
) -> dict[str, Any]:
    """Whether the best match is near, by the rules in `calibrate`."""
    known = space.calibration
    if not matches or known is None:
        return {}
    best = matches[0]
    match_vector = near.vectors[str(best.facts["id"])]
    by_chance = chance(vector, match_vector, known.mean, space.count)
    if by_chance is None:
        return {}
    rules = [by_chance]
    share = None
    if kinds == {"adapter"}:
        share = known.share(best.score)
        theirs = around(space.glance(match_vector, AROUND_FOUND + TWINS), AROUND_FOUND)
        threshold = known.neighbour_threshold(around(near, AROUND_QUERY), theirs)
        rules += [] if threshold is None else [threshold]
    if len(kinds) == 1:
        rules += [t for kind, t in space.encoder.thresholds.items() if kind in kinds]
    return {
        "threshold": max(rules),
        "close": best.score >= max(rules),
        "nearer_than": share,
    }
