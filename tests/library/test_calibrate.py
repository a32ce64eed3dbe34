"""What counts as near: both rules hold on data where the truth is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lorarium.library.calibrate import ALPHA, calibrate, chance
from lorarium.library.exact import Exact
from lorarium.library.view import Near


def unit(x: np.ndarray) -> np.ndarray:
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def search(vectors: np.ndarray) -> Callable[[np.ndarray, int], Near]:
    space = Exact(vectors.astype(np.float16))
    return lambda query, k: Near([], space.nearest(query, k)[1], {})


def floor(query: np.ndarray, vectors: np.ndarray) -> float:
    best = vectors[(vectors @ query).argmax()]
    found = chance(query, best, vectors.mean(axis=0), len(vectors))
    assert found is not None
    return found


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
    known = calibrate(vectors[rng.permutation(360)], 360, search(vectors))
    assert known.usual is not None
    relatives = unit(kinds + 0.8 * rng.standard_normal((60, 128)))
    best = np.array([(vectors @ q).max() for q in relatives])
    assert np.mean(best < known.usual) <= 2 * ALPHA
    assert all(score >= floor(q, vectors) for q, score in zip(relatives, best, strict=True))
    strangers = unit(rng.standard_normal((60, 128)))
    assert max((vectors @ q).max() for q in strangers) < known.usual


def test_too_few_say_nothing() -> None:
    vectors = unit(np.random.default_rng(2).standard_normal((10, 16)))
    assert chance(vectors[0], vectors[1], vectors.mean(axis=0), 10) is None
    assert calibrate(vectors, 10, search(vectors)).usual is None


def test_twins_do_not_raise_the_bar() -> None:
    vectors = unit(np.random.default_rng(3).standard_normal((50, 64)))
    twice = np.concatenate([vectors, vectors])
    alone = calibrate(vectors, 50, search(vectors))
    twins = calibrate(twice, 100, search(twice))
    assert alone.usual is not None and twins.usual is not None
    assert abs(alone.usual - twins.usual) < 0.05
