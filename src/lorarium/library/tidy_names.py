"""Names by a pattern: `{title} {rank}` says what a file's new name is made of."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

from lorarium.errors import LorariumError, one_line, quoted
from lorarium.formats import peft
from lorarium.library.tidy_plan import (
    RENAMED,
    Item,
    Row,
    files_beside,
    is_as_indexed,
    is_plain,
    state_of,
)

FIELDS = ("name", "title", "family", "base", "author", "rank", "kind", "dialect", "dtype", "word",
          "tag")  # fmt: skip
FIELD = re.compile(r"\{([^{}]*)\}")
UNFIT = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]+')  # in the name of a file, on one system or other
EDGES = " .-"  # neither hidden, nor an option, nor cut off by some system
LONGEST = 120  # bytes of a name, so that what belongs to a file fits beside it


def renames(rows: Iterable[Row], pattern: str) -> Iterator[Item]:
    """One item for each file that the pattern gives another name; a file that lacks what the
    pattern asks for keeps its own."""
    check_pattern(pattern)
    named = []
    for row in rows:
        path = Path(row["path"])
        if row["error"] or path.name in peft.WEIGHTS:
            continue
        stem = name_by(pattern, row)
        if stem and stem != path.stem and is_plain(path) and is_as_indexed(row):
            named.append((row, path.with_name(stem + path.suffix)))
    wanted = Counter(os.path.normcase(to) for _, to in named)
    for row, to in named:
        problem = ""
        if wanted[os.path.normcase(to)] > 1:
            problem = ", but others would get that name too"
        elif os.path.lexists(to) or files_beside(to):
            problem = ", but that name is taken"
        reason = f"by the pattern {one_line(pattern, 200)}{problem}"
        beside = files_beside(Path(row["path"]))
        yield Item(RENAMED, row["path"], reason, 0, not problem, state_of(row), to=str(to),
                   beside=beside)  # fmt: skip


def check_pattern(pattern: str) -> None:
    unknown = [field for field in FIELD.findall(pattern) if field not in FIELDS]
    rest = FIELD.sub("", pattern)
    if unknown or "{" in rest or "}" in rest:
        what = f"a pattern has no field {quoted(unknown[0] if unknown else rest)}"
        raise LorariumError(what, hint=f"fields are {', '.join(f'{{{f}}}' for f in FIELDS)}")
    if UNFIT.search(rest):
        raise LorariumError(f"{quoted(pattern)} makes names that no file can have")
    if not FIELD.search(pattern):
        raise LorariumError("all files would get one name", hint="use {title}, {rank} and others")


def name_by(pattern: str, row: Row) -> str:
    """The new stem of a file; empty when a field that is asked for is not known of it."""
    facts = _facts(row)
    if not all(facts[field] for field in FIELD.findall(pattern)):
        return ""
    text = FIELD.sub(lambda field: facts[field[1]], pattern)
    text = re.sub(r"\s+", " ", UNFIT.sub("-", one_line(text, 400))).strip(EDGES)
    return text.encode()[:LONGEST].decode("utf-8", "ignore").rstrip(EDGES)


def _facts(row: Mapping[str, Any]) -> dict[str, str]:
    """What fields stand for; text of files as the plain part of a name that it can be."""
    facts = {name: str(row.get(name) or "") for name in FIELDS}
    facts["name"] = PurePath(row["path"]).stem
    facts["rank"] = f"{row['rank']:g}" if row["rank"] else ""
    facts["word"] = next(iter(row["words"] or ()), "")
    facts["tag"] = next(iter(row["tags"] or ()), "")
    return {name: UNFIT.sub("-", text).strip(EDGES) for name, text in facts.items()}
