"""Factors of any kind, the joint SVD, columns and damped rows, against dense matrices."""

import numpy as np
import pytest
from hypothesis import given

from deltas import KINDS, LINEAR_KINDS, difference, dora, make, matrix, seeds
from lorarium import LorariumError
from lorarium.adapter import Dense, LowRank
from lorarium.algebra import damp, factors_of, joint_svd, scale_columns, stored_factors


@pytest.mark.parametrize("kind", KINDS)
def test_factors_of_every_kind(kind):
    delta = make(kind, 1)
    B, A = factors_of(delta)
    assert difference(B @ A, matrix(delta)) < 1e-5


@given(seeds)
def test_joint_svd_is_that_of_the_changes_side_by_side(seed):
    deltas = [make("lora", seed, r=2), make("loha", seed + 1, r=2), make("lora", seed + 2)]
    U, S, V = joint_svd(deltas)
    stacked = np.concatenate([matrix(d) for d in deltas], axis=1)
    expected = np.linalg.svd(stacked, compute_uv=False)
    assert len(S) == 9
    np.testing.assert_allclose(S, expected[:9], rtol=1e-4, atol=1e-5 * expected[0])
    np.testing.assert_allclose(U.T @ U, np.eye(9), atol=1e-4)
    np.testing.assert_allclose(sum(v.T @ v for v in V), np.eye(9), atol=1e-4)
    for delta, v in zip(deltas, V, strict=True):
        assert np.linalg.norm(U * S @ v.T - matrix(delta)) < 1e-5 * np.linalg.norm(stacked)


def test_joint_svd_leaves_out_what_is_not_there():
    a = make("lora", 1)
    U, S, V = joint_svd([a, a])
    assert U.shape == (24, 3) and S.shape == (3,) and [v.shape for v in V] == [(18, 3)] * 2
    nothing = LowRank(np.zeros((24, 2), np.float32), np.ones((2, 18), np.float32))
    U, S, V = joint_svd([nothing, nothing])
    assert U.shape == (24, 0) and len(S) == 0 and V[0].shape == (18, 0)


def test_joint_svd_with_more_ranks_than_rows():
    deltas = [make("lora", s, r=16) for s in (1, 2)]
    U, S, V = joint_svd(deltas)
    assert len(S) == 24
    for delta, v in zip(deltas, V, strict=True):
        assert difference(U * S @ v.T, matrix(delta)) < 1e-5


@pytest.mark.parametrize("kind", [k for k in KINDS if not k.startswith("lokr")])
def test_columns(kind):
    delta = make(kind, 3)
    m = np.random.default_rng(0).standard_normal(delta.shape[1]).astype(np.float32)
    changed = scale_columns(delta, m)
    expected = matrix(delta) * np.repeat(m, matrix(delta).shape[1] // len(m))
    assert changed.shape == delta.shape
    assert difference(matrix(changed), expected) < 1e-5
    assert isinstance(changed, Dense) == kind.startswith("full")


def test_columns_keep_dtype_and_up():
    delta = make("lora", 1, dtype=np.float16)
    changed = scale_columns(delta, np.ones(18, np.float32))
    assert changed.up is delta.up and changed.down.dtype == np.float16
    np.testing.assert_array_equal(changed.down, delta.down)
    with pytest.raises(LorariumError, match="do not fit"):
        scale_columns(delta, np.ones(17))
    with pytest.raises(LorariumError, match="DoRA"):
        scale_columns(dora(), np.ones(18, np.float32))


@pytest.mark.parametrize("share", [0.0, 1 / 3, 1.0])
@pytest.mark.parametrize("kind", [k for k in LINEAR_KINDS if not k.startswith("lokr")])
def test_damped(kind, share):
    a, onto = make(kind, 1), make("lora", 2)
    Q = np.linalg.qr(onto.down.T.astype(np.float64))[0]
    damped = damp(a, onto, share)
    expected = matrix(a) @ (np.eye(18) - share * Q @ Q.T)
    assert difference(matrix(damped), expected) < 1e-5
    assert damped.rank is None or damped.rank <= matrix(a).shape[1]


def test_damped_onto_a_full_difference_leaves_nothing_of_its_rows():
    full_delta = make("full", 1)
    assert np.linalg.norm(matrix(damp(make("lora", 2), full_delta, 1.0))) < 1e-4


@pytest.mark.parametrize("size", [1e-7, 1e-3, 1.0, 1e4])
def test_stored_factors_lose_only_the_rounding_of_their_type(size):
    rng = np.random.default_rng(0)
    B = rng.standard_normal((24, 3), np.float32) * np.float32(0.02)
    A = rng.standard_normal((3, 18), np.float32) * np.array([[1e-3], [1], [10]], np.float32)
    A = A * np.float32(size)
    for dtype, error in ((np.float16, 2**-11), (np.float32, 1e-7)):
        delta = stored_factors(B, A, (24, 18), dtype)
        assert delta.up.dtype == delta.down.dtype == dtype
        for j in range(3):
            one = delta.scale * delta.up[:, j : j + 1].astype(float) @ delta.down[j : j + 1]
            assert difference(one, B[:, j : j + 1].astype(float) @ A[j : j + 1]) < 2 * error
