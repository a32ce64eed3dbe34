"""Search in memory, against comparing everything."""

from __future__ import annotations

import numpy as np
import pytest

from lorarium.library import exact
from lorarium.library.exact import Exact


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "AT_ONCE", 2**20)


def unit(x: np.ndarray) -> np.ndarray:
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    rng = np.random.default_rng(0)
    kinds = rng.standard_normal((500, 256))
    # all lean to one side, as embeddings do
    return unit(kinds[rng.integers(0, 500, 40_000)] + rng.standard_normal((40_000, 256)) + 0.5)


def truth(vectors: np.ndarray, query: np.ndarray, k: int) -> list[int]:
    return np.argsort(-(vectors @ query), kind="stable")[:k].tolist()


def test_few_are_exact(vectors: np.ndarray) -> None:
    space = Exact(vectors[:2000].astype(np.float16))
    assert space.small
    for query in vectors[:20]:
        rows, scores = space.nearest(query, 10)
        assert rows.tolist() == truth(vectors[:2000].astype(np.float16).astype("f4"), query, 10)
        assert (np.diff(scores) <= 0).all()


def test_many_are_found_by_their_signs(vectors: np.ndarray) -> None:
    space = Exact(vectors.astype(np.float16))
    assert not space.small
    rng = np.random.default_rng(1)
    queries = unit(vectors[:100] + 0.3 * unit(rng.standard_normal((100, 256))))
    hits = [len({*space.nearest(q, 10)[0].tolist()} & {*truth(vectors, q, 10)}) for q in queries]
    assert np.mean(hits) / 10 >= 0.95


@pytest.mark.parametrize("count", [5, 2000, 30_000])
def test_only_allowed_rows(vectors: np.ndarray, count: int) -> None:
    space = Exact(vectors.astype(np.float16))
    allowed = np.zeros(len(vectors), bool)
    allowed[np.random.default_rng(2).choice(len(vectors), count, replace=False)] = True
    rows, _ = space.nearest(vectors[0], 10, allowed)
    assert allowed[rows].all() and len(rows) == min(10, count)
    known = np.flatnonzero(allowed)
    best = known[truth(vectors[known], vectors[0], 10)]
    assert len({*rows.tolist()} & {*best.tolist()}) >= min(9, count)


def test_more_than_there_are(vectors: np.ndarray) -> None:
    assert len(Exact(vectors[:7].astype(np.float16)).nearest(vectors[0], 100)[0]) == 7


def test_odd_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "AT_ONCE", 0)
    monkeypatch.setattr(exact, "SCREENED", 100)
    vectors = unit(np.random.default_rng(3).standard_normal((3000, 70)))
    rows, scores = Exact(vectors.astype(np.float16)).nearest(vectors[5], 1)
    assert rows[0] == 5 and scores[0] == pytest.approx(1, abs=1e-3)
