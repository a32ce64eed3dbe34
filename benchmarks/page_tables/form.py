"""How tables and numbers are written on a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A head and its rows, as Markdown."""
    return [_line(head), "|---" * len(head) + "|", *(_line(row) for row in rows)]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def interval(found: dict[str, Any], digits: int = 2, sign: str = "") -> str:
    """A mean and its 95% interval."""
    form = f"{sign}.{digits}f"
    return f"{found['mean']:{form}} [{found['low']:{form}}, {found['high']:{form}}]"


def optional(value: float | None, form: str = ".2f") -> str:
    return "" if value is None else f"{value:{form}}"
