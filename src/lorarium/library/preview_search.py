"""Search by what previews show: words and pictures by a model of the user's, for every family."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import NormalDist

import numpy as np

from lorarium.adapter import Array
from lorarium.errors import LorariumError
from lorarium.library.answer import Answer, Match
from lorarium.library.calibrate import ALPHA, COPY, FEWEST
from lorarium.library.preview_index import TOGETHER, open_preview_model
from lorarium.library.snapshot import Snapshot
from lorarium.library.spaces import batches
from lorarium.library.store import ROWS
from lorarium.library.text_search import CLOSE
from lorarium.pictures import picture_files, read_pictures

PREVIEW = "preview"  # in a match's `why`
PREVIEWS = "previews"  # in place of a space, where nothing else was compared
TO_DEVIATION = 1.4826  # of a normal distribution, from its median absolute deviation


@dataclass(frozen=True)
class PreviewScores:
    """By content the cosine of its best preview; `threshold` is the one from which on it stands
    out, None with too few to say. `note` says why there are none."""

    cosines: Mapping[str, float] = field(default_factory=dict)
    threshold: float | None = None
    note: str = ""

    def stands_out(self, id: str) -> bool:
        return self.threshold is not None and self.cosines.get(id, -1.0) >= self.threshold


def score_previews(
    snapshot: Snapshot, spoken: str, places: Sequence[Path], allowed: Collection[str] | None
) -> PreviewScores:
    """All previews beside words, pictures or both, of the contents that are allowed."""
    setting = snapshot.preview_setting
    if setting is None:
        return PreviewScores()
    try:
        model = open_preview_model(setting.model)
        if model.state != setting.state:
            raise LorariumError("the model has changed", hint="run `lorarium index` again")
        words = model.words if spoken else None
        tower = model.pictures if places else None
    except LorariumError as error:
        return PreviewScores(note=f"previews were left out: {error}")
    queries = [words.embed(spoken)] if words else []
    if tower:
        some = batches(picture_files(places), TOGETHER)
        vectors = np.concatenate([tower.embed(read_pictures(files, tower.size)) for files in some])
        queries.append(vectors.mean(0) / np.linalg.norm(vectors.mean(0)))
    ids, previews = snapshot.preview_vectors
    if not ids:
        return PreviewScores()
    values, threshold = _standing(previews, np.stack(queries))
    cosines: dict[str, float] = {}
    for id, value in zip(ids, map(float, values), strict=True):
        if allowed is None or id in allowed:
            cosines[id] = max(value, cosines.get(id, value))
    return PreviewScores(cosines, threshold)


def _standing(previews: Array, queries: Array) -> tuple[Array, float | None]:
    """Cosines (n,) of previews (n, d) with queries (q, d), and from which on one stands out.

    How high a cosine is says little: it depends on the model, and for words it is a fifth of that
    for pictures. So a preview stands out when it is above what the best of all would reach by
    chance in one case of twenty, were they normal about the median, as `calibrate.chance` has it
    for weights: 3.3 deviations for a hundred, 4.4 for ten thousand. The deviation is that of the
    median, which twenty cats among a hundred previews hardly move; equal pictures count once. A
    picture that is all but the same stands out however wide the others lie.
    """
    parts = [previews[i : i + ROWS].astype(np.float32) for i in range(0, len(previews), ROWS)]
    cosines = np.concatenate([part @ queries.T for part in parts])
    distinct = np.unique(cosines.round(5), axis=0)
    centre = np.median(distinct, axis=0)
    width = TO_DEVIATION * np.median(np.abs(distinct - centre), axis=0) + 1e-6
    # words and pictures weigh alike, whose cosines are spread so differently
    values = centre.mean() + width.mean() * ((cosines - centre) / width).mean(1)
    if len(distinct) < FEWEST:
        return values, None
    deviations = NormalDist().inv_cdf(1 - ALPHA / len(distinct))
    return values, min(COPY, float(centre.mean() + deviations * width.mean()))


def join_previews(
    snapshot: Snapshot, answer: Answer, previews: PreviewScores, first: Collection[str], k: int,
    without: Collection[str] = (),
) -> Answer:  # fmt: skip
    """An answer with the previews that stand out, behind what the texts say outright (`first`, or
    close); the other previews come last, and not at all where something else is close."""
    standing = [id for id in previews.cosines if previews.stands_out(id)]
    matches = [_with_preview(match, previews) for match in answer.matches]
    known = {match.facts["id"] for match in matches}
    some = standing if answer.close else previews.cosines
    best = sorted(some, key=lambda id: -previews.cosines[id])
    new = [id for id in best if id not in known][: k + len(without)]
    for id, files in zip(new, snapshot.rows(new), strict=True):
        if others := [file for file in files if file["path"] not in without]:
            paths, cosine = tuple(str(file["path"]) for file in others), previews.cosines[id]
            why = (PREVIEW,)
            matches.append(Match(cosine, paths, others[0], why=why, preview_likeness=cosine))

    def place(match: Match) -> tuple[int, float]:
        if match.path in first or (match.text_score or 0.0) >= CLOSE:
            return 0, -match.score
        if previews.stands_out(str(match.facts["id"])):
            return 1, -match.score
        return (2 if match.facts["id"] in known else 3), -match.score

    if best:
        matches.sort(key=place)
        answer = replace(answer, space=answer.space or PREVIEWS)
    if standing or (best and not known):
        answer = replace(answer, threshold=previews.threshold, nearer_than=None)
    if standing:
        answer = replace(answer, close=True)
    elif best:  # nobody can say so of a few
        close = None if previews.threshold is None else answer.close if known else False
        answer = replace(answer, close=close)
    return replace(answer, matches=tuple(matches[:k]), note=previews.note)


def _with_preview(match: Match, previews: PreviewScores) -> Match:
    id = str(match.facts["id"])
    cosine = previews.cosines.get(id)
    if cosine is None or not previews.stands_out(id):
        return replace(match, preview_likeness=cosine)
    why = (*match.why, PREVIEW)
    return replace(match, score=match.score + cosine, why=why, preview_likeness=cosine)
