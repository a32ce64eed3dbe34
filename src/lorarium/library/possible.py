"""What a file may have been made of where no sum and no header tells it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lorarium.adapter import Array
from lorarium.library.members import Member
from lorarium.library.origin import Origin, Origins
from lorarium.library.parent_candidates import TWIN
from lorarium.library.parents import UNKNOWN

MOST = 40  # of the nearest that are looked at
COUNTS = 0.12  # cosine with a possible parent: strangers have less in common
SAME = 0.01  # by which cosines with two copies differ at most
CHANCE = 0.02  # cosine that two strangers may have
ALONE = 0.3  # cosine with the only possible parent
ONE_START = 0.9  # cosine on the input side of files of one run
BESIDE = 0.5  # cosine with a merge from which a file has to do with it


def possible_origins(
    asked: Member,
    able: Sequence[Member],
    solved: Callable[[Member], Origins | None],
    is_cut: Callable[[Member], bool],
    chance: Callable[[Member, Member], float],
) -> Origins | None:
    """Trainings come near their own run and what was made of them. What comes near several
    that have nothing in common, to one of another form, or to a merge that it is no parent of,
    was made of something; of what cannot be told."""
    able = [m for m in able if abs(asked.cosine(m)) >= COUNTS - SAME]  # of many, the few that count
    units = np.stack([m.unit for m in able]) if able else np.zeros((0, 1))
    near = np.abs(units @ asked.unit) if able else np.zeros(0)
    trained, merged = [], []
    for i in map(int, np.argsort(-near)[:MOST]):
        if near[i] < max(COUNTS, chance(asked, able[i])):
            continue
        known = solved(able[i])
        if known is not None and asked.path not in known.paths:
            merged.append(i)
        elif known is None and not is_cut(able[i]):
            trained.append(i)
    apart = _apart(trained, units, near)
    alone = [i for i in apart if near[i] >= ALONE and _holds_more(asked, able[i])]
    beside = [i for i in merged if near[i] >= max(BESIDE, near[trained].max(initial=0))]
    strong = [i for i in apart if near[i] >= ALONE]
    chosen = apart if len(apart) > 1 else alone or (beside and [*strong, beside[0]])
    if not chosen:
        return None
    origins = []
    for i in chosen:
        same = np.flatnonzero(np.abs(units @ units[i]) >= TWIN)
        files = (able[i], *(able[j] for j in map(int, same) if j != i))
        origins.append(Origin(files, None, -np.inf, np.inf, float(near[i]) ** 2, UNKNOWN))
    rest = max(0.0, 1 - sum(o.share for o in origins))
    return Origins(tuple(origins), rest, 0.0, False, UNKNOWN, False)


def _holds_more(a: Member, b: Member) -> bool:
    """Whether one run cannot have left both, and `a` has the form of what was made of `b`."""
    more = a.rank > b.rank or a.row["modules"] > b.row["modules"]
    return more and a.start_cosine(b) < ONE_START


def _apart(places: Sequence[int], units: Array, near: Array) -> list[int]:
    """Those that have less to do with each other than two files have that both were made of the
    one that they are near to."""
    unrelated: list[int] = []
    for i in places:
        by_way = near[unrelated] * near[i] / 2
        if (by_way > CHANCE).all() and (np.abs(units[unrelated] @ units[i]) < by_way).all():
            unrelated.append(i)
    return unrelated
