"""Search by words: the files whose texts have them, the best first, and where each has them.

FTS5 proposes files by bm25; each is then scored by what its fields have of each word. A field
counts by what it is (`WEIGHTS`), a word by how rare it is, a term by how well it stands for the
word (`spelling`); a word that several fields have counts a little more. The score is the share of
all words that a file has in this sense: 1 for all of them in every field, 0 for none.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pyarrow as pa
from pyarrow.json import ParseOptions, ReadOptions, read_json

from lorarium.library.box import Box
from lorarium.library.schema import FACTS, SCHEMA
from lorarium.library.spelling import Reading, Word, read_word
from lorarium.library.terms import PARTS, joined_terms, split_terms
from lorarium.library.text_index import FIELDS, TOGETHER
from lorarium.library.where import Mask, all_of

# field -> how much a word in it counts, and what it is called in an answer
WEIGHTS = {
    "name": (0.8, "name"),
    "title": (0.8, "title"),
    "words": (0.7, "trigger words"),
    "tags": (0.55, "tag"),
    "folder": (0.4, "folder"),
    "base": (0.3, "base model"),
    "author": (0.5, "author"),
    "about": (0.3, "description"),
}
BM25 = ", ".join(str(10 * WEIGHTS[field][0]) for field in FIELDS) + ", 6.0"
CANDIDATES, ALL, CHUNK = 300, 100_000, 500
MOST_WORDS = 32
WHOLE_NAME = 0.06  # what a name gains that holds nothing else
CLOSE = 0.4  # score of a file from which on it counts as close
# what people write around the words that they mean
STOP = frozenset("a an the of for with in and by to on lora loras".split())


@dataclass(frozen=True)
class Hit:
    """One file; `complete` when it has every word."""

    facts: Mapping[str, Any]
    score: float
    why: tuple[str, ...]
    complete: bool

    @property
    def path(self) -> str:
        return str(self.facts["path"])


@dataclass(frozen=True)
class Hits:
    """Files, best first, and how many of the library have every word."""

    files: tuple[Hit, ...] = ()
    corrections: Mapping[str, str] = field(default_factory=dict)
    complete: int = 0

    @property
    def whole(self) -> set[str]:
        """Paths of those that have every word."""
        return {hit.path for hit in self.files if hit.complete}


def find_texts(connection: sqlite3.Connection, box: Box, masks: Sequence[Mask] = ()) -> Hits:
    """The files that have some of the words and all of the phrases of a box, none of what it goes
    without, and are let through by all masks, the box's own too."""
    total = connection.execute("SELECT count(*) FROM docs").fetchone()[0]
    words = _read_words(connection, box, total)
    match = _match(words, box.phrases)
    if not match:
        return Hits()
    masks = (*box.masks, *masks)
    ranked = connection.execute(
        f"SELECT rowid FROM texts WHERE texts MATCH ? {_without(box)} "
        f"ORDER BY bm25(texts, {BM25}), rowid LIMIT ?",
        (match, *_without_values(box), ALL if masks else CANDIDATES),
    )
    kept = _let_through(connection, [number for (number,) in ranked], masks)
    candidates = kept[:CANDIDATES]
    facts_of = dict(_rows_of(connection, "docs", "number", ("facts",), candidates))
    fields_of = dict(_rows_of(connection, "texts", "rowid", FIELDS, candidates))
    scored = [(*_score(fields_of[n], words, box.phrases), n) for n in candidates]
    scored.sort(key=lambda row: -row[0])
    hits = [
        Hit(json.loads(facts_of[n][0]), score, why, whole)
        for score, why, whole, n in scored
        if score > 0
    ]
    complete = sum(hit.complete for hit in hits)
    if len(candidates) == CANDIDATES:  # there may be more that were not scored
        with_all = _numbers_with_all(connection, words, box)
        complete = len(with_all.intersection(kept) if masks else with_all)
    corrections = {word.text: word.correction for word in words if word.correction}
    return Hits(tuple(hits), corrections, complete)


def _rows_of(
    connection: sqlite3.Connection, table: str, key: str, columns: Sequence[str], numbers: list[int]
) -> Iterator[tuple[int, tuple[str, ...]]]:
    for start in range(0, len(numbers), CHUNK):
        some = ", ".join(map(str, numbers[start : start + CHUNK]))
        for number, *values in connection.execute(
            f"SELECT {key}, {', '.join(columns)} FROM {table} WHERE {key} IN ({some})"
        ):
            yield number, tuple(values)


def _numbers_with_all(connection: sqlite3.Connection, words: Sequence[Word], box: Box) -> set[int]:
    every = [f"({' OR '.join(_quoted_terms(word))})" for word in words]
    match = " AND ".join([*every, *filter(None, map(_phrase, box.phrases))])
    rows = connection.execute(
        f"SELECT rowid FROM texts WHERE texts MATCH ? {_without(box)}",
        (match, *_without_values(box)),
    )
    return {number for (number,) in rows}


def ids_without(connection: sqlite3.Connection, box: Box) -> set[str]:
    """Contents that have all phrases of a box and nothing that it goes without."""
    phrases = " AND ".join(filter(None, map(_phrase, box.phrases)))
    have = "number IN (SELECT rowid FROM texts WHERE texts MATCH ?)" if phrases else "true"
    rows = connection.execute(
        f"SELECT id FROM docs WHERE {have} {_without(box, 'number')}",
        (*([phrases] if phrases else []), *_without_values(box)),
    )
    return {id for (id,) in rows} - {""}


