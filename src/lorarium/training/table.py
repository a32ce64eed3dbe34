"""Tables that people write (TOML, JSON), read by type: what is asked for comes out, or one line
says what stands there instead."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from lorarium.errors import LorariumError, did_you_mean, quoted

T = TypeVar("T")
REQUIRED: Any = object()  # the default of a value that must be there
LONGEST = 10_000  # entries of a list


@dataclass(frozen=True)
class Table:
    """Values by name, and where they stand, for messages."""

    values: Mapping[str, Any]
    where: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.values, Mapping):
            raise LorariumError(
                f"a table is needed, not {quote_value(self.values)}", where=self.where
            )

    def only(self, what: str, known: Collection[str]) -> Table:
        """The same table; a name that is not known is refused."""
        for name in self.values:
            if name not in known:
                hint = f"there are {', '.join(known)}{did_you_mean(str(name), known)}"
                raise LorariumError(
                    f"{what} has no {quoted(str(name))}", where=self.where, hint=hint
                )
        return self

    def integer(self, name: str, low: int, high: int, default: Any = REQUIRED) -> int:
        return self._read(name, default, lambda value: read_integer(name, value, low, high))

    def number(self, name: str, low: float, high: float, default: Any = REQUIRED) -> float:
        return self._read(name, default, lambda value: read_number(name, value, low, high))

    def boolean(self, name: str, default: Any = REQUIRED) -> bool:
        return self._read(name, default, lambda value: read_boolean(name, value))

    def text(self, name: str, default: Any = REQUIRED, among: Collection[str] = ()) -> str:
        return self._read(name, default, lambda value: read_text(name, value, among))

    def integers(self, name: str, low: int, high: int, default: Any = REQUIRED) -> list[int]:
        return self.entries(
            name, lambda label, value: read_integer(label, value, low, high), default
        )

    def numbers(self, name: str, low: float, high: float, default: Any = REQUIRED) -> list[float]:
        return self.entries(
            name, lambda label, value: read_number(label, value, low, high), default
        )

    def words(self, name: str, among: Collection[str], default: Any = REQUIRED) -> list[str]:
        return self.entries(name, lambda label, value: read_text(label, value, among), default)

    def entries(self, name: str, item: Callable[[str, Any], T], default: Any = REQUIRED) -> list[T]:
        """A list that is not empty, each entry read by `item`."""

        def read_all(value: Any) -> list[T]:
            if not isinstance(value, Sequence) or isinstance(value, str) or not value:
                raise LorariumError(
                    f"{name} is {quote_value(value)}", hint="use a list that is not empty"
                )
            if len(value) > LONGEST:
                raise LorariumError(f"{name} has {len(value)} entries", hint=f"use up to {LONGEST}")
            return [item(f"{name}[{i}]", entry) for i, entry in enumerate(value)]

        return self._read(name, default, read_all)

    def table(self, name: str) -> Table:
        """The table of this name, empty when there is none."""
        return Table(self.values.get(name, {}), self._inside(name))

    def tables(self, name: str) -> list[Table]:
        """The list of tables of this name, empty when there is none."""
        entries = self.values.get(name, [])
        if not isinstance(entries, list):
            raise LorariumError(
                f"{name} is {quote_value(entries)}", where=self.where, hint=f"write [[{name}]]"
            )
        return [Table(entry, self._inside(f"{name} {i + 1}")) for i, entry in enumerate(entries)]

    def without(self, *names: str) -> Table:
        return Table({k: v for k, v in self.values.items() if k not in names}, self.where)

    def _inside(self, name: str) -> str:
        return f"{self.where}, {name}" if self.where else name

    def _read(self, name: str, default: Any, reader: Callable[[Any], T]) -> T:
        if name not in self.values:
            if default is REQUIRED:
                raise LorariumError(f"{quoted(name)} is missing", where=self.where)
            return default  # type: ignore[no-any-return]
        try:
            return reader(self.values[name])
        except LorariumError as error:
            raise LorariumError(error.what, where=self.where, hint=error.hint) from None


def read_integer(name: str, value: Any, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise LorariumError(
            f"{name} is {quote_value(value)}", hint=f"use a whole number from {low} to {high}"
        )
    return value


def read_number(name: str, value: Any, low: float, high: float) -> float:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    if not fits or not math.isfinite(value):
        raise LorariumError(
            f"{name} is {quote_value(value)}", hint=f"use a number from {low:g} to {high:g}"
        )
    return float(value)


def read_boolean(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise LorariumError(f"{name} is {quote_value(value)}", hint="use true or false")
    return value


def read_text(name: str, value: Any, among: Collection[str] = ()) -> str:
    if not isinstance(value, str):
        raise LorariumError(f"{name} is {quote_value(value)}", hint="use words in quotes")
    if among and value not in among:
        hint = f"there are {', '.join(among)}{did_you_mean(value, among)}"
        raise LorariumError(f"{name} is {quoted(value)}", hint=hint)
    return value


def quote_value(value: Any) -> str:
    """A wrong value as it may stand in a message, however large."""
    if isinstance(value, int) and value.bit_length() > 64:  # str() of a huge one raises
        return "a huge number"
    return quoted(value) if isinstance(value, str) else quoted(repr(value)[:100])[1:-1]
