"""Carrying out a plan (`tidy_plan`), and taking it back.

Nothing is deleted: files go to `trash` in the library's folder, by a journal (`journal`). A file
moves after what belongs to it, so that what a kill left half done is done by the same plan again.
"""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lorarium.errors import LorariumError, file_error
from lorarium.files import exists
from lorarium.formats import peft
from lorarium.library import folder as place
from lorarium.library.compare import CUT
from lorarium.library.copies import COPIES, IDENTICAL
from lorarium.library.journal import AWAY, HOME, SUFFIX, Journal, Move
from lorarium.library.scan import key_of
from lorarium.library.spaces import FILES
from lorarium.library.store import Store
from lorarium.library.text_index import TextIndex
from lorarium.library.tidy_conversions import convert_beside
from lorarium.library.tidy_plan import (
    CONVERTED,
    RENAMED,
    WITH_TARGET,
    Item,
    Plan,
    state_now,
)
from lorarium.remote import RemotePath

TRASH = "trash"
OnMove = Callable[[str, str], None]  # a path, and what stood against its move, or nothing


@dataclass(frozen=True)
class Tidied:
    """What a run did: paths moved, and paths with what stood against it."""

    run: str
    moved: tuple[str, ...]
    problems: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        problems = [{"path": path, "problem": problem} for path, problem in self.problems]
        return {"run": self.run, "moved": list(self.moved), "problems": problems}


def apply_plan(store: Store, plan: Plan, on_move: OnMove) -> Tidied:
    """Carry out what is chosen in a plan, as far as the files are still what it says."""
    folder = local_folder(store)
    place.check(folder)
    with place.writing(folder):
        trash = folder / TRASH
        run = _new_run(trash)
        problems: list[tuple[str, str]] = []
        moves: list[Move] = []
        items: set[str] = set()  # paths of what goes, without what lies beside it
        away = _finish(trash, problems, on_move)
        for number, item in enumerate(plan.chosen):
            if item.path in away and state_now(item.path) != tuple(item.state):
                continue  # a run that was cut short has done it
            spot = trash / run / f"{number:05}"
            problem = _against(item, plan) or _prepare(item, spot, on_move)
            if problem:
                problems.append((item.path, problem))
                on_move(item.path, problem)
            else:
                items.add(item.path)
                moves += moves_of(item, spot)
        moved = []
        if moves:
            journal = Journal.begin(trash / f"{run}{SUFFIX}", moves)
            moved = _follow(journal.apply(), problems, on_move, trash)
            store.remove(FILES, "key", [key_of(path) for path in moved if path in items])
            store.write_mapped_tables()
            TextIndex(store).write()
    return Tidied(run if moves else "", tuple(moved), tuple(problems))


def _prepare(item: Item, spot: Path, on_move: OnMove) -> str:
    """Write what is to take the place of a file, beside the trash; why that cannot be."""
    if item.why != CONVERTED:
        return ""
    try:
        problem = convert_beside(item, _conversion(item, spot))
    except (LorariumError, OSError) as error:
        problem = str(file_error(error))
    if problem:
        shutil.rmtree(spot, ignore_errors=True)
        with suppress(OSError):  # others wait in it
            spot.parent.rmdir()
    else:
        on_move(item.path, "")
    return problem


def _conversion(item: Item, spot: Path) -> Path:
    return spot / "converted" / Path(item.to).name


def moves_of(item: Item, spot: Path) -> list[Move]:
    """The moves of an item, in their order; `spot` is its own folder in the trash.

    The last of a conversion brings the new file out of the trash, to where the old one was.
    """
    path, to = Path(item.path), Path(item.to)
    beside = [Path(p) for p in item.beside if os.path.lexists(p)]
    if item.why == RENAMED:
        stem = path.name.removesuffix(path.suffix)
        ends = [(p, p.name.removeprefix(stem)) for p in beside]
        moves = [Move(str(p), str(to.with_name(to.stem + end))) for p, end in ends]
        return [*moves, Move(item.path, item.to)]
    if item.why == CONVERTED:
        return [Move(item.path, str(spot / path.name)),
                Move(str(_conversion(item, spot)), item.to)]  # fmt: skip
    moves = [Move(str(p), str(spot / p.name)) for p in beside]
    return [*moves, Move(item.path, item.to or str(spot / path.name))]


