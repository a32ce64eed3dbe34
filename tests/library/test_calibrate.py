"""What counts as near: both rules hold on data where the truth is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from lorarium.library.calibrate import (
    ALPHA,
    AROUND_FOUND,
    ROW,
    TWINS,
    Calibration,
    around,
    calibrate,
    chance,
    from_rows,
    standing,
    to_row,
)
from lorarium.library.exact import Exact
from lorarium.library.family_space import Near


def unit(x: np.ndarray) -> np.ndarray:
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def search(vectors: np.ndarray) -> Callable[[np.ndarray, int], Near]:
    space = Exact(vectors.astype(np.float16))

    def nearest(query: np.ndarray, k: int) -> Near:
        rows, scores = space.nearest(query, k)
        ids = [str(row) for row in rows]
        return Near(ids, scores, {id: vectors[row] for id, row in zip(ids, rows, strict=True)})

    return nearest


def calibrated(sample: np.ndarray, vectors: np.ndarray) -> Calibration:
    nearest = search(vectors)

    def of_each(queries: Sequence[np.ndarray], k: int) -> list[Near]:
        return [nearest(query, k) for query in queries]

    return calibrate(sample, len(vectors), of_each, of_each)


def counts(known: Calibration, query: np.ndarray, vectors: np.ndarray) -> bool:
    """Whether rule 2 counts the nearest."""
    scores = np.sort(vectors @ query)[::-1]
    match = vectors[(vectors @ query).argmax()]
    theirs = around(search(vectors)(match, AROUND_FOUND + TWINS), AROUND_FOUND)
    threshold = known.neighbour_threshold(scores, theirs)
    assert threshold is not None
    return bool(scores[0] >= threshold)


def floor(query: np.ndarray, vectors: np.ndarray) -> float:
    best = vectors[(vectors @ query).argmax()]
    score = chance(query, best, vectors.mean(axis=0), len(vectors))
    assert score is not None
    return score


def test_strangers_are_rarely_taken_for_near() -> None:
    rng = np.random.default_rng(0)
    vectors = unit(rng.standard_normal((2000, 128)))
    strangers = unit(rng.standard_normal((300, 128)))
    # with something in common that all adapters have
    shift = 0.5 * unit(rng.standard_normal(128))
    vectors, strangers = unit(vectors + shift), unit(strangers + shift)
    taken = [(vectors @ q).max() >= floor(q, vectors) for q in strangers]
    assert np.mean(taken) <= 2 * ALPHA


def test_relatives_are_near_and_strangers_are_not() -> None:
    rng = np.random.default_rng(1)
    kinds = rng.standard_normal((60, 128))
    vectors = unit(np.repeat(kinds, 6, axis=0) + 0.8 * rng.standard_normal((360, 128)))
    known = calibrated(vectors[rng.permutation(360)], vectors)
    relatives = unit(kinds + 0.8 * rng.standard_normal((60, 128)))
    assert np.mean([counts(known, q, vectors) for q in relatives]) >= 1 - 2 * ALPHA
    assert all((vectors @ q).max() >= floor(q, vectors) for q in relatives)
    strangers = unit(rng.standard_normal((60, 128)))
    assert not any(counts(known, q, vectors) for q in strangers)


def test_strangers_of_a_narrow_genre_are_told_by_how_their_scores_stand() -> None:
    """Where all of a genre are nearly alike, others of it come near too."""
    rng = np.random.default_rng(4)
    narrow = np.repeat(rng.uniform(0, 2.5, (40, 1)), 2, axis=0)
    genres = np.repeat(rng.standard_normal((40, 64)), 2, axis=0) * narrow

    def drawn(artists: np.ndarray, copies: int) -> np.ndarray:
        each = np.repeat(genres + artists, copies, axis=0)
        return unit(each + 0.8 * rng.standard_normal(each.shape))

    artists, others = rng.standard_normal((2, *genres.shape))
    vectors, members, strangers = drawn(artists, 3), drawn(artists, 1), drawn(others, 1)
    among = vectors @ vectors.T - 2 * np.eye(len(vectors))

    def scores_of(queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scores = queries @ vectors.T
        ours, theirs = (-np.sort(-table, 1) for table in (scores, among))
        return scores.max(1), standing(scores, ours, theirs).max(1)

    def area(one: np.ndarray, other: np.ndarray) -> float:
        return float((one[:, None] > other[None]).mean())

    plain, stands = (
        area(a, b) for a, b in zip(scores_of(members), scores_of(strangers), strict=True)
    )
    assert stands > plain + 0.02, (stands, plain)


def test_a_calibration_keeps_its_numbers() -> None:
    vectors = unit(np.random.default_rng(5).standard_normal((140, 32)))
    known = calibrated(vectors, vectors)
    back = from_rows(pa.Table.from_pylist([to_row("a", known)], ROW))["a"]
    for name, value in vars(known).items():
        np.testing.assert_allclose(getattr(back, name), value, rtol=1e-6, err_msg=name)


def test_twins_do_not_raise_the_bar() -> None:
    vectors = unit(np.random.default_rng(3).standard_normal((150, 64)))
    twice = np.concatenate([vectors, vectors])
    sides = np.linspace(0.4, 0.3, 10), np.linspace(0.4, 0.3, 5)
    alone = calibrated(vectors, vectors).neighbour_threshold(*sides)
    twins = calibrated(twice, twice).neighbour_threshold(*sides)
    assert alone is not None and twins is not None and abs(alone - twins) < 0.05


def test_copies_alone_stand_for_themselves() -> None:
    one = unit(np.random.default_rng(6).standard_normal((1, 16)))
    vectors = np.repeat(one, 120, axis=0)
    known = calibrated(vectors, vectors)
    near = search(vectors)(one[0], 10)
    assert (
        len(around(near, 10)) == 1
        and known.neighbour_threshold(around(near, 10), around(near, 5)) is not None
    )
