"""The language of `--where`: comparisons of named fields with `and`, `or`, `not`, parentheses.

    family = sd1 and rank >= 8 and (tags = anime or title ~ "ink wash") and not health = nan

`=` and `!=` compare whole values, of a list any of its words; `~` is "contains", in any case of
letters; `in (a, b)` is any of these. Nothing of it is ever executed or given to another language.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from lorarium.adapter import Array
from lorarium.errors import LorariumError, one_line, quoted
from lorarium.library.arrow import pc

NUMBERS = ("size", "modules", "rank", "parameters", "norm", "steps")
TEXTS = (
    *(
        "path",
        "folder",
        "family",
        "dialect",
        "kind",
        "dtype",
        "title",
        "author",
        "base",
        "tool",
        "error",
    ),
    *("fingerprint", "payload_sha256"),
)
LISTS = ("kinds", "parts", "tags", "words", "names", "health")
ANY = "text"  # path, title, names, tags, words and descriptions together
FOLDER = "folder"  # the path without its last part
SPOKEN = ("title", "names", "tags", "words")  # what `text = ...` looks at
FIELDS = (*TEXTS, ANY, *LISTS, *NUMBERS)

Mask = Callable[[pa.Table], Array]
TOKEN = re.compile(
    r"""\s*(?:(?P<sign>!=|<=|>=|[=<>~(),])|"(?P<double>[^"]*)"|'(?P<single>[^']*)'"""
    r"""|(?P<word>[^\s=<>!~(),"']+))"""
)
ORDER = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
LONGEST, DEEPEST = 4000, 50
UNITS = {"kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


def where(expression: str) -> Mask:
    """A function from the table of files to a mask of its rows."""
    return _Parser(expression).parse()


def as_mask(filter: str | Mask) -> Mask:
    """A filter that is text, or a mask already."""
    return where(filter) if isinstance(filter, str) else filter


def all_of(masks: Sequence[Mask]) -> Mask:
    return lambda t: np.all([m(t) for m in masks], axis=0) if masks else np.ones(len(t), bool)


def inverse(mask: Mask) -> Mask:
    return lambda t: ~mask(t)


def comparison(field: str, sign: str, value: str, error: Callable[..., LorariumError]) -> Mask:
    """One comparison; `error` (what, hint) makes the exception for one that cannot be."""
    target: str | float = value
    if field in NUMBERS:
        target = number(value)
        if not np.isfinite(target):
            raise error(f"{field} is a number, {quoted(value)} is not one")
    if sign in ("=", "!="):
        equal = _equal(field, target)
        return equal if sign == "=" else inverse(equal)
    if sign == "~":
        if field in NUMBERS:
            raise error(f"~ is for words, {field} is a number")
        return _contains(field, value)
    if field not in NUMBERS:
        raise error(f"{sign} is for numbers, {field} is not one")
    return lambda t: _ordered(t, field, ORDER[sign], float(target))


def number(value: str) -> float:
    """Of text such as 8, 1e3 or 100MB; NaN for what is none."""
    parts = re.fullmatch(r"([-+.\de]*\d\.?)([kmg]i?b)?", value.lower())
    try:
        return float(parts[1]) * UNITS.get(parts[2], 1) if parts else float("nan")
    except ValueError:
        return float("nan")


class _Parser:
    """Recursive descent over tokens (text, kind)."""

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self.position = 0
        self.depth = 0
        self.tokens: list[tuple[str, str]] = []
        if len(expression) > LONGEST:
            raise self._error(f"longer than {LONGEST} characters")
        at = 0
        text = expression.rstrip()
        while at < len(text):
            token = TOKEN.match(text, at)
            if token is None:
                raise self._error(f"cannot read {quoted(text[at:], 40)}")
            kind = token.lastgroup or ""
            self.tokens.append((token[kind], kind))
            at = token.end()

    def parse(self) -> Mask:
        if not self.tokens:
            raise self._error("it is empty")
        mask = self._either()
        if self.position < len(self.tokens):
            raise self._error(f"{quoted(self.tokens[self.position][0])} was not expected")
        return mask

    def _either(self) -> Mask:
        masks = [self._both()]
        while self._word("or"):
            masks.append(self._both())
        return masks[0] if len(masks) == 1 else lambda t: np.any([m(t) for m in masks], axis=0)

    def _both(self) -> Mask:
        masks = [self._one()]
        while self._word("and"):
            masks.append(self._one())
        return masks[0] if len(masks) == 1 else lambda t: np.all([m(t) for m in masks], axis=0)

    def _one(self) -> Mask:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self._error("too deeply nested")
        if self._word("not"):
            mask = inverse(self._one())
        elif self._sign("("):
            mask = self._either()
            if not self._sign(")"):
                raise self._error("a parenthesis is not closed")
        else:
            mask = self._comparison()
        self.depth -= 1
        return mask

    def _comparison(self) -> Mask:
        field, kind = self._next("a field")
        if kind != "word" or field not in FIELDS:
            raise self._error(f"no field {quoted(field)}", f"fields: {', '.join(FIELDS)}")
        if self._word("in"):
            if not self._sign("("):
                raise self._error("`in` needs a list", f"as in {field} in (a, b)")
            masks = [comparison(field, "=", value, self._error) for value in self._values()]
            if not self._sign(")"):
                raise self._error("a parenthesis is not closed")
            return lambda t: np.any([m(t) for m in masks], axis=0)
        sign, kind = self._next("=, !=, <, <=, >, >=, ~ or in")
        if kind != "sign" or sign not in ("=", "!=", "~", *ORDER):
            raise self._error(
                f"{quoted(sign)} after {field}", "expected =, !=, <, <=, >, >=, ~, in"
            )
        return comparison(field, sign, self._value(), self._error)

    def _values(self) -> list[str]:
        values = [self._value()]
        while self._sign(","):
            values.append(self._value())
        return values

    def _value(self) -> str:
        value, kind = self._next("a value")
        if kind == "sign":
            raise self._error(f"{quoted(value)} where a value should be")
        return value

    def _next(self, wanted: str) -> tuple[str, str]:
        if self.position >= len(self.tokens):
            raise self._error(f"it ends where {wanted} should be")
        self.position += 1
        return self.tokens[self.position - 1]

    def _sign(self, sign: str) -> bool:
        return self._skip((sign, "sign"))

    def _word(self, word: str) -> bool:
        return self._skip((word, "word"))

    def _skip(self, token: tuple[str, str]) -> bool:
        if self.position < len(self.tokens) and self.tokens[self.position] == token:
            self.position += 1
            return True
        return False

    def _error(self, what: str, hint: str = "") -> LorariumError:
        return LorariumError(
            f"--where: {what}", where=one_line(self.expression, 100), hint=hint or "see docs"
        )


def _equal(field: str, value: str | float) -> Mask:
    if field == ANY:
        return lambda t: np.any([_equal(f, value)(t) for f in SPOKEN], axis=0)
    if field in NUMBERS:
        return lambda t: _ordered(t, field, operator.eq, float(value))
    scalar = pa.scalar(str(value))
    if field == FOLDER:
        return lambda t: _bools(pc.equal(_folders(t), scalar))
    if field in LISTS:
        return lambda t: _any_word(t[field], lambda words: pc.equal(words, scalar))
    return lambda t: _bools(pc.equal(t[field], scalar))


def _contains(field: str, value: str) -> Mask:
    def match(column: pa.Array) -> pa.Array:
        return pc.match_substring(column, value, ignore_case=True)

    if field == ANY:
        fields = ("path", *SPOKEN, "about")
        return lambda t: np.any([_contains(f, value)(t) for f in fields], axis=0)
    if field == FOLDER:
        return lambda t: _bools(match(_folders(t)))
    if field in LISTS:
        return lambda t: _any_word(t[field], match)
    return lambda t: _bools(match(t[field]))


def _ordered(table: pa.Table, field: str, order: Callable[..., Array], value: float) -> Array:
    column = pc.cast(table[field], pa.float64(), safe=False).to_numpy()
    return order(np.asarray(column, np.float64), value)  # an absent number is NaN: never true


def _folders(table: pa.Table) -> pa.ChunkedArray:
    return pc.replace_substring_regex(table["path"], r"[/\\\\][^/\\\\]*$", "")


def _any_word(column: pa.ChunkedArray, match: Callable[[pa.Array], pa.Array]) -> Array:
    mask = np.zeros(len(column), bool)
    lists = column.combine_chunks()
    hits = _bools(match(pc.list_flatten(lists)))
    mask[pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)[hits]] = True
    return mask


def _bools(mask: pa.Array | pa.ChunkedArray) -> Array:
    return np.asarray(pc.fill_null(mask, False).to_numpy(zero_copy_only=False), bool)
