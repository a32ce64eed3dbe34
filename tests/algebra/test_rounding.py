"""Precision read from the numbers, and what can be a rounding of what."""

from __future__ import annotations

from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest

from lorarium.adapter import Adapter, Delta, Dense, Dora, Hadamard, LowRank, Module
from lorarium.algebra import add, cast, norm
from lorarium.algebra.rounding import (
    entries_apart,
    half_steps,
    rounding_energy,
    significant_bits,
)

TYPES = [
    (np.float64, 53),
    (np.float32, 24),
    (np.float16, 11),
    (ml_dtypes.bfloat16, 8),
    (ml_dtypes.float8_e4m3fn, 4),
    (ml_dtypes.float8_e5m2, 3),
]


def some(seed: int = 0, rank: int = 4, dtype: object = np.float64) -> LowRank:
    rng = np.random.default_rng(seed)
    up, down = 0.02 * rng.standard_normal((40, rank)), 0.1 * rng.standard_normal((rank, 60))
    return LowRank(up.astype(dtype), down.astype(dtype))


@pytest.mark.parametrize("dtype, bits", TYPES)
def test_bits_are_those_of_the_numbers_not_of_their_type(dtype: type, bits: int) -> None:
    values = some().up.astype(dtype)
    assert significant_bits(values) == bits
    assert significant_bits(np.ldexp(values.astype(np.float64), 5)) == bits
    if bits < 24:
        assert significant_bits(values.astype(np.float32)) == bits


def test_bits_of_nothing() -> None:
    assert significant_bits(np.zeros((3, 4), np.float16)) == 0
    assert significant_bits(np.zeros((0, 4), np.float32)) == 0
    assert (half_steps(np.zeros(3, np.float32)) == 0).all()


@pytest.mark.parametrize("dtype", [t for t, bits in TYPES if bits < 53])
@pytest.mark.parametrize("size", [1.0, 0.1])  # the eight-bit types end there
def test_no_number_was_farther_away_than_half_a_step(dtype: type, size: float) -> None:
    values = some().up * size
    stored = values.astype(dtype)
    assert stored.any()
    for held in (stored, stored.astype(np.float32)):
        assert (np.abs(held.astype(np.float64) - values) <= half_steps(held)).all()


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn])
def test_the_expected_error_is_about_the_error(dtype: type) -> None:
    for original in (some(), Dense(some().up), hadamard()):
        stored = cast(original, dtype)
        if isinstance(original, Hadamard):
            error = np.linalg.norm(hadamard_matrix(stored) - hadamard_matrix(original))
        else:
            error = norm(difference(original, stored))
        assert 0.7 < error / np.sqrt(rounding_energy(stored)) < 1.3


def difference(a: LowRank | Dense, b: LowRank | Dense) -> LowRank | Dense:
    module = Module("denoiser", "x")
    wide = [Adapter({module: cast(d, np.float64)}) for d in (a, b)]
    return add(wide, [1.0, -1.0])[module]  # type: ignore[return-value]


def hadamard() -> Hadamard:
    a, b = some(1), some(2)
    return Hadamard(a.up, a.down, b.up, b.down)


def hadamard_matrix(d: Hadamard) -> np.ndarray:
    w = [x.astype(np.float64) for x in (d.w1_a, d.w1_b, d.w2_a, d.w2_b)]
    return (w[0] @ w[1]) * (w[2] @ w[3])


def counts(a: Delta, b: Delta) -> tuple[int, int] | None:
    entries = entries_apart(a, b)
    return entries and (entries.apart, entries.entries)


def rearranged(d: LowRank) -> LowRank:
    """Another order, signs and powers of two elsewhere, a component of zeros."""
    order, signs = [2, 0, 3, 1], np.array([1, -1, 1, -1])
    up = np.hstack([d.up[:, order] * signs * 4, np.zeros((40, 1))]).astype(d.up.dtype)
    down = np.vstack([d.down[order] * signs[:, None] / 2, np.ones((1, 60))]).astype(d.down.dtype)
    return replace(d, up=up, down=down, scale=d.scale / 2)


