"""Files of another dialect than a program loads: found for a plan, and written anew for it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from lorarium import formats
from lorarium.errors import LorariumError
from lorarium.formats import peft
from lorarium.formats.programs import PROGRAMS, row_for
from lorarium.library.tidy_plan import CONVERTED, Item, Row, is_as_indexed, is_plain, state_of


def conversions(rows: Iterable[Row], program: str) -> Iterator[Item]:
    """One item for each file whose dialect is not what the program loads for its base model."""
    if program not in PROGRAMS:
        raise LorariumError(f"unknown program {program!r}", hint=f"one of {', '.join(PROGRAMS)}")
    for row in rows:
        path = Path(row["path"])
        if row["error"] or path.name in peft.WEIGHTS:  # a PEFT folder is more than one file
            continue
        try:
            known = row_for(program, row["family"])
        except LorariumError:
            continue  # nobody knows what it loads there
        if row["dialect"] == known.dialect or not is_plain(path) or not is_as_indexed(row):
            continue
        to = path.with_suffix(".safetensors")
        taken = to != path and os.path.lexists(to)
        reason = f"{row['dialect']}, {program} loads {known.dialect}"
        reason += ", but that name is taken" if taken else ""
        yield Item(CONVERTED, row["path"], reason, 0, not taken, state_of(row), to=str(to),
                   program=program)  # fmt: skip


def convert_beside(item: Item, target: Path) -> str:
    """Write the conversion of an item to `target`; why it is not to be used, or nothing.

    Only what lost nothing and reads back as what it was may take the place of a file.
    """
    (done,) = formats.convert(item.path, target, program=item.program).files
    if done.error:
        return done.error
    if not done.ok:
        lost = len(done.lost)
        return f"the conversion would lose {lost} of its modules" if lost else "it is not verified"
    if target.read_bytes() == Path(item.path).read_bytes():
        return "it is that already"
    return ""