def other_files(connection: sqlite3.Connection, id: str) -> list[dict[str, Any]]:
    """The facts of all files of one content, by path."""
    rows = connection.execute("SELECT facts FROM docs WHERE id = ?", (id,))
    return sorted((json.loads(facts) for (facts,) in rows), key=lambda facts: str(facts["path"]))


def _read_words(connection: sqlite3.Connection, box: Box, total: int) -> list[Word]:
    """Each once; two that are written as one somewhere are also met as one."""
    texts = [term for word in box.words for term in split_terms(word)]
    meant = ([term for term in texts if term not in STOP] or texts)[:MOST_WORDS]
    words = [read_word(connection, term, total) for term in dict.fromkeys(meant)]
    together: dict[str, list[Reading]] = {}
    for first, second in pairwise(meant):
        one = read_word(connection, first + second, total)
        readings = [r for r in one.readings if not r.mistaken]
        for part in (first, second):
            together.setdefault(part, []).extend(readings)
    return [Word(w.text, _best(w.readings, together.get(w.text, ())), w.weight) for w in words]


def _best(first: Sequence[Reading], more: Sequence[Reading]) -> tuple[Reading, ...]:
    best = {r.term: r for r in sorted([*first, *more], key=lambda r: r.fit)}
    return tuple(sorted(best.values(), key=lambda r: (-r.fit, -r.files, r.term)))


def _match(words: Sequence[Word], phrases: Sequence[str]) -> str:
    """In FTS5's language, in which every term stands in quotes."""
    terms = dict.fromkeys(term for word in words for term in _quoted_terms(word))
    parts = [phrase for p in phrases if (phrase := _phrase(p))]
    if phrases and not parts:
        return ""
    if terms and not parts:
        return " OR ".join(terms)
    must = " AND ".join(parts)
    return f"({must}) OR ({must} AND ({' OR '.join(terms)}))" if terms else must


def _quoted_terms(word: Word) -> list[str]:
    """What it stands for; a word that stands for nothing is in no file."""
    return [f'"{reading.term}"' for reading in word.readings] or [f'"{word.text}"']


def _phrase(text: str) -> str:
    terms = split_terms(text)
    return f'"{" ".join(terms)}"' if terms else ""


def _without_values(box: Box) -> list[str]:
    phrases = [phrase for text in box.without if (phrase := _phrase(text))]
    return [" OR ".join(f"{phrase} *" for phrase in phrases)] if phrases else []


def _without(box: Box, key: str = "rowid") -> str:
    if not _without_values(box):
        return ""
    return f"AND {key} NOT IN (SELECT rowid FROM texts WHERE texts MATCH ?)"


def _let_through(
    connection: sqlite3.Connection, numbers: list[int], masks: Sequence[Mask]
) -> list[int]:
    if not masks or not numbers:
        return numbers
    facts_of = dict(_rows_of(connection, "docs", "number", ("facts",), numbers))
    lines = "\n".join(facts_of[number][0] for number in numbers).encode()
    schema = pa.schema([SCHEMA.field(name) for name in FACTS])
    table = read_json(
        pa.BufferReader(lines),
        ReadOptions(use_threads=False, block_size=max(2**20, len(lines) + 1)),
        ParseOptions(explicit_schema=schema),
    )
    return [number for number, fine in zip(numbers, all_of(masks)(table), strict=True) if fine]


def _score(
    fields: Sequence[str], words: Sequence[Word], phrases: Sequence[str]
) -> tuple[float, tuple[str, ...], bool]:
    """How much of the words a file has, where, and whether it has every one."""
    terms = [field.split() for field in fields]
    bags = [
        {*own, *(joined_terms(own, PARTS) if column in TOGETHER else ())}
        for column, own in zip(FIELDS, terms, strict=True)
    ]
    reached = whole = 0.0
    complete = True
    labels: set[str] = set()
    typing: list[str] = []
    matched: set[str] = set()
    for word in words:
        missing, best = 1.0, None
        for column, bag in zip(FIELDS, bags, strict=True):
            reading = next((r for r in word.readings if r.term in bag), None)
            if reading is not None:
                weight, label = WEIGHTS[column]
                missing *= 1 - weight * reading.fit
                labels.add(label)
                matched.add(reading.term)
                best = max(best or reading, reading, key=lambda r: r.fit)
        if best is not None and best.mistaken:
            typing.append(f"typing: {word.text} → {best.term}")
        complete &= best is not None
        reached += word.weight * (1 - missing)
        whole += word.weight
    for phrase in phrases:
        plain = f" {' '.join(split_terms(phrase))} "
        having = [column for column, own in zip(FIELDS, fields, strict=True) if plain in f" {own} "]
        reached += max((WEIGHTS[column][0] for column in having), default=0.0)
        whole += 1
        labels.update(WEIGHTS[column][1] for column in having)
    name = terms[0]
    covered = sum(t in matched for t in name) or (len(name) if "".join(name) in matched else 0)
    gain = WHOLE_NAME * covered / len(name) if name else 0.0
    score = min(1.0, (reached / whole if whole else 0.0) * (1 - WHOLE_NAME) + gain)
    why = [label for _, label in WEIGHTS.values() if label in labels]
    return score, (*why, *typing), complete
