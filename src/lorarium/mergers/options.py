"""Checks of the methods' own options; what is wrong with one is one line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lorarium.errors import LorariumError, quoted


def number(name: str, value: Any, low: float, high: float, *, above: bool = False) -> float:
    """A finite number from `low` (or above it) to `high`."""
    fine = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not fine or value > high or value < low or (above and value == low):
        span = f"{'above' if above else 'from'} {low:g} to {high:g}"
        raise LorariumError(f"{name} {quoted(str(value))} is not a number {span}")
    return float(value)


def require_int(name: str, value: Any, low: int = 1) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise LorariumError(f"{name} {quoted(str(value))} is not a whole number from {low} on")
    return value


def choice(name: str, value: Any, known: Sequence[str]) -> str:
    if value not in known:
        raise LorariumError(
            f"{name} {quoted(str(value))} is not known", hint="use " + " or ".join(known)
        )
    return str(value)
