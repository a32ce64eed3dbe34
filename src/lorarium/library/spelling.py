"""A word that was typed -> the terms of the index that it may stand for, with how well.

A term may be the word itself, begin with it, hold it, or differ by typing mistakes: one in a word
of three letters and more, two from seven on.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from lorarium.library.terms import edits_between, one_edit_away

SHORT, LONG = 3, 7  # letters of a word that may have one mistake, and two
BEGINS, HOLDS = 3, 4  # letters of a word from which a term may begin with it, or hold it
MOST = 200  # terms of one sort that are looked at
KEPT = 40  # terms that a word stands for
EXACT, PLURAL, BEGUN, HELD, ONE_EDIT, TWO_EDITS = 1.0, 0.95, 0.6, 0.45, 0.8, 0.6
RARE = 3  # a word that fewer files have may be a mistake that others made too


@dataclass(frozen=True)
class Reading:
    """A term for a word: how well it stands for it, in how many files it is, and by a mistake?"""

    term: str
    fit: float
    files: int
    mistaken: bool = False


@dataclass(frozen=True)
class Word:
    """A word and its readings, best first."""

    text: str
    readings: tuple[Reading, ...]
    weight: float  # how much it says, being rare

    @cached_property
    def fits(self) -> dict[str, Reading]:
        return {reading.term: reading for reading in self.readings}

    @property
    def correction(self) -> str:
        """What it was taken for, where nobody writes it as it is here."""
        best = self.readings[0] if self.readings else None
        return best.term if best and best.mistaken else ""


def read_word(connection: sqlite3.Connection, word: str, total: int) -> Word:
    """Look a word up among the terms of an index of `total` files."""
    readings = _as_it_is(connection, word)
    whole = sum(r.files for r in readings if r.fit >= PLURAL)
    if whole < RARE:
        readings += _mistaken(connection, word)
    best: dict[str, Reading] = {}
    for reading in readings:
        if reading.files and reading.fit > best.get(reading.term, Reading("", 0, 0)).fit:
            best[reading.term] = reading
    order = sorted(best.values(), key=lambda r: (-r.fit, -r.files, r.term))[:KEPT]
    top = order[0].fit if order else 0.0
    files = sum(r.files for r in order if r.fit >= top - 0.05)
    return Word(word, tuple(order), math.log(1 + (total + 1) / (min(files, total) + 1)))


def _as_it_is(connection: sqlite3.Connection, word: str) -> list[Reading]:
    forms = {word: EXACT, word + "s": PLURAL, **({word[:-1]: PLURAL} if word[-1] == "s" else {})}
    readings = [Reading(t, forms[t], n) for t, n in _files_of(connection, forms)]
    if len(word) >= BEGINS:
        begun = connection.execute(
            "SELECT term, doc FROM vocabulary WHERE term > ? AND term < ? LIMIT ?",
            (word, word + "\U0010ffff", MOST),
        )
        readings += [Reading(t, BEGUN + 0.3 * len(word) / len(t), n) for t, n in begun]
    if len(word) >= HOLDS:
        every = " ".join(_quoted(word[i : i + 3]) for i in range(len(word) - 2))
        holding = [t for t in _spelled(connection, every) if word in t]
        files = _files_of(connection, holding)
        readings += [Reading(t, HELD + 0.3 * len(word) / len(t), n) for t, n in files]
    return readings


def _mistaken(connection: sqlite3.Connection, word: str) -> list[Reading]:
    if len(word) < SHORT or word.isdigit():
        return []
    # of a short word a letter that was changed leaves too little
    edits = one_edit_away(word) if word.isascii() else set()
    one = [t for t in edits if len(word) > SHORT or sorted(t) == sorted(word)]
    readings = [_mistake(word, t, n, 1) for t, n in _files_of(connection, one)]
    if len(word) >= LONG or not word.isascii():
        most = 2 if len(word) >= LONG else 1
        parts = " OR ".join(_quoted(word[i : i + 3]) for i in range(len(word) - 2))
        near = {t: edits_between(word, t, most) for t in _spelled(connection, parts)}
        near = {t: edits for t, edits in near.items() if 0 < edits <= most}
        readings += [_mistake(word, t, n, near[t]) for t, n in _files_of(connection, near)]
    return readings


def _mistake(word: str, term: str, files: int, edits: int) -> Reading:
    """First letters are rarely wrong, and what many files have was more likely meant."""
    fit = ONE_EDIT if edits == 1 else TWO_EDITS
    fit -= 0.1 * (word[0] != term[0]) - 0.02 * min(1.0, math.log10(files + 1) / 3)
    return Reading(term, fit, files, mistaken=True)


def _files_of(connection: sqlite3.Connection, terms: Iterable[str]) -> list[tuple[str, int]]:
    """Those terms that the index has, with the number of files of each."""
    one = "SELECT term, doc FROM vocabulary WHERE term = ?"
    rows = (connection.execute(one, (term,)).fetchone() for term in terms)
    return [row for row in rows if row is not None]


def _spelled(connection: sqlite3.Connection, parts: str) -> list[str]:
    """Terms with these three-letter parts, those with most and rarest of them first."""
    if not parts:
        return []
    rows = connection.execute(
        "SELECT term FROM spelled WHERE spelled MATCH ? ORDER BY rank LIMIT ?", (parts, MOST)
    )
    return [term for (term,) in rows]


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
