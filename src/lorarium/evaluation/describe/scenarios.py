"""Other questions than an adapter: pictures, words, and adapters of somebody unknown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from lorarium.adapter import Array
from lorarium.descriptors.gram import unit
from lorarium.evaluation.describe.folds import Fold
from lorarium.evaluation.describe.rows import DescriptorContender
from lorarium.evaluation.describe.words import attribute_words, texts_of
from lorarium.evaluation.describe.zoo import Corpus
from lorarium.evaluation.statistics import mean_average_precision
from lorarium.library.calibrate import standing

Figures = dict[str, Any]
ROUNDS = 200


def asked_by_vectors(
    queries: Array, truth: Array, gallery: Array, artists: Array, odd: Array, *, seed: int,
    centre: bool,
) -> Figures:  # fmt: skip
    """Queries (q, d) of known artists against adapters (n, d): is the nearest one theirs, and does
    its score tell whether anything of them is there, when the `odd` half of the artists is not?

    `centre` takes the mean of each side away, for vectors of one encoder that nobody aligned.
    """
    if centre:
        queries, gallery = queries - queries.mean(0), gallery - gallery.mean(0)
    scores = unit(queries) @ unit(gallery).T
    relevant = artists[None] == truth[:, None]
    nearest = artists[scores.argmax(1)]
    random = np.random.default_rng(seed)
    null = [float((nearest == random.permutation(truth)).mean()) for _ in range(ROUNDS)]
    return {
        "queries": len(truth),
        "r_at_1": float((nearest == truth).mean()),
        "map": mean_average_precision(scores, relevant),
        "null": float(np.mean(null)),
        "strangers refused": refusal_area(scores, truth, artists, odd),
    }


def refusal_area(scores: Array, truth: Array, artists: Array, odd: Array) -> float | None:
    """Area under the curve of the best score as a sign that the query's artist is there: the odd
    artists are taken out of the gallery, then the others."""
    from sklearn.metrics import roc_auc_score

    areas = []
    for out in (odd, ~odd):
        listed, member = ~out[artists], ~out[truth]
        if listed.any() and 0 < member.sum() < len(member):
            areas.append(roc_auc_score(member, scores[:, listed].max(1)))
    return float(np.mean(areas)) if areas else None


class Texts(NamedTuple):
    """Texts, whether each is general, and which adapters (texts, n) each is about."""

    texts: list[str]
    general: Array
    relevant: Array


def texts_about(corpus: Corpus, members: Array) -> Texts:
    """Every text that can be said of one of the adapters, and all that it can be said of."""
    texts_of_each = [
        texts_of(attribute_words(e.kind, *e.of, e.split))
        for e in (corpus.entries[i] for i in members)
    ]
    general = {texts[0] for texts in texts_of_each if texts}
    every = list(dict.fromkeys(text for texts in texts_of_each for text in texts))
    relevant = np.array([[text in texts for texts in texts_of_each] for text in every], bool)
    return Texts(every, np.array([t in general for t in every], bool), relevant)


def asked_by_words(scores: Array, about: Texts, *, seed: int) -> Figures:
    """Mean average precision of general and of particular texts, beside shuffled adapters."""
    random = np.random.default_rng(seed)
    report: Figures = {}
    for name, rows in (("general", about.general), ("with attributes", ~about.general)):
        if not rows.any():
            continue
        s, wanted = scores[rows], about.relevant[rows]
        null = [
            mean_average_precision(s[:, random.permutation(s.shape[1])], wanted)
            for _ in range(ROUNDS)
        ]
        real = mean_average_precision(s, wanted)
        report[name] = {
            "texts": int(rows.sum()),
            "map": real,
            "null": float(np.mean(null)),
            "p": (1 + sum(n >= real for n in null)) / (1 + ROUNDS),
        }
    return report


def rejection(
    row: DescriptorContender, corpus: Corpus, folds: Sequence[Fold]
) -> dict[str, dict[str, float]]:
    """How well an answer tells members from strangers: half of each group's artists are taken out
    of the gallery, then the other half. Area under the curve by split, of the nearest score and of
    how scores stand among those of their two sides with the gallery, as a library sees them."""
    from sklearn.metrics import roc_auc_score

    odd = alternating(corpus)
    areas: dict[str, dict[str, list[float]]] = {"nearest": {}, "standing": {}}
    for fold in folds:
        for out in (odd, ~odd):
            gallery = fold.gallery[~out[corpus.artist[fold.gallery]]]
            placed = row.place(gallery, fold.queries) if len(gallery) > 3 else None
            member = ~out[corpus.artist[fold.queries]]
            if placed is None or not 0 < member.sum() < len(member):
                continue
            scores = placed.scores()
            among = placed._replace(queries=placed.gallery).scores()
            np.fill_diagonal(among, -np.inf)
            ours, theirs = (-np.sort(-table, 1) for table in (scores, among))
            stands = standing(scores, ours, theirs[:, :-1])  # each one itself comes last
            for name, signal in (("nearest", scores), ("standing", stands)):
                area = float(roc_auc_score(member, signal.max(1)))
                areas[name].setdefault(fold.split, []).append(area)
    return {
        name: {split: float(np.mean(parts)) for split, parts in by_split.items()}
        for name, by_split in areas.items()
    }


def alternating(corpus: Corpus) -> Array:
    """Every second artist of each group, (artists,)."""
    seen: dict[int, int] = {}
    count = int(corpus.artist.max()) + 1
    group = np.zeros(count, np.intp)
    group[corpus.artist] = corpus.group
    odd = np.zeros(count, bool)
    for artist, g in enumerate(group.tolist()):
        odd[artist] = bool((seen.get(g, 0) + g) % 2)
        seen[g] = seen.get(g, 0) + 1
    return odd
