"""Answers of voters, read from JSON files and checked against the sheets they are about.

One file holds one vote or a list of votes:
{"sheet", "voter", "kind_of_voter": "vision model" or "person", "answers": {cell: word}}.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lorarium.errors import LorariumError, quoted
from lorarium.evaluation.vote.kinds import kind_named
from lorarium.evaluation.vote.sheets import FORMAT, KEY_FORMAT, PUBLIC, Json, hash_of

VOTERS = ("vision model", "person")
MAX_BYTES = 50_000_000
MAX_TEXT = 500
FIELDS = {"sheet", "voter", "kind_of_voter", "answers"}


@dataclass(frozen=True)
class Vote:
    """What one voter says of one sheet; cells without an answer are not in `answers`."""

    sheet: str
    voter: str
    kind_of_voter: str
    answers: Mapping[str, str]
    about: str = ""  # the model, its prompt, the day: free words

    def as_json(self) -> Json:
        held = {
            "sheet": self.sheet, "voter": self.voter, "kind_of_voter": self.kind_of_voter,
            "answers": dict(self.answers),
        }  # fmt: skip
        return held | ({"about": self.about} if self.about else {})


def read_sheets(folder: Path) -> dict[str, Json]:
    """The public descriptions of a folder of sheets, by name."""
    path = folder / PUBLIC
    document = read_json(path)
    sheets = document.get("sheets") if isinstance(document, dict) else None
    if not isinstance(sheets, list) or document.get("format") != FORMAT:
        hint = "name a folder made by `lorarium evaluate vote make`"
        raise LorariumError("no list of sheets", where=str(path), hint=hint)
    try:
        return {str(sheet["sheet"]): _checked_sheet(sheet) for sheet in sheets}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LorariumError(f"a damaged list of sheets ({error})", where=str(path)) from None


def _checked_sheet(sheet: Json) -> Json:
    name, picture = str(sheet["sheet"]), str(sheet["picture"])
    if picture != Path(picture).name or picture.startswith("."):
        raise ValueError(f"{name}: a picture that is no file name")
    cells = {str(cell): [int(n) for n in box] for cell, box in sheet["cells"].items()}
    if any(len(box) != 4 for box in cells.values()):
        raise ValueError(f"{name}: a cell without its place")
    answers = [str(word) for word in sheet["answers"]]
    if answers != list(kind_named(str(sheet["kind"])).answers):
        raise ValueError(f"{name}: other answers than its kind has")
    return {
        "sheet": name, "kind": str(sheet["kind"]), "picture": picture,
        "question": str(sheet["question"]), "answers": answers, "cells": cells,
        "key": str(sheet["key"]),
    }  # fmt: skip


def read_key(path: Path, sheets: Mapping[str, Json]) -> dict[str, Json]:
    """The opened key of each sheet, when it is the one that was sealed."""
    document = read_json(path)
    entries = document.get("sheets") if isinstance(document, dict) else None
    if not isinstance(entries, dict) or document.get("format") != KEY_FORMAT:
        raise LorariumError("not a key of sheets", where=str(path))
    for name, sheet in sheets.items():
        if name not in entries:
            raise LorariumError(f"no key of the sheet {quoted(name)}", where=str(path))
        if hash_of(entries[name]) != sheet["key"]:
            what = f"not the key that was sealed with the sheet {quoted(name)}"
            raise LorariumError(what, where=str(path), hint="it was changed, or is of other sheets")
    return {name: entries[name] for name in sheets}


def read_votes(paths: Sequence[Path], sheets: Mapping[str, Json]) -> list[Vote]:
    """All votes of these files together; a folder stands for the JSON files in it."""
    files = [file for path in paths for file in (
        sorted(path.glob("*.json")) if path.is_dir() else [path])]  # fmt: skip
    votes = [vote for file in files for vote in votes_of(read_json(file), sheets, str(file))]
    if not votes:
        raise LorariumError("no votes were given")
    return merge_votes(votes)


def votes_of(document: Any, sheets: Mapping[str, Json], where: str) -> list[Vote]:
    """The votes of one JSON document, each checked; its words in small letters."""
    return [_vote(row, sheets, where) for row in _listed(document)]


def merge_votes(votes: Iterable[Vote]) -> list[Vote]:
    """One vote of each voter on each sheet. The same answer may come twice, two answers to one
    cell may not."""
    merged: dict[tuple[str, str], Vote] = {}
    kinds: dict[str, str] = {}
    for vote in votes:
        if kinds.setdefault(vote.voter, vote.kind_of_voter) != vote.kind_of_voter:
            raise LorariumError(f"the voter {quoted(vote.voter)} is of two kinds")
        known = merged.get((vote.voter, vote.sheet))
        if known is not None:
            for cell in known.answers.keys() & vote.answers.keys():
                if known.answers[cell] != vote.answers[cell]:
                    what = f"{quoted(vote.voter)} answers cell {cell} in two ways"
                    raise LorariumError(what, where=vote.sheet)
            answers = {**known.answers, **vote.answers}
            vote = Vote(vote.sheet, vote.voter, vote.kind_of_voter, answers,
                        known.about or vote.about)  # fmt: skip
        merged[vote.voter, vote.sheet] = vote
    return [merged[key] for key in sorted(merged)]


def read_json(path: Path) -> Any:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise LorariumError("the file is too large", where=str(path))
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise LorariumError(f"cannot be read ({error.strerror})", where=str(path)) from None
    except (ValueError, RecursionError) as error:
        raise LorariumError(f"not JSON ({error})", where=str(path)) from None


def _listed(document: Any) -> list[Any]:
    return document if isinstance(document, list) else [document]


def _vote(row: Any, sheets: Mapping[str, Json], where: str) -> Vote:
    if not isinstance(row, dict) or not row.keys() >= FIELDS:
        raise LorariumError("a vote has " + ", ".join(sorted(FIELDS)), where=where)
    sheet = sheets.get(str(row["sheet"]))
    if sheet is None:
        raise LorariumError(f"no sheet is called {quoted(str(row['sheet']))}", where=where)
    where = f"{where}, {sheet['sheet']}"
    voter = str(row["voter"]).strip()
    if not voter or len(voter) > MAX_TEXT:
        raise LorariumError("a voter needs a name, and a short one", where=where)
    if row["kind_of_voter"] not in VOTERS:
        raise LorariumError("kind_of_voter is " + " or ".join(VOTERS), where=where)
    if not isinstance(row["answers"], dict):
        raise LorariumError("answers are a cell and a word each", where=where)
    answers = {}
    for cell, word in row["answers"].items():
        if cell not in sheet["cells"]:
            raise LorariumError(f"the sheet has no cell {quoted(cell)}", where=where)
        answers[cell] = str(word).strip().lower()
        if answers[cell] not in sheet["answers"]:
            hint = "say " + ", ".join(sheet["answers"])
            raise LorariumError(f"{quoted(str(word))} is no answer to cell {cell}", where=where,
                                hint=hint)  # fmt: skip
    about = str(row.get("about", ""))[:MAX_TEXT]
    return Vote(sheet["sheet"], voter, row["kind_of_voter"], answers, about)
