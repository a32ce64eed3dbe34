"""Search through vectors that are read block by block, against the one that holds them."""

from __future__ import annotations

import weakref
from collections.abc import Iterator

import numpy as np
import pytest

from lorarium.library import exact, streamed
from lorarium.library.exact import Exact
from lorarium.library.streamed import Streamed

COUNT, SIZE, ROWS = 20_000, 100, 1500


class Vectors(np.ndarray):
    """An array that weak references see."""


def made() -> np.ndarray:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((COUNT, SIZE)) + 0.3
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


@pytest.mark.parametrize("at_once", [2**24, 2**10])
def test_it_finds_what_is_found_in_memory(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (exact, streamed):
        monkeypatch.setattr(module, "AT_ONCE", at_once)
    vectors = made()
    held, seen = Exact(vectors), list[weakref.ref[Vectors]]()
    most = 0

    def blocks() -> Iterator[tuple[list[str], np.ndarray]]:
        nonlocal most
        for start in range(0, COUNT, ROWS):
            block = vectors[start : start + ROWS].copy().view(Vectors)
            seen.append(weakref.ref(block))
            most = max(most, sum(ref() is not None for ref in seen))
            yield [str(i) for i in range(start, start + len(block))], block

    queries = vectors[::900].astype(np.float32)
    for screened in (300, 2000):
        hits, theirs = 0, 0
        nearest = Streamed(blocks, COUNT).nearest(queries, 10, screened)
        for query, one in zip(queries, nearest, strict=True):
            ids = [int(id) for id in one.ids]
            rows, scores = held.nearest(query, 10, None, screened)
            assert np.array_equal(one.vectors, vectors[ids].astype(np.float32))
            np.testing.assert_allclose(one.scores, np.array(one.vectors) @ query, atol=1e-6)
            if at_once >= vectors.size:
                assert ids == rows.tolist()
                np.testing.assert_allclose(one.scores, scores, atol=1e-6)
            true = set(np.argsort(-(vectors.astype(np.float32) @ query))[:10].tolist())
            hits, theirs = hits + len(true & {*ids}), theirs + len(true & {*rows.tolist()})
        # of those that share as many signs with a query either may leave out others
        assert abs(hits - theirs) <= 0.03 * 10 * len(queries)
    assert most <= 2  # the one that is looked at, and the one before


def test_fewer_than_asked_for() -> None:
    vectors = made()[:5]
    found = Streamed(lambda: iter([(list("abcde"), vectors)]), 5).nearest(
        vectors[:1].astype(np.float32), 10
    )
    assert found[0].ids[0] == "a" and sorted(found[0].ids) == list("abcde")
