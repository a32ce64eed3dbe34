"""Truncation of one matrix: exact when small, within 1% of the optimum when large."""

import numpy as np
import pytest

from lorarium import LorariumError
from lorarium.adapter import LowRank
from lorarium.algebra import dense_error, dense_truncated

SPECTRA = {
    "slow": lambda i: 1 / np.sqrt(i + 1),
    "fast": lambda i: 0.8**i + 1e-4,
    "step": lambda i: np.where(i < 12, 1.0, 0.02),
    "close": lambda i: np.where(i < 16, 1.0, 0.97) * 0.999**i,
    "flat": lambda i: np.ones_like(i, dtype=float),
}


def matrix(values, out=700, n=800, seed=0):
    rng = np.random.default_rng(seed)
    k = len(values)
    U, V = (np.linalg.qr(rng.standard_normal((d, k)))[0] for d in (out, n))
    return ((U * values) @ V.T).astype(np.float32)


@pytest.mark.parametrize("name", SPECTRA)
def test_subspace_iteration_is_within_one_percent(name):
    values = SPECTRA[name](np.arange(700))
    D = matrix(values)
    truncation = dense_truncated(D, 16)
    assert not truncation.exact
    U, S, V = truncation.svd
    error = np.linalg.norm(D - (U * S) @ V.T)
    assert error <= 1.01 * np.linalg.norm(np.sort(values)[::-1][16:])
    assert truncation.norm == pytest.approx(np.linalg.norm(values), rel=1e-5)
    again = dense_truncated(D, 16)
    assert all(np.array_equal(x, y) for x, y in zip(again.svd, truncation.svd, strict=True))


def test_low_rank_is_found_as_such():
    for n in (100, 800):
        D = matrix(np.array([3.0, 2.0, 1.0]), 900, n)
        truncation = dense_truncated(D, 20)
        assert len(truncation.svd.S) == 3 and truncation.exact == (n == 100)
        assert truncation.svd.S == pytest.approx([3, 2, 1], rel=1e-5)


def test_energy_takes_as_few_as_hold_it():
    D = matrix(np.array([3.0, 2.0, 1.0]), 60, 50)
    assert [len(dense_truncated(D, 9, energy=e).svd.S) for e in (0.5, 0.9, 0.95, 1)] == [1, 2, 3, 3]
    assert len(dense_truncated(D, 2, energy=1).svd.S) == 2


def test_error_is_that_of_the_stored_factors():
    rng = np.random.default_rng(0)
    up, down = rng.standard_normal((30, 3)), rng.standard_normal((3, 20))
    D = rng.standard_normal((30, 20)).astype(np.float32)
    delta = LowRank(up.astype(np.float16), down.astype(np.float16), scale=0.5)
    want = np.linalg.norm(D - 0.5 * delta.up.astype(float) @ delta.down.astype(float))
    assert dense_error(D, delta) == pytest.approx(want, rel=1e-5)


def test_nan_is_refused():
    with pytest.raises(LorariumError, match="NaN"):
        dense_truncated(np.full((4, 4), np.nan, np.float32), 1)
