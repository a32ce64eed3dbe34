"""Adapters -> Adapter: one method per file, declared where it stands (`registry`)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from lorarium.adapter import Adapter
from lorarium.errors import LorariumError, quoted
from lorarium.formats import read
from lorarium.mergers.inputs import Inputs, MergeOptions, prepare
from lorarium.mergers.registry import METHODS, Method, find_method, find_methods, method
from lorarium.mergers.report import MergeReport

Source = Adapter | str | os.PathLike[str]


def merge(
    adapters: Sequence[Source],
    weights: Sequence[float] | None = None,
    *,
    method: str = "sum",
    **options: Any,
) -> Adapter:
    """Merge adapters, or files of them, by a named method into one; it has the first one's dialect.

    Options are the method's own (`METHODS[name].options`) and those of `MergeOptions`.

    >>> lo.merge(["cat.safetensors", "ink.safetensors"], [1, 0.8], method="ties", rank=8)
    """
    return merge_with_report(adapters, weights, method=method, **options)[0]


def merge_with_report(
    adapters: Sequence[Source],
    weights: Sequence[float] | None = None,
    *,
    method: str = "sum",
    **options: Any,
) -> tuple[Adapter, MergeReport]:
    """The same, with what was lost, normalised and noticed."""
    chosen = find_method(method)
    common = [field.name for field in fields(MergeOptions)]
    for name in options:
        if name not in chosen.options and name not in common:
            raise LorariumError(
                f"the method {method!r} has no option {quoted(name)}",
                hint="it has " + ", ".join(sorted([*chosen.options, *common])),
            )
    shared = MergeOptions(**{k: v for k, v in options.items() if k in common})
    own = {k: v for k, v in options.items() if k not in common}
    loaded = [a if isinstance(a, Adapter) else read(a) for a in adapters]
    return run_method(chosen, prepare(chosen, loaded, weights, shared), own)


def run_method(
    method: Method, inputs: Inputs, own: dict[str, Any] | None = None
) -> tuple[Adapter, MergeReport]:
    return method.function(inputs, **(own or {})), inputs.report


find_methods()  # the last step here: the methods' files import this room

__all__ = [
    "METHODS",
    "MergeOptions",
    "MergeReport",
    "Method",
    "merge",
    "merge_with_report",
    "method",
    "run_method",
]
