"""A plan of what could be put in order in a collection: something to look at and to change.

Its items are found by `tidy_items` and carried out by `tidy`.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lorarium.errors import LorariumError
from lorarium.formats import peft
from lorarium.formats.container import write_atomically
from lorarium.formats.header import LORA_SUFFIXES
from lorarium.formats.inspection.sidecars import DESCRIPTIONS, PICTURES
from lorarium.formats.programs import PROGRAMS
from lorarium.library.compare import CUT
from lorarium.library.copies import COPIES
from lorarium.library.scan import signature
from lorarium.library.schema import SIGNATURE

PLAN = "tidy.json"  # in the library's folder
KIND = "tidy-plan"
DEAD, BROKEN, MISNAMED = "dead", "broken", "wrong suffix"
CONVERTED, RENAMED = "other dialect", "other name"  # only where they are asked for
REASONS = (*COPIES, CUT, DEAD, BROKEN, MISNAMED, CONVERTED, RENAMED)
WITH_TARGET = (MISNAMED, CONVERTED, RENAMED)
Row = Mapping[str, Any]
State = tuple[int, int, int]  # size, time of the last change of the content, inode


@dataclass(frozen=True)
class Item:
    """One file of a plan: it goes to the trash with what belongs to it (`beside`), is renamed with
    it (`to`), or a conversion of it for a `program` takes its place. `chosen` is for whoever looks
    at the plan."""

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
    program: str = ""


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
    entry = {"program": "", **entry}
    texts = ("why", "path", "reason", "to", "keeper", "program")
    if not isinstance(entry["chosen"], bool) or any(not isinstance(entry[t], str) for t in texts):
        raise ValueError("an item has values of other types")
    if entry["why"] not in REASONS or bool(entry["to"]) != (entry["why"] in WITH_TARGET):
        raise ValueError("an item says why or whereto in no known way")
    if (entry["program"] in PROGRAMS) != (entry["why"] == CONVERTED):
        raise ValueError("an item names a program in no known way")
    states = [tuple(int(number) for number in entry[s]) for s in ("state", "keeper_state")]
    beside = tuple(str(path) for path in entry["beside"])
    known = {**entry, "state": states[0], "keeper_state": states[1], "beside": beside}
    return Item(**known)


def files_beside(path: Path) -> tuple[str, ...]:
    """What belongs to a file alone: descriptions and previews of its name, a PEFT configuration."""
    stem = path.name.removesuffix(path.suffix)
    names = [stem + end for end in (*DESCRIPTIONS, *PICTURES)]
    if path.name in peft.WEIGHTS:
        names.append(peft.CONFIG)
    others = [path.with_name(stem + end) for end in LORA_SUFFIXES if end != path.suffix]
    if any(os.path.lexists(other) for other in others):
        return ()
    return tuple(str(p) for name in names if is_plain(p := path.with_name(name)))


def is_as_indexed(row: Row) -> bool:
    """Whether neither a file nor what stands beside it has changed since the library saw it."""
    now = signature(Path(row["path"]))
    return now is not None and all(getattr(now, name) == row[name] for name in SIGNATURE)


def is_plain(path: Path) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def state_of(row: Row) -> State:
    return row["size"], row["modified"], row["inode"]


def state_now(path: str) -> State | None:
    try:
        now = os.lstat(path)
    except OSError:
        return None
    return (now.st_size, now.st_mtime_ns, now.st_ino) if stat.S_ISREG(now.st_mode) else None
