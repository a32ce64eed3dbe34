"""Files moved so that every move can be taken back, whatever ends the process.

A run is a list of moves, written to a journal and flushed to the disk before the first file is
touched, and a line for each move that was made. A file is never copied over another, and leaves
its place only when it is whole in the other. After a kill the journal and the disk together say
where each file is (`places`), and the next run of the same sort goes on from there.
"""

from __future__ import annotations

import errno
import filecmp
import json
import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from lorarium.errors import LorariumError

Place = Literal["home", "away", "gone"]
HOME: Final = "home"
AWAY: Final = "away"
GONE: Final = "gone"
SUFFIX = ".journal"
PART = ".part"  # of a copy to another disk that is not whole yet
# systems without hard links
NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}


@dataclass(frozen=True)
class Move:
    """A file's own place and the other one."""

    home: str
    away: str


class Journal:
    """One run, in a file of its own: moves, then what was done to them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def name(self) -> str:
        return self.path.name.removesuffix(SUFFIX)

    @classmethod
    def begin(cls, path: Path, moves: Sequence[Move]) -> Journal:
        """Write the moves down; nothing is moved yet."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(path.name + PART)
        lines = [json.dumps({"moves": [[move.home, move.away] for move in moves]})]
        with open(beside, "w", encoding="utf-8") as file:  # one that a kill left is written over
            file.write("\n".join(lines) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        sync_folder(path.parent)
        return cls(path)

    def moves(self) -> list[Move]:
        try:
            first = self.path.read_text("utf-8").splitlines()[0]
            return [Move(home, away) for home, away in json.loads(first)["moves"]]
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            what = f"this journal cannot be read ({error})"
            raise LorariumError(what, where=str(self.path)) from None

    def logged_places(self) -> dict[int, Place]:
        """Where each move was last said to be; a line that a kill cut short says nothing."""
        places: dict[int, Place] = {}
        for line in self.path.read_bytes().splitlines()[1:]:
            try:
                number, place = json.loads(line)
            except (ValueError, TypeError):
                continue
            if place in (HOME, AWAY):
                places[int(number)] = place
        return places

    def places(self) -> list[Place]:
        """Where each file is: as the journal says, and where it says nothing as the disk does."""
        logged = self.logged_places()
        places: list[Place] = []
        for number, move in enumerate(self.moves()):
            here, there = os.path.lexists(move.home), os.path.lexists(move.away)
            if (
                here and there
            ):  # killed between the two names, unless a new file came to the old one
                places.append(AWAY if logged.get(number) == AWAY else HOME)
            else:
                places.append(HOME if here else AWAY if there else GONE)
        return places

    def apply(self, only: Collection[int] | None = None) -> Iterator[tuple[Move, str]]:
        """Move what is at home away (of `only` these moves); each with what stood against it, or
        nothing."""
        yield from self._move(AWAY, only)

    def undo(self) -> Iterator[tuple[Move, str]]:
        """Move what is away home, the last first."""
        yield from self._move(HOME)

    def _move(self, to: Place, only: Collection[int] | None = None) -> Iterator[tuple[Move, str]]:
        moves, places = self.moves(), self.places()
        order = range(len(moves)) if to == AWAY else reversed(range(len(moves)))
        logged = self.logged_places()
        with open(self.path, "ab") as file:
            file.write(b"\n")  # ends a line that was cut short
            for number in order:
                if only is not None and number not in only:
                    continue
                move = moves[number]
                if places[number] == GONE:
                    yield move, "it is in neither place any more"
                    continue
                source, target = (move.home, move.away) if to == AWAY else (move.away, move.home)
                if places[number] == to:
                    _finish(source, target, sure=logged.get(number) == to)
                    if logged.get(number) == to:
                        continue
                elif problem := _carry(Path(source), Path(target)):
                    yield move, problem
                    continue
                file.write(json.dumps([number, to]).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
                yield move, ""


def _finish(source: str, target: str, sure: bool) -> None:
    """After a kill between the making of the new name and the removal of the old one; when it is
    `sure` that the move was made, only another name of the very file goes."""
    if os.path.lexists(source) and (
        os.path.samefile(source, target)
        or (not sure and filecmp.cmp(source, target, shallow=False))
    ):
        os.unlink(source)
        sync_folder(Path(source).parent)


def _carry(source: Path, target: Path) -> str:
    """Move a file to a name that is free; the reason when that is not possible."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(target):
            if not filecmp.cmp(source, target, shallow=False):
                return "another file is in its place"
        else:
            _second_name(source, target)
        sync_folder(target.parent)
        if os.path.lexists(source):
            source.unlink()
            sync_folder(source.parent)
    except FileExistsError:
        return "another file is in its place"
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _second_name(source: Path, target: Path) -> None:
    """`target` becomes the file, whole and on the disk; never over another."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno in NO_LINKS:
            os.rename(source, target)
        elif error.errno == errno.EXDEV:
            _copy(source, target)
        else:
            raise


def _copy(source: Path, target: Path) -> None:
    """To another disk: beside its place first, compared byte for byte."""
    part = target.with_name(target.name + PART)
    part.unlink(missing_ok=True)
    shutil.copy2(source, part)
    with open(part, "rb+") as file:
        os.fsync(file.fileno())
    if not filecmp.cmp(source, part, shallow=False):
        part.unlink()
        raise OSError(errno.EIO, "the copy differs from the file")
    os.rename(part, target)


def sync_folder(folder: Path) -> None:
    """Flush the names of a folder to the disk, where the system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)
