"""How well encoders do on a split: verification error rates, recognition, zero-shot words."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from lorarium.encoders.encode import encode
from lorarium.encoders.nets import ClipLike
from lorarium.evaluation.judges import Judge, trial_scores
from lorarium.evaluation.statistics import equal_error_rate
from lorarium.evaluation.trials import Scores, Trials, score, style_trials, subject_trials
from lorarium.world.scene import PHOTO
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES
from lorarium.world.words import tokens

Array = np.ndarray
Figures = dict[str, Any]


def verification(
    net: nn.Module, split: str, *, seed: int = 2, per_genre: int = 16, per_class: int = 8,
    queries: int = 6,
) -> Figures:  # fmt: skip
    """A judge's equal error rates on hard negatives, R@1 among all artists or individuals of the
    trials, and how often it names class and genre."""
    styles = style_trials(split, per_genre, queries, seed=seed)
    subjects = subject_trials(split, per_class, queries, seed=seed)
    known, _ = encode(net, styles.references, "style", "genre")
    asked, genres = encode(net, styles.queries, "style", "genre")
    hands = score(known, asked, styles.group)
    known, _ = encode(net, subjects.references, "identity", "kind")
    asked, kinds = encode(net, subjects.queries, "identity", "kind")
    faces = score(known, asked, subjects.group)
    plain = subject_trials(split, per_class, queries, seed=seed, genres=(PHOTO,))
    alike = score(*encode_both(net, plain, "identity"), plain.group)
    return {
        "style": summary(hands, styles),
        "subject": summary(faces, subjects) | {"error_by_query_genre": by_query(faces, subjects)},
        "subject in photo": summary(alike, plain),
        "genre_named": share(genres.argmax(-1) == styles.group[:, None]),
        "class_named": share(kinds.argmax(-1) == subjects.group[:, None]),
    }


def encode_both(net: nn.Module, trials: Trials, head: str) -> tuple[Array, Array]:
    """Vectors of the references and of the queries."""
    (known,) = encode(net, trials.references, head)
    (asked,) = encode(net, trials.queries, head)
    return known, asked


def summary(scores: Scores, trials: Trials) -> Figures:
    groups = {
        name: round(scores.error_of(i), 3)
        for i, name in enumerate(trials.names)
        if (trials.group == i).sum() > 1
    }
    return {
        "error": round(scores.error, 4),
        "found": round(scores.recall_at_1, 4),
        "members": len(trials.group),
        "error_by_group": dict(sorted(groups.items(), key=lambda item: item[1])),
    }


def by_query(scores: Scores, trials: Trials) -> dict[str, float]:
    """Error rates of the queries drawn in each genre."""
    hard = (trials.group[:, None] == trials.group[None]) & ~np.eye(len(trials.group), dtype=bool)
    rates = {}
    for i, genre in enumerate(SEEN_GENRES):
        asked = trials.query_genres == i
        if asked.any():
            false = [scores.scores[m, q][hard[m]] for m, q in zip(*np.nonzero(asked), strict=True)]
            rates[genre] = round(equal_error_rate(scores.positive[asked], np.concatenate(false)), 3)
    return dict(sorted(rates.items(), key=lambda item: item[1]))


def zero_shot(net: ClipLike, split: str, *, seed: int = 2, per_genre: int = 16) -> Figures:
    """How often the nearest of all prompts "a CLASS in GENRE" has the right genre, or class."""
    prompts = [tokens(f"a {kind} in {genre}") for genre in SEEN_GENRES for kind in SEEN_CLASSES]
    device = next(net.parameters()).device
    with torch.no_grad():
        words = net.say(torch.tensor(prompts, device=device)).cpu().numpy()
    styles = style_trials(split, per_genre, 6, seed=seed)
    subjects = subject_trials(split, 8, 6, seed=seed)
    (hands,) = encode(net, styles.queries, "picture")
    (faces,) = encode(net, subjects.queries, "picture")
    count = len(SEEN_CLASSES)
    return {
        "genre": share((hands @ words.T).argmax(-1) // count == styles.group[:, None]),
        "class": share((faces @ words.T).argmax(-1) % count == subjects.group[:, None]),
    }


def share(hits: Array) -> float:
    return round(float(hits.mean()), 4)


def true_pass_rates(judge: Judge, *, seed: int = 2, split: str = "test") -> Figures:
    """The ceiling and chance: how many true renders pass, how many of the hardest others do."""
    styles = trial_scores(judge.net, style_trials(split, 16, 6, seed=seed), "style")
    subjects = trial_scores(judge.net, subject_trials(split, 8, 6, seed=seed), "identity")
    wanted = judge.thresholds
    return {
        "style": share(styles.positive >= wanted.style),
        "style, others of the genre": share(styles.negative >= wanted.style),
        "subject": share(subjects.positive >= wanted.subject),
        "subject, others of the class": share(subjects.negative >= wanted.subject),
    }
