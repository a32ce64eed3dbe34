"""Carrying out a plan (`tidy_plan`), and taking it back.

Nothing is deleted: files go to `trash` in the library's folder, by a journal (`journal`).
"""

from __future__ import annotations

import filecmp
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lorarium.errors import LorariumError
from lorarium.formats import peft
from lorarium.library import folder as place
from lorarium.library.compare import CUT
from lorarium.library.copies import COPIES, IDENTICAL
from lorarium.library.journal import AWAY, SUFFIX, Journal, Move
from lorarium.library.scan import key_of
from lorarium.library.spaces import FILES
from lorarium.library.store import Store
from lorarium.library.text_index import TextIndex
from lorarium.library.tidy_plan import Item, Plan, state_now
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
        problems = []
        fit = []
        for item in plan.chosen:
            problem = _against(item, plan)
            if problem:
                problems.append((item.path, problem))
                on_move(item.path, problem)
            else:
                fit.append(item)
        trash = folder / TRASH
        run = _new_run(trash)
        moves = []
        for number, item in enumerate(fit):
            away = trash / run / f"{number:05}"
            paths = (item.path, *item.beside)
            moves += [Move(p, item.to or str(away / Path(p).name)) for p in paths]
        moved = []
        if moves:
            journal = Journal.begin(trash / f"{run}{SUFFIX}", moves)
            moved = _follow(journal.apply(), problems, on_move)
            known = {item.path for item in fit}
            store.remove(FILES, "key", [key_of(path) for path in moved if path in known])
            store.write_mapped_tables()
            TextIndex(store).write()
    return Tidied(run if moves else "", tuple(moved), tuple(problems))


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
        journal = _journal(trash, run)
        problems: list[tuple[str, str]] = []
        moved = _follow(journal.undo(), problems, on_move)
        for parent in {Path(move.away).parent for move in journal.moves()}:
            if trash in parent.parents and parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()
    return Tidied(journal.name, tuple(moved), tuple(problems))


def _journal(trash: Path, run: str) -> Journal:
    journals = [Journal(path) for path in sorted(trash.glob("*" + SUFFIX))]
    for journal in reversed(journals):
        if journal.name == run or (not run and AWAY in journal.places()):
            return journal
    what = f"there is no run {run}" if run else "nothing has been tidied away"
    raise LorariumError(what, where=str(trash))


def _new_run(trash: Path) -> str:
    base = f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    names = [base, *(f"{base}-{number:03}" for number in range(1, 1000))]
    return next(n for n in names if not (trash / f"{n}{SUFFIX}").exists())


def _follow(
    steps: Iterable[tuple[Move, str]], problems: list[tuple[str, str]], on_move: OnMove
) -> list[str]:
    moved = []
    for move, problem in steps:
        on_move(move.home, problem)
        if problem:
            problems.append((move.home, problem))
        else:
            moved.append(move.home)
    return moved
