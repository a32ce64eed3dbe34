"""Adapters -> Adapter: one method per file, found by name here.

A method is a function `(adapters, weights, **options) -> Adapter`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lorarium.adapter import Adapter
from lorarium.errors import LorariumError
from lorarium.merge.sum import merge_sum

METHODS: dict[str, Callable[..., Adapter]] = {
    "sum": merge_sum,
}


def merge(
    adapters: Sequence[Adapter],
    weights: Sequence[float] | None = None,
    *,
    method: str = "sum",
    **options: Any,
) -> Adapter:
    """Merge adapters by a named method into one; it has the first one's dialect."""
    if method not in METHODS:
        raise LorariumError(f"no merge method {method!r}", hint="known: " + ", ".join(METHODS))
    return METHODS[method](adapters, weights, **options)


__all__ = ["METHODS", "merge", "merge_sum"]
