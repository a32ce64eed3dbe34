"""Search by weights: queries as one unit vector of a space, and whether the best is near.

All queries become unit vectors of one space and are averaged. Only adapters of one family
compare, so there is one family for each vector.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lorarium.adapter import Array
from lorarium.descriptors.sketch import Sketch
from lorarium.errors import LorariumError, quoted
from lorarium.library.answer import Match
from lorarium.library.calibrate import AROUND_FOUND, AROUND_QUERY, TWINS, around, chance
from lorarium.library.family_space import FamilySpace, Near
from lorarium.library.query import Kind, Query
from lorarium.library.snapshot import Snapshot
from lorarium.library.spaces import VectorSpace, for_adapters, for_kinds, unit
from lorarium.library.subject import subject
from lorarium.pictures import picture_files

WEIGHTS = "weights"  # in a match's `why`
INSTEAD = "search by a LoRA file that draws alike, or by words of names and tags"


@dataclass(frozen=True)
class Direction:
    """What is looked for among the vectors of one family: a unit vector, and where it is from."""

    space: FamilySpace
    family: str
    vector: Array
    rows: tuple[dict[str, Any], ...]  # of the adapters that were asked for
    kinds: frozenset[Kind]  # of the queries that the vector is made of

    @property
    def own(self) -> set[str]:
        """Paths that were asked for themselves."""
        return {str(row["path"]) for row in self.rows}

    def nearest(self, k: int, allowed: set[str] | None) -> Near:
        return self.space.nearest(self.vector, max(k, AROUND_QUERY) + len(self.rows), allowed)


def direction(
    snapshot: Snapshot, queries: Sequence[Query], name: str = "", *, previews: bool = False
) -> Direction | None:
    """Of all queries together; `name` is that of a space, when one is asked for.

    Words that have no place beside the other queries are left to the texts, pictures to the
    `previews` where there are any; None where these are all that is asked.
    """
    kinds = {q.kind for q in queries}
    if not kinds or (kinds == {"words"} and not _has_space_for_words(snapshot)):
        return None
    rows = [subject(q.content) for q in queries if q.kind == "adapter"]
    families = {str(row["family"]) for row in rows}
    if len(families) > 1:
        raise LorariumError(f"the queries are of different families: {', '.join(sorted(families))}")
    family = families.pop() if families else _family_for(snapshot, kinds)
    if previews and "pictures" in kinds and _encoder(snapshot, kinds, family, name) is None:
        return direction(snapshot, [q for q in queries if q.kind != "pictures"], name)
    snapshot.need_family(family)
    words = [q.content for q in queries if q.kind == "words"]
    encoder = _encoder(snapshot, kinds, family, name)
    spoken = None if encoder is None else _word_vectors(encoder, words)
    if spoken is None:
        kinds, spoken = kinds - {"words"}, []
        if not kinds:
            return None
        encoder = _encoder(snapshot, kinds, family, name)
    if encoder is None:
        what = f"searching {family} adapters by pictures needs an encoder that puts both in one "
        raise LorariumError(what + "space, and there is none for this base model", hint=INSTEAD)
    vectors = [
        *(encoder.full(Sketch.from_bytes(row["sketch"])) for row in rows),
        *_picture_vectors(encoder, queries),
        *spoken,
    ]
    known = [v for v in vectors if v is not None]
    mixed = unit(np.sum(known, axis=0)) if len(known) == len(vectors) else None
    if mixed is None:
        raise LorariumError(f"the query has no direction in the space {encoder.name}")
    space = snapshot.space(encoder, family)
    return Direction(space, family, mixed, tuple(rows), frozenset(kinds))


def _has_space_for_words(snapshot: Snapshot) -> bool:
    """By the names of tables alone, which are there before the store is opened."""
    spoken = {e.name for e in snapshot.encoders.values() if e.words is not None}
    return any(table.partition(".")[0] in spoken for table in snapshot.tables)


def _family_for(snapshot: Snapshot, kinds: set[Kind]) -> str:
    """For pictures and words: the family with most adapters that has a space for them."""
    for family, _ in snapshot.families().most_common():
        if for_kinds(snapshot.encoders, set(kinds), family):
            return family
    return next(iter(dict(snapshot.families().most_common(1))), "unknown")


def _encoder(snapshot: Snapshot, kinds: set[Kind], family: str, name: str) -> VectorSpace | None:
    """The space in which queries of these kinds have a place, None where there is none."""
    if name:
        if name not in snapshot.encoders:
            known = ", ".join(snapshot.encoders)
            raise LorariumError(f"no vector space {quoted(name)}", hint=f"there are {known}")
        return snapshot.encoders[name]
    if kinds == {"adapter"}:
        return for_adapters(snapshot.encoders, family, snapshot.tables)
    return for_kinds(snapshot.encoders, set(kinds), family)


def _word_vectors(encoder: VectorSpace, words: Sequence[str]) -> list[Array | None] | None:
    """None where the space does not know these words, or any."""
    if not words:
        return []
    if encoder.words is None:
        return None
    try:
        return [unit(encoder.words(text)) for text in words]
    except LorariumError:
        return None


def _picture_vectors(encoder: VectorSpace, queries: Sequence[Query]) -> list[Array | None]:
    places = [query.content for query in queries if query.kind == "pictures"]
    if not places:
        return []
    if encoder.pictures is None:
        raise LorariumError(f"the space {encoder.name} knows no pictures", hint=INSTEAD)
    return [unit(encoder.pictures(picture_files(places)))]


def matched(snapshot: Snapshot, near: Near, k: int, without: Collection[str] = ()) -> list[Match]:
    """Contents with their files, those paths left out."""
    matches: list[Match] = []
    for score, files in zip(near.scores, snapshot.rows(near.ids), strict=True):
        others = [file for file in files if file["path"] not in without]
        if others and len(matches) < k:
            paths = tuple(str(file["path"]) for file in others)
            cosine = float(score)
            matches.append(Match(cosine, paths, others[0], why=(WEIGHTS,), likeness=cosine))
    return matches


def related(snapshot: Snapshot, row: dict[str, Any], matches: Sequence[Match]) -> list[Match]:
    """Add how the matches are related by weights to the adapter that was asked for."""
    from lorarium.library.relate import Weights, relation

    asked = Weights(row, Sketch.from_bytes(row["sketch"]))
    sketches = dict(snapshot.sketches([str(match.facts["id"]) for match in matches]))
    return [
        replace(match, relation=relation(asked, Weights(match.facts, sketches[match.facts["id"]])))
        if match.facts["id"] in sketches
        else match
        for match in matches
    ]


def closeness(
    space: FamilySpace, vector: Array, near: Near, matches: Sequence[Match], kinds: set[Kind]
) -> dict[str, Any]:
    """Whether the best match is near, by the rules in `calibrate`."""
    known = space.calibration
    if not matches or known is None:
        return {}
    best = matches[0]
    match_vector = near.vectors[str(best.facts["id"])]
    by_chance = chance(vector, match_vector, known.mean, space.count)
    if by_chance is None:
        return {}
    rules = [by_chance]
    share = None
    if kinds == {"adapter"}:
        share = known.share(best.score)
        theirs = around(space.glance(match_vector, AROUND_FOUND + TWINS), AROUND_FOUND)
        threshold = known.neighbour_threshold(around(near, AROUND_QUERY), theirs)
        rules += [] if threshold is None else [threshold]
    if len(kinds) == 1:
        rules += [t for kind, t in space.encoder.thresholds.items() if kind in kinds]
    return {
        "threshold": max(rules),
        "close": best.score >= max(rules),
        "nearer_than": share,
    }