def _finish(trash: Path, problems: list[tuple[str, str]], on_move: OnMove) -> set[str]:
    """Bring out conversions that a kill kept in the trash while the files that they stand for were
    there already; returns what earlier runs moved and nobody has put back."""
    away: set[str] = set()
    for path in sorted(trash.glob("*" + SUFFIX)):
        journal = Journal(path)
        moves, places = journal.moves(), journal.places()
        away |= {move.home for move, where in zip(moves, places, strict=True) if where == AWAY}
        half: set[int] = set()
        for i in range(1, len(moves)):
            if _waits(moves[i], trash) and (places[i - 1], places[i]) == (AWAY, HOME):
                half |= {i - 1, i}  # its name may be taken again: the journal has to say it is away
        if half:
            _follow(journal.apply(half), problems, on_move, trash)
    return away


def _waits(move: Move, trash: Path) -> bool:
    """Whether a move brings something out of the trash: a conversion."""
    return trash in Path(move.home).parents


@dataclass(frozen=True)
class Run:
    """A run of which something is still away: the files of people that it moved."""

    name: str
    files: tuple[str, ...]


def runs_away(store: Store) -> list[Run]:
    """What can be put back, the first run first."""
    trash = local_folder(store) / TRASH
    runs = []
    for path in sorted(trash.glob("*" + SUFFIX)):
        journal = Journal(path)
        moves = zip(journal.moves(), journal.places(), strict=True)
        files = [m.home for m, where in moves if where == AWAY and not _waits(m, trash)]
        if files:
            runs.append(Run(journal.name, tuple(files)))
    return runs


def local_folder(store: Store) -> Path:
    """The library's folder, where the trash lies."""
    if isinstance(store.home, RemotePath):
        what = "only a library on this machine moves files"
        raise LorariumError(what, where=str(store.home))
    return store.home


def _against(item: Item, plan: Plan) -> str:
    """Why an item must stay where it is."""
    if state_now(item.path) != tuple(item.state):
        return "it is not there any more, or has changed since the plan was made"
    if item.why not in (*COPIES, CUT):
        return ""
    if any(_config_changed(Path(path), plan.made) for path in (item.path, item.keeper)):
        return "a configuration that says how strong it is has changed since the plan was made"
    if state_now(item.keeper) != tuple(item.keeper_state):
        return f"what it is a copy of has changed or gone: {item.keeper}"
    going = {other.path: other for other in plan.chosen}
    keeper, seen = item.keeper, {item.path}
    while keeper in going:
        if keeper in seen:
            return "the plan would keep none of its copies"
        seen.add(keeper)
        if going[keeper].why in WITH_TARGET:
            break  # it stays, under another name or in another dialect
        if not going[keeper].keeper:
            return f"the plan would not keep {keeper}"
        keeper = going[keeper].keeper
    if item.why == IDENTICAL and not filecmp.cmp(item.path, item.keeper, shallow=False):
        return f"it differs from {item.keeper}"
    return ""


def _config_changed(path: Path, made: int) -> bool:
    if path.name not in peft.WEIGHTS:
        return False
    try:
        return (path.parent / peft.CONFIG).stat().st_ctime_ns >= made
    except OSError:
        return True


def undo_run(store: Store, run: str, on_move: OnMove) -> Tidied:
    """Put back what a run moved and what is still away; the last run when none is named."""
    folder = local_folder(store)
    place.check(folder)
    trash = folder / TRASH
    with place.writing(folder):
        names = [run] if run else [one.name for one in runs_away(store)][-1:]
        journal = Journal(trash / f"{names[0]}{SUFFIX}") if names else None
        if journal is None or journal.path.parent != trash or not exists(journal.path):
            what = f"there is no run {run}" if run else "nothing has been tidied away"
            raise LorariumError(what, where=str(trash))
        problems: list[tuple[str, str]] = []
        moved = _follow(journal.undo(), problems, on_move, trash)
        for parent in {Path(move.away).parent for move in journal.moves()}:
            if trash in parent.parents and parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()
    return Tidied(journal.name, tuple(moved), tuple(problems))


def _new_run(trash: Path) -> str:
    base = f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    names = [base, *(f"{base}-{number:03}" for number in range(1, 1000))]
    taken = {path.name.removesuffix(SUFFIX) for path in trash.glob("*")}
    return next(n for n in names if n not in taken)


def _follow(
    steps: Iterable[tuple[Move, str]],
    problems: list[tuple[str, str]],
    on_move: OnMove,
    trash: Path,
) -> list[str]:
    """Take the steps; the files of people that were moved, without those that wait in the trash."""
    moved = []
    for move, problem in steps:
        path = move.away if _waits(move, trash) else move.home
        on_move(path, problem)
        if problem:
            problems.append((path, problem))
        elif path == move.home:
            moved.append(path)
    return moved
