"""Verification trials: sets of reference pictures, query pictures, and who is who.

A query is compared with a set of references of its own individual or artist (true pairs) and of
the hardest others (false pairs): another individual of the same class, another artist of the same
genre. Subjects' references are five `photo` pictures and their queries are in any seen genre;
artists' references are twelve pictures and their queries show other individuals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lorarium.evaluation.statistics import equal_error_rate
from lorarium.world.scene import PHOTO, Style, Subject, View, render
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES, artists, individuals, numbers

Array = np.ndarray
SUBJECT_REFERENCES, STYLE_REFERENCES = 5, 12


@dataclass(frozen=True)
class Trials:
    """Members (artists or individuals) with `r` references and `q` queries each."""

    references: Array  # (members, r, s, s, 3) uint8
    queries: Array  # (members, q, s, s, 3)
    group: Array  # (members,) genre or class number
    names: tuple[str, ...]  # of the groups
    query_genres: Array  # (members, q) number of the query's genre among SEEN_GENRES


def style_trials(
    split: str, per_genre: int, queries: int, *, seed: int,
    genres: tuple[str, ...] = SEEN_GENRES, classes: tuple[str, ...] = SEEN_CLASSES, size: int = 48,
) -> Trials:  # fmt: skip
    random = np.random.default_rng(seed)
    members = artists(split, per_genre, genres)
    each = STYLE_REFERENCES + queries
    styles = [a for a in members for _ in range(each)]
    kinds = [str(k) for k in random.choice(classes, len(styles))]
    subjects = [
        Subject(k, n) for k, n in zip(kinds, numbers(split, len(styles), random), strict=True)
    ]
    return _trials(subjects, styles, len(members), STYLE_REFERENCES, genres, random, size, "genre")


def subject_trials(
    split: str, per_class: int, queries: int, *, seed: int,
    classes: tuple[str, ...] = SEEN_CLASSES, genres: tuple[str, ...] = SEEN_GENRES,
    reference_genre: str = PHOTO, size: int = 48,
) -> Trials:  # fmt: skip
    random = np.random.default_rng(seed)
    members = individuals(split, per_class, classes)
    each = SUBJECT_REFERENCES + queries
    subjects = [m for m in members for _ in range(each)]
    words = [
        reference_genre if i % each < SUBJECT_REFERENCES else str(random.choice(genres))
        for i in range(len(subjects))
    ]
    styles = [
        Style(g, n) for g, n in zip(words, numbers(split, len(subjects), random), strict=True)
    ]
    return _trials(
        subjects, styles, len(members), SUBJECT_REFERENCES, classes, random, size, "kind"
    )


def _trials(
    subjects: list[Subject], styles: list[Style], members: int, references: int,
    names: tuple[str, ...], random: np.random.Generator, size: int, by: str,
) -> Trials:  # fmt: skip
    views = [View(n) for n in numbers("test", len(subjects), random)]
    pictures = render(subjects, styles, views, size).reshape(members, -1, size, size, 3)
    each = pictures.shape[1]
    word = [s.genre for s in styles] if by == "genre" else [s.kind for s in subjects]
    group = np.array([names.index(w) for w in word[::each]])
    genres = [*SEEN_GENRES, *sorted({s.genre for s in styles} - set(SEEN_GENRES))]
    of_query = np.array([genres.index(s.genre) for s in styles]).reshape(members, each)
    return Trials(
        pictures[:, :references], pictures[:, references:], group, names, of_query[:, references:]
    )


@dataclass(frozen=True)
class Scores:
    """Scores of every query against every member, and which pairs count."""

    scores: Array  # (members, q, members)
    positive: Array  # (members, q)
    negative: Array  # the hard ones, flat
    group: Array

    @property
    def error(self) -> float:
        return equal_error_rate(self.positive.ravel(), self.negative)

    def error_of(self, group: int) -> float:
        rows = np.flatnonzero(self.group == group)
        block = self.scores[np.ix_(rows, np.arange(self.scores.shape[1]), rows)]
        diagonal = np.eye(len(rows), dtype=bool)[:, None].repeat(block.shape[1], 1)
        return equal_error_rate(block[diagonal], block[~diagonal])

    @property
    def recall_at_1(self) -> float:
        """R@1 among all members."""
        nearest = self.scores.argmax(2)
        return float((nearest == np.arange(len(nearest))[:, None]).mean())


def score(references: Array, queries: Array, group: Array) -> Scores:
    """Vectors (members, r, d) and (members, q, d): cosine of the query with the mean of the
    references' unit vectors."""
    prototypes = unit(unit(references).mean(1))
    return scores_of(np.einsum("mqd,kd->mqk", unit(queries), prototypes), group)


def scores_of(scores: Array, group: Array) -> Scores:
    members = np.arange(len(scores))
    positive = scores[members, :, members]
    hard = (group[:, None] == group[None]) & ~np.eye(len(group), dtype=bool)
    negative = scores.transpose(0, 2, 1)[hard].ravel()
    return Scores(scores, positive, negative, group)


def unit(x: Array) -> Array:
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-9)
