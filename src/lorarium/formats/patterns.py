"""Names of a PEFT config -> numbers, as PEFT matches them, in a bounded time.

PEFT takes the keys of `alpha_pattern` and `rank_pattern` as regular expressions that stand for a
module's whole name or for its end after a dot; the first that matches counts. They are text from a
stranger, so no engine sees them. Literal names (`^` and `\\.` included) are looked up, however many
there are; a few with `.*` or `\\d+` are matched with one step for each letter of the pattern;
anything else is reported and left out.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

LONGEST = 250  # characters of a pattern
MOST_WILD = 2048  # characters of all patterns with wildcards in one table: the steps for one name
ANY, DIGITS = ".*", "\\d+"
# possessive, so that nothing is tried twice
_KNOWN = re.compile(r"(?:[\w\-]++|\.\*?+|\\\.|\\d\+|\[0-9\]\+)*+")
_WILDCARD = re.compile(r"((?:\.\*)+|\\d\+|\[0-9\]\+)")


@dataclass(frozen=True)
class Pattern:
    """Literal pieces and wildcards in turn; `anchored` ones must match from the start."""

    pieces: tuple[str, ...]
    anchored: bool

    @property
    def literal(self) -> str | None:
        """The name it stands for when it has no wildcard."""
        if not self.pieces:
            return ""
        alone = len(self.pieces) == 1 and self.pieces[0] not in (ANY, DIGITS)
        return self.pieces[0] if alone else None


def parse_pattern(text: str) -> Pattern | None:
    """A pattern of the known forms, None when it is anything more."""
    if len(text) > LONGEST:
        return None
    body = text.removeprefix("^").removesuffix("$")
    if _KNOWN.fullmatch(body) is None:
        return None
    pieces = _WILDCARD.split(body)  # literal, wildcard, literal, ...
    pieces[::2] = [piece.replace("\\.", ".") for piece in pieces[::2]]
    pieces[1::2] = [ANY if piece.startswith(ANY) else DIGITS for piece in pieces[1::2]]
    return Pattern(tuple(filter(None, pieces)), text.startswith("^"))


@dataclass
class PatternTable:
    """Numbers by pattern; `find` gives the number of the first that matches a name."""

    full_names: dict[str, tuple[int, float]] = field(default_factory=dict)
    endings: dict[str, tuple[int, float]] = field(default_factory=dict)
    wild: list[tuple[int, Pattern, float]] = field(default_factory=list)
    count: int = 0
    wild_letters: int = 0

    def add(self, text: str, value: float) -> bool:
        """Take in one entry; False when its form is unknown or there are too many such."""
        if self.wild_letters > MOST_WILD and _WILDCARD.search(text):
            return False
        pattern = parse_pattern(text)
        if pattern is None:
            return False
        place = self.count
        if pattern.literal is None:
            self.wild_letters += len(text)
            if self.wild_letters > MOST_WILD:
                return False
            self.wild.append((place, pattern, value))
        else:
            table = self.full_names if pattern.anchored else self.endings
            table.setdefault(pattern.literal, (place, value))
        self.count += 1
        return True

    def find(self, name: str) -> float | None:
        known = [self.full_names.get(name), *(self.endings.get(end) for end in _ends(name))]
        best = min((entry for entry in known if entry is not None), default=None)
        for place, pattern, value in self.wild:
            if best is not None and best[0] < place:
                break
            if matches(pattern, name):
                return value
        return None if best is None else best[1]


def matches(pattern: Pattern, name: str) -> bool:
    """Whether the pattern is the whole name or, unless anchored, its end after a dot.

    Bit i of a number stands for the place before letter i; all places are followed at once.
    """
    letters = _letters(name)
    places = 1 if pattern.anchored else 1 | letters.get(".", 0) << 1
    for piece in pattern.pieces:
        if piece == ANY:
            places = ((2 << len(name)) - 1) & ~((places & -places) - 1)
        elif piece == DIGITS:
            digits = letters.get(DIGITS, 0)
            places = (places & digits) << 1
            # the carry of the sum runs to the end of each run of digits
            places |= ((places & digits) + digits) ^ digits
        else:
            for letter in piece:
                places = (places & letters.get(letter, 0)) << 1
        if not places:
            return False
    return bool(places >> len(name) & 1)


@functools.lru_cache(256)
def _letters(name: str) -> dict[str, int]:
    """The places of each letter as the bits of a number, and of all digits together."""
    places: dict[str, int] = {}
    for place, letter in enumerate(name):
        places[letter] = places.get(letter, 0) | 1 << place
        if letter.isdecimal():
            places[DIGITS] = places.get(DIGITS, 0) | 1 << place
    return places


def _ends(name: str) -> Iterable[str]:
    """The name, and what stands after each of its dots."""
    yield name
    place = name.find(".")
    while place >= 0:
        yield name[place + 1 :]
        place = name.find(".", place + 1)