@pytest.mark.parametrize(
    "via",
    [
        (np.float16,),
        (ml_dtypes.bfloat16,),
        (ml_dtypes.float8_e4m3fn,),
        (np.float16, ml_dtypes.bfloat16),
        (np.float16, ml_dtypes.float8_e4m3fn),
        (ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, np.float32),
    ],
)
def test_roundings_of_one_are_so_entry_by_entry(via: tuple[type, ...]) -> None:
    original = stored = some(rank=4, dtype=np.float32)
    for dtype in via:
        stored = cast(stored, dtype)  # type: ignore[assignment]
    count = original.up.size + original.down.size
    for pair in ((original, stored), (stored, original), (rearranged(original), stored)):
        assert counts(*pair) == (0, count)


def test_two_roundings_of_one_that_is_gone() -> None:
    original = some(dtype=np.float32)
    pair = cast(original, np.float16), cast(original, ml_dtypes.bfloat16)
    assert counts(*pair) == (0, original.up.size + original.down.size)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.float8_e4m3fn])
def test_a_later_state_of_the_training_is_no_rounding(dtype: type) -> None:
    original = some(dtype=np.float32)
    noise = 1 + 0.005 * np.random.default_rng(9).standard_normal(original.up.shape)
    later = replace(original, up=(original.up * noise).astype(np.float32))
    apart = entries_apart(original, cast(later, dtype))
    assert apart is not None and apart[0] > 0.005 * apart[1]


def test_other_factors_do_not_correspond() -> None:
    original = some(dtype=np.float32)
    G = np.random.default_rng(3).standard_normal((4, 4)).astype(np.float32)
    turned = replace(original, up=original.up @ G, down=np.linalg.inv(G) @ original.down)
    assert entries_apart(original, turned) is None
    assert entries_apart(original, replace(original, scale=0.7)) is None
    assert entries_apart(original, some(rank=3)) is None
    assert entries_apart(original, Dense(original.up)) is None


def test_what_entries_moved_by_tells_other_factors_from_other_numbers() -> None:
    original = some(dtype=np.float32)
    G = np.eye(4, dtype=np.float32) + np.float32(0.1) * np.ones((4, 4), np.float32)
    turned = replace(original, up=original.up @ G, down=np.linalg.inv(G) @ original.down)
    noise = 1 + 0.005 * np.random.default_rng(9).standard_normal(original.up.shape)
    later = replace(original, up=(original.up * noise).astype(np.float32))
    for other, independent in ((turned, False), (later, True)):
        entries = entries_apart(original, other)
        assert entries is not None and entries.apart > 100
        left = norm(difference(original, other)) ** 2
        assert (0.7 < left / entries.moved < 1.4) == independent
        assert independent or left < 1e-6 * entries.moved


def test_other_kinds() -> None:
    original = hadamard()
    assert counts(original, cast(original, np.float16)) == (0, 2 * (40 * 4 + 4 * 60))
    assert entries_apart(original, replace(original, w1_a=2 * original.w1_a, scale=0.5)) is not None
    other = replace(
        original, w1_a=original.w1_a * (1 + 0.01 * np.sin(np.arange(160)).reshape(40, 4))
    )
    apart = entries_apart(original, cast(other, np.float16))
    assert apart is not None and apart[0] > 50
    inner = some(dtype=np.float32)
    dora = Dora(inner, np.linspace(1, 2, 40, dtype=np.float32)[:, None])
    assert counts(dora, cast(dora, np.float16)) == (0, inner.up.size + inner.down.size + 40)
    moved = replace(dora, magnitude=dora.magnitude * np.float32(1.01))
    assert counts(dora, moved) == (40, inner.up.size + inner.down.size + 40)
    assert entries_apart(dora, inner) is None
