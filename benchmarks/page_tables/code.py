"""Tables that come from the code itself: merge methods, and what programs load."""

from __future__ import annotations

from typing import Any

from lorarium import mergers
from lorarium.formats import programs as program_rows
from lorarium.mergers.registry import Method
from page_tables.form import table

COMMON = {"seed", "device", "base", "force", "progress"}  # flags of the command


def methods() -> list[str]:
    """Every merge method as it is declared."""
    rows = [
        (m.group, f"`{m.name}`", m.summary.rstrip("."), _inputs(m), _own(m))
        for m in mergers.METHODS.values()
    ]
    return table(("group", "method", "what it does", "inputs", "own options"), rows)


def _inputs(method: Method) -> str:
    least, most = method.min_inputs, method.max_inputs
    count = str(least) if most == least else "any" if least == 1 else f"{least} or more"
    return count + (", and the base" if method.needs_base else "")


def _own(method: Method) -> str:
    own = {name: value for name, value in method.options.items() if name not in COMMON}
    return ", ".join(f"`{name}`{_default(value)}" for name, value in own.items())


def _default(value: Any) -> str:
    return "" if value is None or value is False else f" {value}"


def programs() -> list[str]:
    """What `convert --for` writes."""
    return program_rows.matrix().splitlines()
