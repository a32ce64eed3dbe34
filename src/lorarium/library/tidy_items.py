"""What could be put in order in a collection, found in a library as it was indexed last.

Copies are to go, and what is dead or broken; what was cut down is in the plan and goes only when
chosen; files whose suffix is not that of their content are renamed. Conversions for a program and
names by a pattern come in when they are asked for.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from lorarium.errors import LorariumError
from lorarium.formats.container import load
from lorarium.formats.header import TORCH_SUFFIXES, sniff
from lorarium.library.compare import CUT
from lorarium.library.copies import COPIES
from lorarium.library.duplicates import duplicates
from lorarium.library.snapshot import Snapshot
from lorarium.library.tidy_conversions import conversions
from lorarium.library.tidy_names import renames
from lorarium.library.tidy_plan import (
    BROKEN,
    DEAD,
    MISNAMED,
    REASONS,
    Item,
    Plan,
    Row,
    files_beside,
    is_as_indexed,
    is_plain,
    state_of,
)

DEAD_CODES = {"zero-adapter", "empty"}
POINTER = b"version https://git-lfs"


def make_plan(snapshot: Snapshot, *, program: str = "", pattern: str = "") -> Plan:
    """What could be put in order; `program` asks for conversions to what it loads, `pattern` for
    names such as `{title} {rank}`."""
    made = time.time_ns()
    rows = {row["path"]: row for row in snapshot.files.to_pylist()}
    items: dict[str, Item] = {}
    for group in duplicates(snapshot):
        if group.name not in (*COPIES, CUT):
            continue
        for copy in group.copies:
            keeper = copy.source or group.keeper
            if not is_as_indexed(rows[keeper]):
                continue
            says = ", ".join(copy.changes)
            reason = f"of {keeper} ({says}), kept: {group.reason}"
            item = _trash(group.name, rows[copy.path], reason, group.name in COPIES)
            if item is not None and copy.path not in items:
                state = state_of(rows[keeper])
                items[copy.path] = replace(item, keeper=keeper, keeper_state=state)
    for path, row in rows.items():
        if path in items:
            continue
        extra = _useless(row) or _misnamed(row)
        if extra is not None:
            items[path] = extra
    rest = [row for path, row in rows.items() if path not in items]
    if program:
        items |= {item.path: item for item in conversions(rest, program)}
        rest = [row for row in rest if row["path"] not in items]
    if pattern:
        items |= {item.path: item for item in renames(rest, pattern)}
    ordered = sorted(items.values(), key=lambda item: (REASONS.index(item.why), item.path))
    return Plan(tuple(_links_win_nothing(ordered)), made)


def _links_win_nothing(items: Iterable[Item]) -> Iterable[Item]:
    """A second name of a file that stays takes no room."""
    for item in items:
        yield replace(item, bytes_to_win=0) if item.state == item.keeper_state else item


def _trash(why: str, row: Row, reason: str, chosen: bool) -> Item | None:
    path = Path(row["path"])
    if not is_plain(path) or not is_as_indexed(row):
        return None
    state = state_of(row)
    return Item(why, row["path"], reason, row["size"], chosen, state, beside=files_beside(path))


def _useless(row: Row) -> Item | None:
    if dead := DEAD_CODES & set(row["health"]):
        words = "every weight change is zero" if "zero-adapter" in dead else "no weight change"
        return _trash(DEAD, row, words, True)
    if not row["error"] or not is_plain(Path(row["path"])):
        return None
    path = Path(row["path"])
    if path.suffix.lower() in TORCH_SUFFIXES:
        return None  # whether it is broken is for torch to say
    try:
        load(path)
    except LorariumError as error:
        with open(path, "rb") as file:
            head = file.read(len(POINTER))
        # part of a checkout, or a torch file, about which torch and its owner know more
        other = head == POINTER or head.startswith((b"PK", b"\x80"))
        return _trash(BROKEN, row, error.what, not other)
    except OSError:
        return None
    return None  # whole, but nothing for this library


def _misnamed(row: Row) -> Item | None:
    """A safetensors file under the name of a torch file, which some programs then run."""
    path = Path(row["path"])
    try:
        torch_name = path.suffix.lower() in TORCH_SUFFIXES and is_plain(path)
        if not torch_name or sniff(path) != "safetensors":
            return None
    except (LorariumError, OSError):
        return None
    target = path.with_suffix(".safetensors")
    free = not os.path.lexists(target)
    reason = "it is a safetensors file" + ("" if free else ", but that name is taken")
    return Item(MISNAMED, row["path"], reason, 0, free, state_of(row), to=str(target))
