"""A row's answers on all folds, its figures, and paired differences between rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lorarium.adapter import Array
from lorarium.evaluation.describe.folds import SPLITS, Fold
from lorarium.evaluation.describe.measures import Retrieval, retrieval
from lorarium.evaluation.describe.rows import DescriptorContender
from lorarium.evaluation.describe.zoo import Corpus
from lorarium.evaluation.statistics import permutation_null, two_way_bootstrap

Figures = dict[str, Any]
ROUNDS = 1000
FREE = "output"  # the training-free row that the others are held against


@dataclass(frozen=True)
class Answers:
    """Of all queries of a split: the figures of each, its artist and what sort of query it is."""

    retrieval: Retrieval
    truth: Array
    column: Array  # recipe and copy


Result = Mapping[str, Answers]  # by split


def retrieve(row: DescriptorContender, corpus: Corpus, folds: Sequence[Fold]) -> Result:
    count = int(corpus.artist.max()) + 1
    groups = np.zeros(count, np.intp)
    groups[corpus.artist] = corpus.group
    recipes = np.unique(corpus.recipe, return_inverse=True)[1]
    column = recipes * (corpus.copy.max() + 1) + corpus.copy
    parts: dict[str, list[tuple[Retrieval, Array]]] = {}
    for fold in folds:
        placed = row.place(fold.gallery, fold.queries)
        if placed is not None:
            truth = corpus.artist[fold.queries]
            fold_retrieval = retrieval(placed, corpus.artist[fold.gallery], truth, groups, count)
            parts.setdefault(fold.split, []).append((fold_retrieval, fold.queries))
    return {split: _answers(many, corpus.artist, column) for split, many in parts.items()}


def _answers(many: Sequence[tuple[Retrieval, Array]], artist: Array, column: Array) -> Answers:
    fields = zip(*(part for part, _ in many), strict=True)
    asked = np.concatenate([queries for _, queries in many])
    retrieval = Retrieval(*(np.concatenate(field) for field in fields))
    return Answers(retrieval, artist[asked], column[asked])


def figures(result: Result, *, seed: int = 0) -> Figures:
    """Means with intervals over artists and kinds of query, and the null of shuffled artists."""
    report: Figures = {}
    for split in (s for s in SPLITS if s in result):
        answers = result[split]
        null, p = permutation_null(
            answers.retrieval.nearest, answers.truth, seed=seed, rounds=ROUNDS
        )
        hits = two_way_bootstrap(_cells(answers, answers.retrieval.hit), seed=seed)
        within = answers.retrieval.within
        report[split] = {
            "queries": len(answers.truth),
            "r_at_1": float(answers.retrieval.hit.mean()),
            "r_at_1 interval": [hits.low, hits.high],
            "r_at_1 in its group": None if np.isnan(within).all() else float(np.nanmean(within)),
            "map": float(np.nanmean(answers.retrieval.precision)),
            "centroid": float(answers.retrieval.centroid.mean()),
            "null": null,
            "p": p,
        }
    return report


def paired_differences(
    rows: Sequence[DescriptorContender], results: Mapping[str, Result], *, seed: int = 0
) -> list[Figures]:
    """Each learned row less each other row, and the output side less each, on the same queries:
    R@1 and mAP with 95% intervals. No row is chosen by what it scored here."""
    learned = [row.name for row in rows if row.sort == "learned"]
    others = [row.name for row in rows if row.sort not in ("learned", "oracle")]
    pairs = [(a, b) for a in learned for b in others]
    pairs += [(FREE, b) for b in others if FREE in others and b != FREE]
    comparisons = []
    for split in SPLITS:
        for a, b in pairs:
            if split not in results[a] or split not in results[b]:
                continue
            one, two = results[a][split], results[b][split]
            differences = {
                name: asdict(two_way_bootstrap(_cells(one, x - y), seed=seed))
                for name, x, y in (
                    ("r_at_1", one.retrieval.hit, two.retrieval.hit),
                    ("map", one.retrieval.precision, two.retrieval.precision),
                )
            }
            comparisons.append({"split": split, "row": a, "less": b, **differences})
    return comparisons


def _cells(answers: Answers, values: Array) -> Array:
    """One number a query as (artists, kinds of query), nan where there is none."""
    rows = np.unique(answers.truth, return_inverse=True)[1]
    columns = np.unique(answers.column, return_inverse=True)[1]
    table = np.full((rows.max() + 1, columns.max() + 1), np.nan)
    table[rows, columns] = values
    return table
