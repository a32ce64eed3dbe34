"""Text as terms: what names, tags and sentences are taken apart into before they are compared.

`PokémonStyle_v2` is pokemon, style, v, 2. Accents and case are dropped; capitals inside a word and
digits begin a new term; of scripts without blanks every two neighbouring signs are one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

LONGEST = 40  # characters of a term
PARTS = 4  # of a word, as which it is also met whole
UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
PART = re.compile(
    rf"[{UNSPACED}]+|[A-Z]+(?=[A-Z][^\WA-Z\d_])|[A-Z]?[^\WA-Z\d_{UNSPACED}]+|[A-Z]+|\d+"
)
WORD = re.compile(r"[^\W_]+")
IN_UNSPACED = re.compile(rf"[{UNSPACED}]")


def split_terms(text: str) -> list[str]:
    """The terms of a text, in their order."""
    terms: list[str] = []
    for part in PART.findall(_without_accents(text)):
        if IN_UNSPACED.match(part):
            terms += [part[i : i + 2] for i in range(max(1, len(part) - 1))]
        else:
            terms.append(part.casefold()[:LONGEST])
    return terms


def joined_terms(terms: Sequence[str], most: int = 2) -> list[str]:
    """Two to `most` neighbours written as one: `spider`, `man` are also met as `spiderman`."""
    joined = []
    for i in range(len(terms) - 1):
        one = terms[i]
        for term in terms[i + 1 : i + most]:
            one += term
            if len(one) <= LONGEST:
                joined.append(one)
    return joined


def whole_words(text: str) -> list[str]:
    """What is written without a break and yet is three to `PARTS` terms."""
    words = WORD.findall(_without_accents(text))
    parts = [(word, len(split_terms(word))) for word in words if not IN_UNSPACED.search(word)]
    return [word.casefold()[:LONGEST] for word, count in parts if 3 <= count <= PARTS]


def _without_accents(text: str) -> str:
    if text.isascii():
        return text
    decomposed = unicodedata.normalize("NFKD", text)
    bare = "".join(c for c in decomposed if not unicodedata.combining(c))
    return unicodedata.normalize("NFC", bare)


def edits_between(a: str, b: str, most: int) -> int:
    """Letters put in, left out, changed, or swapped with a neighbour; `most` + 1 for more."""
    if abs(len(a) - len(b)) > most:
        return most + 1
    before, last = [0] * (len(b) + 1), list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
        before, last = last, row
    return last[-1]


def one_edit_away(word: str) -> set[str]:
    """Everything that one edit makes of a word, in letters a to z."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    ends = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    edits = {a + b[1:] for a, b in ends if b}
    edits |= {a + b[1] + b[0] + b[2:] for a, b in ends if len(b) > 1}
    edits |= {a + c + b[1:] for a, b in ends if b for c in letters}
    edits |= {a + c + b for a, b in ends for c in letters}
    return edits - {word, ""}
