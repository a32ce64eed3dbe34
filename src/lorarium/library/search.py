"""Search: one question of words, filters, adapter files and pictures, one list of answers.

What it is by is simple. Words are looked for in the texts of files, and among the vectors where a
space knows them; a file or pictures are looked for among the vectors of their family. What either
finds is one list, in order of the text's score plus the cosine; beside a file or pictures those
come first that have every word. Words and pictures are also looked for in previews, where the
library has a model for them. Filters, quoted phrases and minus words hold for all of it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from sqlite3 import Connection

import pyarrow as pa

from lorarium.errors import LorariumError
from lorarium.library.answer import Answer, Match
from lorarium.library.arrow import pc
from lorarium.library.box import Box, read_box
from lorarium.library.likeness import WEIGHTS, Direction, closeness, direction, matched, related
from lorarium.library.preview_search import join_previews, score_previews
from lorarium.library.query import Query
from lorarium.library.snapshot import Snapshot
from lorarium.library.text_search import CLOSE, Hit, Hits, find_texts, ids_without, other_files
from lorarium.library.where import Mask, all_of, as_mask
from lorarium.library.where import where as parse_where

HITS = 200  # files with the words that are compared by weights too


def search(
    snapshot: Snapshot,
    queries: Sequence[Query],
    *,
    k: int = 10,
    where: str | Mask | None = None,
    space: str = "",
    relate: bool = False,
) -> Answer:
    """The `k` nearest contents; without queries those that `where` lets through.

    `relate` also says which of them share weights with the one adapter that was asked for.
    """
    boxes = [read_box(str(q.content)) for q in queries if q.kind == "words"]
    box = sum(boxes, Box())
    masks = [as_mask(where)] if where is not None else []
    others = [q for q in queries if q.kind != "words"]
    spoken = [Query("words", one.spoken) for one in boxes if one.spoken]
    if not others and not spoken:
        return _listed(snapshot, box, [*box.masks, *masks], k)
    pictures = [query.content for query in others if query.kind == "pictures"]
    previews = not space and bool(spoken or pictures) and snapshot.preview_setting is not None
    towards = direction(snapshot, [*others, *spoken], space, previews=previews)
    asked_rows = towards.rows if towards else ()
    wide = max(k, HITS) if previews else k  # a preview may speak for what stands further down
    allowed: set[str] | None = None
    if towards or previews:
        only = [_of_family(str(asked_rows[0]["family"]))] if previews and asked_rows else []
        allowed = _allowed(snapshot, box, [*masks, *only])
    answer, hits = Answer("", "", ()), Hits()
    if spoken:
        limits = [_of_family(towards.family)] if towards and others else []
        with snapshot.texts.open() as index:
            hits = find_texts(index, box, [*masks, *limits])
            if towards is None:
                answer = _by_words(index, hits, wide)
            else:
                answer = _by_both(snapshot, index, towards, hits, allowed, wide)
    elif towards:
        answer = _by_both(snapshot, None, towards, hits, allowed, wide)
    if previews:
        text = " ".join(query.content for query in spoken)
        scores = score_previews(snapshot, text, pictures, allowed)
        own = {str(row["path"]) for row in asked_rows}
        answer = join_previews(snapshot, answer, scores, hits.whole, k, own)
        if towards is None:
            answer = replace(answer, more=_more(hits, answer.matches))
    if relate and towards and towards.kinds == {"adapter"} and len(asked_rows) == 1:
        return replace(answer, matches=tuple(related(snapshot, asked_rows[0], answer.matches)))
    return answer


def _listed(snapshot: Snapshot, box: Box, masks: Sequence[Mask], k: int) -> Answer:
    """Without a query: what filters let through, by path, bad files too."""
    if not masks:
        what = (
            "minus words alone ask for nothing" if box.without else "what should be searched for?"
        )
        raise LorariumError(what, hint="words, a file, or a filter such as rank>8")
    mask = snapshot.mask(all_of(masks))
    if box.without:
        with snapshot.texts.open() as index:
            spoken = pa.array(sorted(ids_without(index, box)), pa.string())
        mask = pc.and_(mask, pc.is_in(snapshot.files["id"].combine_chunks(), spoken))
    files = snapshot.files.filter(mask)
    rows = files.slice(0, k).to_pylist()
    matches = [Match(1.0, (str(row["path"]),), row, why=("filter",)) for row in rows]
    return Answer("", "", tuple(matches), more=len(files) - len(matches))


def _allowed(snapshot: Snapshot, box: Box, masks: Sequence[Mask]) -> set[str] | None:
    """The contents that filters, phrases and minus words let through; None for all."""
    masks = [*box.masks, *masks]
    allowed = snapshot.allowed(all_of(masks)) if masks else None
    if not (box.phrases or box.without):
        return allowed
    with snapshot.texts.open() as index:
        spoken = ids_without(index, box)
    return spoken if allowed is None else allowed & spoken


def _of_family(family: str) -> Mask:
    return parse_where(f"family = '{family}'")


def _by_words(index: Connection, hits: Hits, k: int) -> Answer:
    """By what the texts say alone."""
    matches = _contents(index, hits.files, k)
    best = matches[0].score if matches else 0.0
    more = _more(hits, matches)
    return Answer(
        "", "", tuple(matches), best >= CLOSE, CLOSE, more=more, corrections=hits.corrections
    )


def _more(hits: Hits, matches: Sequence[Match]) -> int:
    """How many files have every word and are not among the matches."""
    named = {path for match in matches for path in match.paths}
    return hits.complete - sum(hit.complete and hit.path in named for hit in hits.files)


def _by_both(
    snapshot: Snapshot, index: Connection | None, towards: Direction, hits: Hits,
    allowed: set[str] | None, k: int,
) -> Answer:  # fmt: skip
    """By weights, and by the texts where there are words."""
    near = towards.nearest(k, allowed)
    alike = matched(snapshot, near, k, towards.own)
    verdict = closeness(towards.space, towards.vector, near, alike, set(towards.kinds))
    texts = [] if index is None else _contents(index, hits.files, HITS, towards.own)
    if not texts:
        return Answer(towards.family, towards.space.encoder.name, tuple(alike), **verdict)
    ids = {str(match.facts["id"]) for match in texts if match.facts["id"]}
    theirs = towards.nearest(len(ids), ids)
    cosines = dict(zip(theirs.ids, map(float, theirs.scores), strict=True))
    both = [_with_likeness(match, cosines.get(str(match.facts["id"]))) for match in texts]
    if towards.kinds == {"words"} and verdict.get("close") is False:
        alike = []  # the texts say it, the weights only guess
    known = {match.facts["id"] for match in texts}
    matches = [*both, *(match for match in alike if match.facts["id"] not in known)]
    first = hits.whole if towards.kinds != {"words"} else set()
    matches.sort(key=lambda match: (match.path not in first, -match.score))
    spoken = max(match.text_score or 0.0 for match in texts) >= CLOSE
    verdict["close"] = spoken or verdict.get("close")
    return Answer(
        towards.family, towards.space.encoder.name, tuple(matches[:k]),
        corrections=hits.corrections, **verdict,
    )  # fmt: skip


def _contents(
    index: Connection, hits: Sequence[Hit], k: int, without: Collection[str] = ()
) -> list[Match]:
    """Hits as contents with all of their files, the best hit first."""
    paths_of: dict[str, list[str]] = {}
    for hit in hits:
        if hit.path not in without:
            paths_of.setdefault(str(hit.facts["id"]) or hit.path, []).append(hit.path)
    best = {paths[0]: name for name, paths in paths_of.items()}
    matches: list[Match] = []
    for hit in hits:
        if len(matches) < k and (name := best.get(hit.path)) is not None:
            others = [str(f["path"]) for f in other_files(index, name) if f["path"] not in without]
            paths = tuple(dict.fromkeys([*paths_of[name], *others]))
            matches.append(Match(hit.score, paths, hit.facts, why=hit.why, text_score=hit.score))
    return matches


def _with_likeness(match: Match, cosine: float | None) -> Match:
    if cosine is None:
        return match
    return replace(match, score=match.score + cosine, likeness=cosine, why=(*match.why, WEIGHTS))
