"""The equations that a merge obeys, on a few small modules."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lorarium.adapter import Adapter, LowRank, Module
from lorarium.algebra import add, recompress
from lorarium.library.equations import Equations
from lorarium.library.factored import Factored
from lorarium.library.parents import Explanation, explain


def made_up(seed: int, rank: int = 2, width: int = 24) -> Adapter:
    rng = np.random.default_rng(seed)
    deltas = {
        Module("denoiser", name): LowRank(
            rng.standard_normal((width, rank)), rng.standard_normal((rank, width))
        )
        for name in "abcd"
    }
    return Adapter(deltas)


def explained(target: Adapter, others: list[Adapter]) -> Explanation | None:
    equations = Equations(Factored(target))
    equations.extend([Factored(other) for other in others])
    return explain(equations, range(len(others)))


def weights(explanation: Explanation | None) -> dict[int, float]:
    return {s.index: s.weight for s in explanation.sources} if explanation else {}


@pytest.mark.parametrize("rank", [4, 3, 2, 1])
def test_weights_are_exact_however_much_was_cut(rank: int) -> None:
    parents = [made_up(0), made_up(1)]
    target = recompress(add(parents, [0.7, 0.6]), rank=rank)[0]
    explanation = explained(target, [*parents, *map(made_up, range(2, 8))])
    assert (
        explanation is not None
        and explanation.verdict == "sure"
        and (explanation.cut > 1e-3) == (rank < 4)
    )
    assert weights(explanation) == {0: pytest.approx(0.7), 1: pytest.approx(0.6)}


def test_a_difference_is_no_sum() -> None:
    K, R = made_up(0), made_up(1)
    M = add([K, R], [0.8, 0.5])
    assert explained(K, [M, R]) is None
    assert explained(K, [recompress(M, rank=3)[0], R]) is None


def test_merges_of_the_same_files_do_not_stand_for_one_that_is_absent() -> None:
    """T and N were made of X, so T is a sum of N and of what else N was made of."""
    G, C, X = (made_up(i) for i in range(3))
    N = add([X, C], [0.7, 0.4])
    T = recompress(add([G, X], [1.2, 0.7]), rank=3)[0]
    explanation = explained(T, [G, C, N])
    assert explanation is None or explanation.verdict != "sure"


def test_originals_come_before_their_merges() -> None:
    K, R, S = (made_up(i) for i in range(3))
    M = add([K, R], [0.8, 0.5])
    explanation = explained(add([M, S], [0.5, 1.0]), [M, K, R, S])
    assert weights(explanation) == {
        1: pytest.approx(0.4),
        2: pytest.approx(0.25),
        3: pytest.approx(1.0),
    }


def test_which_of_full_matrices_came_last_cannot_be_told() -> None:
    K, R = made_up(0, 24), made_up(1, 24)
    M = add([K, R], [0.8, 0.5])
    for target, others in ((M, [K, R]), (K, [M, R])):
        explanation = explained(target, others)
        assert explanation is not None and explanation.verdict == "cannot be told"


def test_weights_that_differ_between_modules() -> None:
    K, R = made_up(0), made_up(1)
    by_module = {Module("denoiser", name): w for name, w in zip("abcd", (0.2, 0.5, 0.8, 1.0))}  # noqa: B905
    explanation = explained(add([K, R], [lambda m: by_module[m], 0.5]), [K, R])
    assert explanation is not None and explanation.varies and explanation.verdict == "sure"
    assert explanation.sources[0].low < 0.3 and explanation.sources[0].high > 0.9


def test_two_files_that_fit_as_well() -> None:
    K, R = made_up(0), made_up(1)
    near = add([K, made_up(9)], [1.0, 1e-3])
    noisy = add([K, R, made_up(5)], [0.8, 0.5, 3e-3])
    explanation = explained(noisy, [K, R, recompress(near, rank=2)[0]])
    assert explanation is not None and explanation.verdict == "cannot be told"
    assert {s.index: s.verdict for s in explanation.sources}[1] == "sure"


def test_a_small_absent_parent_is_not_made_up_of_weights_by_module() -> None:
    """Many weights fit what is left; the file that takes most of it up is no parent for that."""
    K, A, X = made_up(0), made_up(1), made_up(2)
    turned = add([X, made_up(3)], [lambda m: 1.0 if m.path in "ac" else -1.0, 0.3])
    explanation = explained(add([K, A, X], [1.0, 0.05, 0.02]), [K, A, turned])
    assert 2 not in {s.index for s in explanation.sources} if explanation else True


def test_weights_by_module_do_not_tell_which_came_last() -> None:
    """Of three files with one row space each is the sum of the two others."""
    K, R = made_up(0), made_up(1)
    shared = {m: replace(d, down=K[m].down) for m, d in R.items()}  # type: ignore[type-var, union-attr]
    R = R.with_(deltas=shared)
    shares = zip("abcd", (0.2, 0.5, 0.8, 1.0), strict=True)
    by_module = {Module("denoiser", name): w for name, w in shares}
    M = recompress(add([K, R], [lambda m: by_module[m], 0.5]), rank=2)[0]
    for target, others in ((M, [K, R]), (K, [M, R]), (R, [M, K])):
        explanation = explained(target, others)
        assert (
            explanation is not None
            and explanation.varies
            and explanation.verdict == "cannot be told"
        )
