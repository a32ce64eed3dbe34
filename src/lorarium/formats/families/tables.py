"""The module tables of transformers, from `tables.json` (written by `benchmarks/module_tables.py`).

A row is a path with `*` for its first number, the numbers, the weight's shape, whether it has a
bias. Rows are cheap to read; paths are spelled out for the networks that a file may belong to.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from .unet import Weight


@cache
def rows() -> dict[str, dict[str, Any]]:
    """Network -> its class in diffusers, its sizes and its rows."""
    text = Path(__file__).with_name("tables.json").read_text("utf-8")
    tables: dict[str, dict[str, Any]] = json.loads(text)
    return tables


def weights(net: str) -> Iterator[Weight]:
    for template, numbers, shape, bias in rows()[net]["rows"]:
        for number in _numbers(numbers):
            path = template.replace("*", number)
            yield Weight(path, path, tuple(shape), bool(bias))


def templates(net: str) -> Iterator[str]:
    return (row[0] for row in rows()[net]["rows"])


def _numbers(spans: str) -> Iterator[str]:
    """`0-2,5` -> 0, 1, 2, 5; a path without a number stands once."""
    if not spans:
        yield ""
        return
    for span in spans.split(","):
        first, _, last = span.partition("-")
        yield from map(str, range(int(first), int(last or first) + 1))
