"""How many true pictures a judge accepts, and how many strangers, in each genre it is asked in.

Verdicts are the judge's own, with all that it asks for. Strangers are the hardest: another
individual of the class, another artist of the genre.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lorarium.evaluation.judges import Aspect, Judge
from lorarium.evaluation.trials import Trials, style_trials, subject_trials
from lorarium.world.splits import SEEN_GENRES

Array = np.ndarray
QUERIES = 6


def ceilings(
    judge: Judge, split: str = "test", *, seed: int = 2, per_class: int = 4, per_genre: int = 8
) -> dict[str, Any]:
    """By aspect: shares of true pictures and of strangers that pass, together and by genre."""
    return {
        "subject": _of(judge, "subject", subject_trials(split, per_class, QUERIES, seed=seed)),
        "style": _of(judge, "style", style_trials(split, per_genre, QUERIES, seed=seed)),
    }


def _of(judge: Judge, aspect: Aspect, trials: Trials) -> dict[str, Any]:
    true, false, strangers = [], [], []
    for m, references in enumerate(trials.references):
        mates = np.flatnonzero(trials.group == trials.group[m])
        # the next of the group: as near as strangers come
        other = mates[(mates.tolist().index(m) + 1) % len(mates)]
        asked = np.concatenate([trials.queries[m], trials.queries[other]])
        passes = judge.margins(aspect, asked, references) >= 0
        true.append(passes[:QUERIES])
        false.append(passes[QUERIES:])
        strangers.append(other)
    own, others = trials.query_genres, trials.query_genres[strangers]
    by = {
        genre: (_rate(np.array(true)[own == i]), _rate(np.array(false)[others == i]))
        for i, genre in enumerate(SEEN_GENRES)
        if (own == i).any() and (others == i).any()
    }
    return {
        "true": _rate(np.array(true)), "strangers": _rate(np.array(false)),
        "pairs": int(np.size(true)),
        "true by genre": {genre: rates[0] for genre, rates in by.items()},
        "strangers by genre": {genre: rates[1] for genre, rates in by.items()},
    }  # fmt: skip


def _rate(passes: Array) -> float:
    return round(float(passes.mean()), 4)
