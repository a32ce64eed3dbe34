"""What stands in the one box: words, quoted phrases, minus words, and filters among them.

    ink "night city" -anime tag:style family:sdxl folder:styles rank>8 size<100MB

A filter is one comparison of `where`, `:` being "contains" for texts and "equals" for numbers; a
minus before it turns it around. What only looks like a filter (`re:zero`) is words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lorarium.errors import LorariumError
from lorarium.library.query import LONGEST
from lorarium.library.where import FIELDS, NUMBERS, Mask, comparison, inverse

# what people call a field -> its name
ALIASES = {
    **{"tag": "tags", "word": "words", "trigger": "words", "triggers": "words", "name": "path"},
    **{"file": "path", "dir": "folder", "in": "folder", "by": "author", "trainer": "tool"},
    **{"kind": "kinds", "part": "parts", "model": "base"},
}
EXACT = ("family", "dialect", "dtype")  # short names of a closed list
PART = re.compile(
    r"""(?P<minus>-)?
    (?:(?P<field>\w+)(?P<sign>:[<>]=?|:|<=|>=|!=|<|>|=)(?=["\w.+-]))?
    (?:"(?P<quoted>[^"]*)"|(?P<bare>[^\s"]+))""",
    re.VERBOSE,
)
SPACED = re.compile(rf"\b({'|'.join(NUMBERS)})\s*(<=|>=|<|>|=)\s*(?=\d)")


@dataclass(frozen=True)
class Box:
    """`words` are looked for, `phrases` must be there, `without` must not; `masks` are filters."""

    words: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    masks: tuple[Mask, ...] = ()

    @property
    def spoken(self) -> str:
        """What is looked for, as one would say it."""
        return " ".join((*self.words, *self.phrases))

    def __add__(self, other: Box) -> Box:
        return Box(
            self.words + other.words,
            self.phrases + other.phrases,
            self.without + other.without,
            self.masks + other.masks,
        )


def read_box(text: str) -> Box:
    """Nothing of it is ever executed or given to another language."""
    if len(text) > LONGEST:
        raise LorariumError(f"words to search for: at most {LONGEST} characters")
    box = Box()
    for part in PART.finditer(SPACED.sub(r"\1\2", text)):
        content = part["bare"] if part["quoted"] is None else part["quoted"]
        field = ALIASES.get((part["field"] or "").lower(), (part["field"] or "").lower())
        if field in FIELDS:
            box += Box(masks=(_filter(part, field, content),))
            continue
        if part["field"]:
            content = f"{part['field']}{part['sign']}{content}"
        if part["minus"]:
            box += Box(without=(content,))
        elif part["quoted"] is not None and not part["field"]:
            box += Box(phrases=(content,))
        else:
            box += Box(words=(content,))
    return box


def _filter(part: re.Match[str], field: str, value: str) -> Mask:
    sign = part["sign"].removeprefix(":")
    if not sign:
        sign = "=" if field in NUMBERS or field in EXACT else "~"

    def error(what: str, hint: str = "") -> LorariumError:
        return LorariumError(what, where=part[0], hint=hint)

    mask = comparison(field, sign, value, error)
    return inverse(mask) if part["minus"] else mask
