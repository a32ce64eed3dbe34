"""Ballots from folders of pictures: TARGET/reference-style/*.png beside TARGET/ROW/*.png."""

from __future__ import annotations

from pathlib import Path

from lorarium.errors import LorariumError
from lorarium.evaluation.vote.ballots import Ballot, Candidates
from lorarium.evaluation.vote.kinds import Kind, kind_named
from lorarium.pictures import picture_files, read_pictures

REFERENCE = "reference-"
TRUE, STRANGER = "true", "strangers"  # names of rows that are controls


def read_ballots(folder: Path, kind: str, side: int) -> list[Ballot]:
    """One ballot of each folder inside; pictures are read as squares of `side` pixels. Rows that
    are called `true` and `strangers` are controls."""
    chosen = kind_named(kind)
    if not folder.is_dir():
        raise LorariumError("no such folder", where=str(folder))
    targets = [path for path in sorted(folder.iterdir()) if _visible_folder(path)]
    if not targets:
        hint = f"make a folder for each target, with {_wanted(chosen)} and a folder for each row"
        raise LorariumError("no folders inside", where=str(folder), hint=hint)
    return [_ballot(path, chosen, side) for path in targets]


def _ballot(folder: Path, kind: Kind, side: int) -> Ballot:
    inside = [path for path in sorted(folder.iterdir()) if _visible_folder(path)]
    references = {name: folder / (REFERENCE + name) for name in kind.references}
    there = {name: path for name, path in references.items() if path in inside}
    if not there or (not kind.paired and len(there) < len(references)):
        raise LorariumError(f"needs {_wanted(kind)}", where=str(folder))
    expected = dict(zip((TRUE, STRANGER), kind.controls, strict=True))
    rows = tuple(
        Candidates(path.name, read_pictures(picture_files([path]), side), expected.get(path.name))
        for path in inside if not path.name.startswith(REFERENCE)
    )  # fmt: skip
    pictures = {name: read_pictures(picture_files([path]), side) for name, path in there.items()}
    return Ballot(folder.name, kind.name, pictures, rows)


def _visible_folder(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def _wanted(kind: Kind) -> str:
    return (" or " if kind.paired else " and ").join(REFERENCE + name for name in kind.references)
