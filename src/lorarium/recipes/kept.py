"""Rows that are made one after the other, kept in a file now and then and gone on with."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lorarium.adapter import Array
from lorarium.recipes.timebox import ENDLESS, TimeBox
from lorarium.trained import SAVED_EVERY


def kept_rows(
    path: Path | None, count: int, make: Callable[[int], Array], progress: str,
    box: TimeBox = ENDLESS,
) -> Array:  # fmt: skip
    """(count, ...); `progress` says of how many ("{} of 9 were read") it was when the time is
    over. Without a path nothing is kept."""
    rows = list(np.load(path, allow_pickle=False)) if path is not None and path.exists() else []
    saved, there = time.monotonic(), len(rows)
    try:
        for i in range(len(rows), count):
            box.check(progress.format(i))
            rows.append(np.asarray(make(i)))
            if time.monotonic() - saved > SAVED_EVERY:
                _save(path, rows)
                saved, there = time.monotonic(), len(rows)
    finally:
        if len(rows) > there:
            _save(path, rows)
    return np.stack(rows)


def _save(path: Path | None, rows: list[Array]) -> None:
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}")
    np.save(beside, np.stack(rows))
    beside.rename(path)
