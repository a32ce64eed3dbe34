"""What is put to the vote: for each target its references and rows of candidate pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lorarium.errors import LorariumError, quoted
from lorarium.evaluation.vote.kinds import Kind, kind_named

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Candidates:
    """One row: pictures (n, h, w, 3) uint8 of one source. `expected` makes it a control: the answer
    that a voter with eyes gives ("yes" for true pictures, "no" for strangers)."""

    source: str
    pictures: Array = field(repr=False)
    expected: str | None = None


@dataclass(frozen=True, eq=False)
class Ballot:
    """One target. `references` has a set of pictures for each name that the kind knows; a target
    that is `held` back must never be used to build what is judged on it."""

    target: str
    kind: str
    references: Mapping[str, Array] = field(repr=False)
    rows: tuple[Candidates, ...] = field(repr=False)
    held: bool = False


def check_ballot(ballot: Ballot) -> Kind:
    """Its kind, when all of it can stand on a sheet."""
    kind, where = kind_named(ballot.kind), ballot.target
    known = set(kind.references)
    missing = known - set(ballot.references) if not kind.paired else set()
    unknown = set(ballot.references) - known
    if missing or unknown or not ballot.references:
        wanted = ", ".join(sorted(known))
        raise LorariumError(f"references of a {kind.name} sheet are {wanted}", where=where)
    names = [row.source for row in ballot.rows]
    if len(set(names)) < len(names):
        raise LorariumError("two rows have one name", where=where)
    if not names or (kind.paired and len(names) < 2):
        raise LorariumError("too few rows for a sheet", where=where)
    for row in ballot.rows:
        if row.expected is not None and row.expected not in (*kind.answers, "yes", "no"):
            raise LorariumError(f"{quoted(row.expected)} is no answer", where=where)
    pictures = [*ballot.references.values(), *(row.pictures for row in ballot.rows)]
    for some in pictures:
        if some.dtype != np.uint8 or some.ndim != 4 or some.shape[-1] != 3 or not len(some):
            raise LorariumError("pictures must be uint8 (n, h, w, 3)", where=where)
    return kind
