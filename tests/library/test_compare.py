"""What one adapter is to another: each class where the truth is known, and what it never is."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest

from lorarium.adapter import Adapter, Dora, Hadamard, LowRank, Module
from lorarium.algebra import add, cast, lower, recompress, scale
from lorarium.library.compare import CUT, NEAR, SAME, SCALED, Relation, compare
from lorarium.library.weights import Weights
from tests.library.zoo import each, ink, padded, rotated, same_start

F32, FP8 = np.float32, ml_dtypes.float8_e4m3fn
Change = Callable[[Adapter], Adapter]


def to(*dtypes: type) -> Change:
    def change(a: Adapter) -> Adapter:
        for dtype in dtypes:
            a = each(lambda d: cast(d, dtype))(a)  # noqa: B023
        return a

    return change


def rank(count: int) -> Change:
    return lambda a: recompress(a, rank=count)[0]


def some(count: int) -> Change:
    return lambda a: a.with_(deltas=dict(list(a.items())[:count]))


def folded(factor: float) -> Change:
    return each(lambda d: replace(d, up=(d.up * factor).astype(d.up.dtype)))


def noise(share: float) -> Change:
    def change(a: Adapter) -> Adapter:
        rng = np.random.default_rng(5)

        def noisy(d: LowRank) -> LowRank:
            by = share * d.up.astype(np.float64).std() * rng.standard_normal(d.up.shape)
            return replace(d, up=(d.up + by).astype(d.up.dtype))

        return each(noisy)(a)

    return change


def after(*changes: Change) -> Change:
    def change(a: Adapter) -> Adapter:
        for one in changes:
            a = one(a)
        return a

    return change


@functools.cache
def full_adapter() -> Adapter:
    return ink(1, 8, dtype=np.float32)


def symmetric_relation(change: Change, a: Adapter | None = None) -> Relation | None:
    """The same from both sides, or it is no relation."""
    a = full_adapter() if a is None else a
    first, second = Weights(a), Weights(change(a))
    forth, back = compare(first, second), compare(second, first)
    assert (forth and forth.name) == (back and back.name)
    if forth and back and forth.name == CUT:
        assert (forth.cut, back.cut) == ("b", "a") and forth.factor == pytest.approx(back.factor)
    elif forth and back:
        assert forth.factor * back.factor == pytest.approx(1, abs=0.01)
    return forth


@pytest.mark.parametrize(
    "change",
    [
        to(np.float16),
        to(ml_dtypes.bfloat16),
        to(FP8),
        to(np.float16, FP8),
        to(ml_dtypes.bfloat16, FP8, np.float16),
        to(np.float16, np.float32),
        each(padded),
        each(rotated),
        after(to(np.float16), each(rotated)),
        # the zeros become a little rank by rounding
        after(to(ml_dtypes.bfloat16), each(padded), each(rotated)),
        # other factors that look like the same ones a little off
        lambda a: leaning(a, 0.05),
        lambda a: each(lambda d: replace(d, up=d.up * F32(1.05), down=d.down / F32(1.05)))(a),
        after(each(rotated), to(FP8)),
        after(rank(8), to(np.float16)),
        lambda a: a.with_(deltas={**dict(a.items()), Module("denoiser", "z"): zero()}),
    ],
)
def test_same_weights(change: Change) -> None:
    relation = symmetric_relation(change)
    assert relation is not None and (relation.name, relation.factor) == (SAME, 1)


def test_files_in_other_factors_are_known_as_such() -> None:
    for change, refactored in ((to(FP8), False), (each(padded), False), (each(rotated), True)):
        relation = symmetric_relation(change)
        assert relation is not None and relation.refactored == refactored


def leaning(a: Adapter, by: float) -> Adapter:
    def lean(d: LowRank) -> LowRank:
        G = (np.eye(d.rank) + by * np.ones((d.rank, d.rank))).astype(np.float32)
        return replace(d, up=d.up @ G, down=np.linalg.inv(G) @ d.down)

    return each(lean)(a)


def zero() -> LowRank:
    return LowRank(np.zeros((8, 2), np.float32), np.ones((2, 8), np.float32))


@pytest.mark.parametrize("first, second", [(np.float16, ml_dtypes.bfloat16), (np.float16, FP8)])
def test_two_roundings_of_one_that_is_gone(first: type, second: type) -> None:
    relation = compare(Weights(to(first)(full_adapter())), Weights(to(second)(full_adapter())))
    assert relation is not None and relation.name == SAME


@pytest.mark.parametrize(
    "change, factor",
    [
        (lambda a: scale(a, 0.7), 0.7),
        (lambda a: scale(a, -1), -1),
        (lambda a: scale(a, -0.35), -0.35),
        (after(folded(1.002), to(np.float16)), 1.002),
        (after(folded(0.98), to(ml_dtypes.bfloat16)), 0.98),
        (after(folded(0.97), to(FP8)), 0.97),
        (after(folded(0.7), each(rotated), to(np.float16)), 0.7),
    ],
)
def test_scaled_and_by_what(change: Change, factor: float) -> None:
    relation = symmetric_relation(change)
    assert relation is not None and relation.name == SCALED
    assert relation.factor == pytest.approx(factor, rel=5e-3)


@pytest.mark.parametrize(
    "change, factor",
    [
        (rank(4), 1),
        (after(to(np.float16), rank(1)), 1),
        (after(rank(3), to(FP8)), 1),
        (after(rank(6), each(rotated), rank(2), to(np.float16)), 1),
        (after(rank(4), lambda a: scale(a, 0.6)), 0.6),
        (after(rank(4), lambda a: scale(a, -1.5), to(np.float16)), -1.5),
        (some(20), 1),
        (after(some(20), rank(3)), 1),
        (after(some(30), lambda a: scale(a, 2)), 2),
    ],
)
def test_cut_down_and_what_is_lost(change: Change, factor: float) -> None:
    relation = symmetric_relation(change)
    assert relation is not None and relation.name == CUT
    assert relation.factor == pytest.approx(factor, rel=3e-3)
    left = Weights(change(full_adapter())).total / factor**2 / Weights(full_adapter()).total
    assert relation.error == pytest.approx(np.sqrt(1 - left), abs=0.01)


def test_a_cut_of_less_than_rounding_does_is_one_all_the_same() -> None:
    a = to(ml_dtypes.bfloat16)(add([full_adapter(), ink(2, 4, dtype=np.float32)], [1.0, 0.001]))
    relation = symmetric_relation(rank(8), a)
    assert relation is not None and relation.name == CUT and relation.error < 0.004
    # while components that only repeat others are no rank
    twice = each(lambda d: replace(d, up=np.hstack([d.up, d.up]), down=np.vstack([d.down, d.down])))
    relation = symmetric_relation(lambda a: scale(twice(a), 0.5))
    assert relation is not None and relation.name == SAME


@pytest.mark.parametrize("dtype", [np.float32, np.float16, FP8])
@pytest.mark.parametrize("share", [0.004, 0.05])
def test_a_little_noise_is_near_however_coarse_the_file(dtype: type, share: float) -> None:
    relation = symmetric_relation(after(noise(share), to(dtype)))
    assert relation is not None and relation.name == NEAR
    assert relation.error >= 0.6 * share


@pytest.mark.parametrize(
    "change, names",
    [
        # stands at full weight in the other, and is no cut of it
        (lambda a: add([a, ink(2, 8)], [1.0, 0.5]), [None]),
        (lambda a: add([a, ink(2, 8)], [1.0, 0.05]), [NEAR]),
        (lambda a: recompress(add([a, ink(2, 8)], [1.0, 0.02]), rank=4)[0], [NEAR]),
        (lambda a: add([ink(2, 8), ink(3, 8)]), [None]),
        (lambda a: same_start(a, 1), [None]),
        # components were taken out as they stand in the file, as no truncation does
        (each(lambda d: replace(d, up=d.up[:, :7], down=d.down[:7])), [None, NEAR]),
        # its two halves at two strengths
        (lambda a: add([a], [lambda m: 1.0 if "attn1" in m.path else 0.8]), [NEAR]),
    ],
)
def test_what_is_no_copy_nor_a_cut(change: Change, names: list[str | None]) -> None:
    relation = symmetric_relation(change)
    assert (relation and relation.name) in names


@pytest.mark.parametrize("weight", [0.05, 0.03])
def test_a_cut_of_a_parent_is_no_cut_of_a_coarse_merge_with_little_else(weight: float) -> None:
    bf16 = to(ml_dtypes.bfloat16)
    merge = bf16(add([full_adapter(), ink(2, 8, dtype=np.float32)], [1.0, weight]))
    cut = rank(4)(bf16(full_adapter()))
    relations = [compare(Weights(a), Weights(cut)) for a in (merge, bf16(full_adapter()))]
    assert [t and t.name for t in relations] in ([None, CUT], [NEAR, CUT])
    assert relations[1] is not None and relations[1].strain < 0.85


def test_one_module_that_differs_is_enough() -> None:
    def change(a: Adapter) -> Adapter:
        module, delta = min(a.items(), key=lambda item: np.abs(item[1].up).sum())  # type: ignore[union-attr]
        return a.with_(deltas={**dict(a.items()), module: scale(delta, 1.5)})

    relation = symmetric_relation(change)
    assert relation is not None and relation.name == NEAR


def test_dora_is_compared_with_its_magnitude() -> None:
    dora = each(lambda d: Dora(d, np.linspace(1, 2, d.up.shape[0], dtype=np.float32)[:, None]))
    a = dora(full_adapter())
    moved = a.with_(
        deltas={m: replace(d, magnitude=d.magnitude * np.float32(1.01)) for m, d in a.items()}  # type: ignore[union-attr]
    )
    names = [compare(Weights(a), Weights(b)) for b in (to_dora(a), moved, full_adapter())]
    assert [relation and relation.name for relation in names] == [SAME, NEAR, None]


def to_dora(a: Adapter) -> Adapter:
    return a.with_(deltas={m: cast(d, np.float16) for m, d in a.items()})


def test_loha_and_what_it_was_lowered_or_cut_to() -> None:
    a = loha()
    low = a.with_(deltas={m: lower(d) for m, d in a.items()})  # type: ignore[arg-type]
    cut = recompress(a, rank=3)[0]
    for other, name in ((low, SAME), (to(np.float16)(low), SAME), (cut, CUT)):
        relation = compare(Weights(a), Weights(other))
        assert relation is not None and relation.name == name


def loha() -> Adapter:
    rng = np.random.default_rng(0)
    deltas = {}
    for module, delta in full_adapter().items():
        out, n = delta.shape[0], delta.shape[1]
        sides = [rng.standard_normal(s).astype(np.float32) for s in ((out, 3), (3, n)) * 2]
        deltas[module] = Hadamard(*sides, scale=0.1)
    return full_adapter().with_(deltas=deltas)


def test_parts_of_one_fused_matrix_are_cut_together() -> None:
    rng = np.random.default_rng(0)
    down = rng.standard_normal((8, 64)).astype(np.float32)
    deltas = {}
    for i, name in enumerate("kqv"):
        up = rng.standard_normal((64, 8)).astype(np.float32)
        place = Module("denoiser", f"block.to_{name}")
        deltas[place] = LowRank(up, down, fused="block.qkv", fused_rows=(64 * i, 64 * i + 64))
    a = Adapter(deltas, "flux1")
    cut = recompress(a, rank=3)[0]
    split = cut.with_(
        deltas={m: replace(d, fused=None, fused_rows=None) for m, d in cut.items()}  # type: ignore[type-var]
    )
    for other in (cut, split):
        relation = compare(Weights(a), Weights(other))
        assert relation is not None and (relation.name, relation.cut) == (CUT, "b")


def test_tensors_that_nobody_understands_count() -> None:
    a = full_adapter()
    one, other = (a.with_(opaque={"x": np.full(3, value)}) for value in (1.0, 2.0))
    same, near, less = (compare(Weights(one), Weights(b)) for b in (one, other, a))
    assert [relation and relation.name for relation in (same, near, less)] == [SAME, NEAR, NEAR]


def test_bits_and_padding() -> None:
    a = full_adapter()
    assert [Weights(change(a)).bits for change in (to(np.float32), to(np.float16), to(FP8))] == [
        24,
        11,
        4,
    ]
    # two bits less than float32 has, by chance or by powers of two: no reason to keep another
    even = each(lambda d: replace(d, up=np.round(d.up * 2**20) / F32(2**20)))(a)
    assert Weights(even).bits == 24
    # factors of a coarser parent beside others do not make a merge coarser than its copies
    merge = Weights(add([to(np.float16)(a), to(ml_dtypes.bfloat16, np.float16)(ink(2, 8))]))
    assert merge.bits == 11
    widened = Weights(to(np.float16, np.float32)(a))
    assert (widened.bits, widened.padding) == (11, (0, 0, True))
    assert Weights(each(padded)(a)).padding == (0, 3 * len(a), False)
