"""What a file went into: the merges of a library that it is a parent of."""

from __future__ import annotations

import math

from lorarium.library.compare import NEAR, Relation
from lorarium.library.lineage_answer import Parent
from lorarium.library.members import Member
from lorarium.library.origin import Origin, Origins
from lorarium.library.origins import Searcher
from lorarium.library.parents import LIKELY, ROUNDING, SURE, UNKNOWN
from lorarium.library.possible import COUNTS

LEAST = 0.04  # cosine with a merge of what went into it
CHILDREN = 40  # candidates that may be merges of this one
# of a file within what it went into: truncation leaves more of what counts, chance hardly as much,
# however small the files are whose sketches come near each other
INSIDE = 0.02
ONE_RATIO = 0.02  # by how much the weights of a whole may differ for it to be a part


def find_children(
    searcher: Searcher,
    asked: Member,
    copies: dict[str, tuple[Member, Relation]],
    own: Origins | None,
) -> list[Parent]:
    """Files of which this one is a parent; not those that it was cut from, or that were cut
    from it."""
    others = [(abs(asked.cosine(m)), m) for m in searcher.members.around(asked)]
    able = [
        (c, m)
        for c, m in others
        if c >= LEAST and (m.path not in copies or copies[m.path][1].name == NEAR)
    ]
    able.sort(key=lambda item: -item[0])
    children = []
    certain = [o for o in own.origins if o.verdict != UNKNOWN] if own is not None else []
    made_of = {m.path for o in certain for m in o.files}  # others may be either
    for cosine, member in able[:CHILDREN]:
        alike = cosine - searcher.members.common(member) >= COUNTS
        alike = alike and cosine >= searcher.members.chance(asked, member)
        if not alike and not _may_hold(searcher, member, asked):
            continue
        theirs = searcher.origins(member)
        if theirs is None:
            continue
        same = [o for o in theirs.origins if asked.path in {m.path for m in o.files}]
        if same:
            children.append(_parent(member.path, same[0]))
        elif (part := _as_a_part(own, theirs)) is not None:
            children.append(_parent(member.path, part))
        elif alike and member.path not in made_of and _is_open(theirs):
            unknown = Origin((), None, -math.inf, math.inf, cosine**2, UNKNOWN)
            children.append(_parent(member.path, unknown))
    return children


def _may_hold(searcher: Searcher, member: Member, asked: Member) -> bool:
    """Whether a part of one file may lie in another, by the weights of both alone: to find all that
    went into a file takes a hundred times as long."""
    whole, part = (searcher.members.factored(m) for m in (member, asked))
    return whole is None or part is None or part.share_inside(whole) >= INSIDE


def _is_open(theirs: Origins) -> bool:
    """Whether other files than those that are told may have gone into it."""
    if theirs.claim is not None and len(theirs.claim.inputs) > 1 and theirs.agrees is not False:
        return theirs.absent > 0
    return theirs.verdict == UNKNOWN or theirs.rest > ROUNDING


def _as_a_part(own: Origins | None, theirs: Origins) -> Origin | None:
    """A merge that is in another one with all of its parents, in their proportions."""
    if own is None or own.verdict != SURE or own.via is not None or theirs.verdict != SURE:
        return None
    weights = {o.files[0].path: o.weight for o in theirs.origins}
    ratios = []
    for origin in own.origins:
        there = weights.get(origin.files[0].path)
        if there is None or not origin.weight:
            return None
        ratios.append(there / origin.weight)
    low, high = min(ratios), max(ratios)
    if len(ratios) < 2 or high - low > ONE_RATIO * abs(high) or len(weights) <= len(ratios):
        return None
    return Origin((), sum(ratios) / len(ratios), low, high, 0.0, LIKELY)


def _parent(path: str, origin: Origin) -> Parent:
    return Parent(
        path,
        origin.weight,
        origin.low,
        origin.high,
        origin.share,
        origin.verdict,
        origin.said_by_file,
    )
