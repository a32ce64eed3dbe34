"""What could be put in order in a collection, as a plan to look at and to change.

Copies are to go, and what is dead or broken; what was cut down is in the plan and goes only when
chosen; files whose suffix is not that of their content are renamed.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lorarium.errors import LorariumError
from lorarium.formats import peft
from lorarium.formats.container import load, write_atomically
from lorarium.formats.header import LORA_SUFFIXES, TORCH_SUFFIXES, sniff
from lorarium.formats.inspection.sidecars import DESCRIPTIONS, PICTURES
from lorarium.library.compare import CUT
from lorarium.library.copies import COPIES
from lorarium.library.duplicates import duplicates
from lorarium.library.scan import signature
from lorarium.library.schema import SIGNATURE
from lorarium.library.snapshot import Snapshot

PLAN = "tidy.json"  # in the library's folder
KIND = "tidy-plan"
DEAD, BROKEN, MISNAMED = "dead", "broken", "wrong suffix"
REASONS = (*COPIES, CUT, DEAD, BROKEN, MISNAMED)
DEAD_CODES = {"zero-adapter", "empty"}
POINTER = b"version https://git-lfs"
Row = Mapping[str, Any]
State = tuple[int, int, int]  # size, time of the last change of the content, inode


@dataclass(frozen=True)
class Item:
    """One file of a plan: it goes to the trash with what belongs to it (`beside`), or is renamed
    (`to`). `chosen` is for whoever looks at the plan."""

    why: str  # one of REASONS
    path: str
    reason: str
    bytes_to_win: int
    chosen: bool
    state: State
    to: str = ""
    keeper: str = ""
    keeper_state: State = (0, 0, 0)
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """`made` is when, in nanoseconds."""

    items: tuple[Item, ...]
    made: int

    @property
    def chosen(self) -> list[Item]:
        return [item for item in self.items if item.chosen]

    @property
    def bytes_to_win(self) -> int:
        return sum(item.bytes_to_win for item in self.chosen)

    def to_json(self) -> dict[str, Any]:
        items = [asdict(item) for item in self.items]
        gain = self.bytes_to_win
        return {"kind": KIND, "made": self.made, "items": items, "bytes_to_win": gain}

    def save(self, path: Path, *, force: bool = False) -> None:
        text = json.dumps({"schema": "lorarium/1", **self.to_json()}, indent=1)
        write_atomically(path, [text.encode() + b"\n"], force=force)

    @classmethod
    def load(cls, path: Path) -> Plan:
        try:
            document = json.loads(path.read_text("utf-8"))
            if document["kind"] != KIND:
                raise ValueError(f"its kind is not {KIND}")
            return cls(tuple(map(_item, document["items"])), int(document["made"]))
        except FileNotFoundError:
            hint = "make one: lorarium tidy --plan"
            raise LorariumError("there is no plan", where=str(path), hint=hint) from None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            what = f"this plan cannot be read ({type(error).__name__}: {error})"
            raise LorariumError(what, where=str(path)) from None


def _item(entry: Mapping[str, Any]) -> Item:
    texts = ("why", "path", "reason", "to", "keeper")
    if not isinstance(entry["chosen"], bool) or any(not isinstance(entry[t], str) for t in texts):
        raise ValueError("an item has values of other types")
    if entry["why"] not in REASONS or bool(entry["to"]) != (entry["why"] == MISNAMED):
        raise ValueError("an item says why or whereto in no known way")
    states = [tuple(int(number) for number in entry[s]) for s in ("state", "keeper_state")]
    beside = tuple(str(path) for path in entry["beside"])
    known = {**entry, "state": states[0], "keeper_state": states[1], "beside": beside}
    return Item(**known)


def make_plan(snapshot: Snapshot) -> Plan:
    """What could be put in order in a library as it was indexed last."""
    made = time.time_ns()
    rows = {row["path"]: row for row in snapshot.files.to_pylist()}
    items: dict[str, Item] = {}
    for group in duplicates(snapshot):
        if group.name not in (*COPIES, CUT):
            continue
        for copy in group.copies:
            keeper = copy.source or group.keeper
            if not _is_as_indexed(rows[keeper]):
                continue
            says = ", ".join(copy.changes)
            reason = f"of {keeper} ({says}), kept: {group.reason}"
            item = _trash(group.name, rows[copy.path], reason, group.name in COPIES)
            if item is not None and copy.path not in items:
                state = _state_of(rows[keeper])
                items[copy.path] = replace(item, keeper=keeper, keeper_state=state)
    for path, row in rows.items():
        if path in items:
            continue
        extra = _useless(row) or _misnamed(row)
        if extra is not None:
            items[path] = extra
    ordered = sorted(items.values(), key=lambda item: (REASONS.index(item.why), item.path))
    return Plan(tuple(_links_win_nothing(ordered)), made)


def _links_win_nothing(items: Iterable[Item]) -> Iterable[Item]:
    """A second name of a file that stays takes no room."""
    for item in items:
        yield replace(item, bytes_to_win=0) if item.state == item.keeper_state else item


def _trash(why: str, row: Row, reason: str, chosen: bool) -> Item | None:
    path = Path(row["path"])
    if not _is_plain(path) or not _is_as_indexed(row):
        return None
    state = _state_of(row)
    return Item(why, row["path"], reason, row["size"], chosen, state, beside=_beside(path))


def _useless(row: Row) -> Item | None:
    if dead := DEAD_CODES & set(row["health"]):
        words = "every weight change is zero" if "zero-adapter" in dead else "no weight change"
        return _trash(DEAD, row, words, True)
    if not row["error"] or not _is_plain(Path(row["path"])):
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
        torch_name = path.suffix.lower() in TORCH_SUFFIXES and _is_plain(path)
        if not torch_name or sniff(path) != "safetensors":
            return None
    except (LorariumError, OSError):
        return None
    target = path.with_suffix(".safetensors")
    free = not os.path.lexists(target)
    reason = "it is a safetensors file" + ("" if free else ", but that name is taken")
    return Item(MISNAMED, row["path"], reason, 0, free, _state_of(row), to=str(target))


def _beside(path: Path) -> tuple[str, ...]:
    """What belongs to a file alone: descriptions and previews of its name, a PEFT configuration."""
    stem = path.name.removesuffix(path.suffix)
    names = [stem + end for end in (*DESCRIPTIONS, *PICTURES)]
    if path.name in peft.WEIGHTS:
        names.append(peft.CONFIG)
    others = [path.with_name(stem + end) for end in LORA_SUFFIXES if end != path.suffix]
    if any(os.path.lexists(other) for other in others):
        return ()
    return tuple(str(p) for name in names if _is_plain(p := path.with_name(name)))


def _is_as_indexed(row: Row) -> bool:
    """Whether neither a file nor what stands beside it has changed since the library saw it."""
    now = signature(Path(row["path"]))
    return now is not None and all(getattr(now, name) == row[name] for name in SIGNATURE)


def _is_plain(path: Path) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def _state_of(row: Row) -> State:
    return row["size"], row["modified"], row["inode"]


def state_now(path: str) -> State | None:
    try:
        now = os.lstat(path)
    except OSError:
        return None
    return (now.st_size, now.st_mtime_ns, now.st_ino) if stat.S_ISREG(now.st_mode) else None
