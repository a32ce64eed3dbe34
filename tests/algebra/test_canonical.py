from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.timing import processor_seconds

from deltas import KINDS, adapter, difference, make, matrix, seeds
from lorarium import LorariumError, algebra
from lorarium.adapter import Adapter, Kronecker, LowRank
from lorarium.algebra import canonical, lower


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_svd(kind):
    delta = make(kind)
    W = matrix(delta)
    U, S, V = algebra.canonical(delta, dense=True)
    k = len(S)
    assert difference((U * S) @ V.T, W) < 1e-6
    np.testing.assert_allclose(S, np.linalg.svd(W, compute_uv=False)[:k], atol=2e-6 * S[0])
    np.testing.assert_allclose(U.T @ U, np.eye(k), atol=1e-5)
    np.testing.assert_allclose(V.T @ V, np.eye(k), atol=1e-5)
    peaks = np.take_along_axis(U, np.abs(U).argmax(0)[None], 0)
    assert (peaks > 0).all()


@given(seed=seeds, r=st.integers(1, 6))
def test_gauge_invariance(seed, r):
    rng = np.random.default_rng(seed)
    a = make("lora", seed, r=r, dtype=np.float64)
    assert isinstance(a, LowRank)
    G = rng.standard_normal((r, r)) + 3 * np.eye(r)
    one = algebra.canonical(a)
    gaps = np.abs(np.diff(one.S, append=0.0)) / one.S[0]
    if np.linalg.cond(G) > 1e3 or gaps.min() < 1e-3:
        return
    two = algebra.canonical(replace(a, up=a.up @ G, down=np.linalg.solve(G, a.down)))
    np.testing.assert_allclose(two.S, one.S, atol=1e-9 * one.S[0])
    np.testing.assert_allclose(two.U, one.U, atol=1e-9)
    np.testing.assert_allclose(two.V, one.V, atol=1e-9)


def test_dependent_and_zero_columns_are_fine_in_float32():
    a = make("lora", r=3)
    assert isinstance(a, LowRank)
    twice = replace(
        a,
        up=np.concatenate([a.up, a.up, np.zeros_like(a.up)], axis=1),
        down=np.concatenate([a.down, a.down, a.down]),
    )
    U, S, _ = algebra.canonical(twice)
    np.testing.assert_allclose(S[:3], 2 * algebra.canonical(a).S, rtol=1e-5)
    assert S[3:].max() < 1e-5 * S[0]
    np.testing.assert_allclose(U.T @ U, np.eye(9), atol=1e-5)


def test_rank_above_the_dimensions():
    a = make("lora", r=40)
    assert difference((lambda c: (c.U * c.S) @ c.V.T)(algebra.canonical(a)), matrix(a)) < 1e-6


def test_the_stream_equals_one_by_one_and_has_every_matrix():
    a = adapter(3)
    svds = dict(algebra.canonical_stream(a, dense=True, chunk_bytes=1))
    assert set(svds) == {m for m in a if not m.path.endswith("bias")}
    spectra = algebra.spectra(a, dense=True)
    for module, svd in svds.items():
        alone = algebra.canonical(a[module], dense=True)
        np.testing.assert_allclose(svd.S, alone.S, rtol=1e-5)
        np.testing.assert_allclose(spectra[module], alone.S, atol=1e-5 * alone.S[0])
        assert difference((svd.U * svd.S) @ svd.V.T, matrix(a[module])) < 1e-6


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_canonical_adapter_keeps_changes_and_dtype(dtype):
    a = adapter(3, kinds=("lora", "locon", "tucker"), dtype=dtype)
    b = algebra.canonical_adapter(a)
    for module, delta in b.items():
        assert difference(matrix(delta), matrix(a[module])) < (
            2e-3 if dtype is np.float16 else 1e-6
        )
        assert delta.shape == a[module].shape
        if isinstance(delta, LowRank):
            assert delta.up.dtype == dtype


@pytest.mark.parametrize("size", [1e-9, 1e-3, 1e9])
def test_half_precision_factors_stay_clear_of_the_ends_of_the_range(size):
    a = make("lora", dtype=np.float32)
    assert isinstance(a, LowRank)
    svd = algebra.canonical(replace(a, up=a.up * np.float32(size)))
    small = algebra.balanced(svd, a, np.float16)
    assert difference(matrix(small), (svd.U * svd.S) @ svd.V.T) < 2e-3


def test_a_full_matrix_is_only_formed_when_asked():
    with pytest.raises(LorariumError, match="dense=True"):
        algebra.canonical(make("full"))


def test_nan_is_named():
    a = make("lora")
    assert isinstance(a, LowRank)
    a.up[0, 0] = np.nan
    bad = Adapter({("denoiser", "good"): make("lora", 1), ("denoiser", "bad"): a})
    with pytest.raises(LorariumError, match="denoiser:bad: NaN"):
        list(algebra.canonical_stream(bad))


def test_a_lokr_of_large_thin_factors_takes_no_svd_of_their_product():
    """The fuzzer hung on one: an SVD of 3000 x 3000 takes half a minute, of 400 x 400 a moment."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((3000, 2)), rng.standard_normal((2, 3000))
    delta = Kronecker(w1=np.eye(2, dtype="f4"), w2_a=a.astype("f4"), w2_b=b.astype("f4"))
    moment = processor_seconds(lambda: np.linalg.svd(rng.standard_normal((400, 400))))
    assert processor_seconds(lambda: (canonical(delta), lower(delta))) < moment
    svd, lowered = canonical(delta), lower(delta)
    assert svd.S.shape == (4,)
    want = np.linalg.svd(np.linalg.qr(a)[1] @ np.linalg.qr(b.T)[1].T, compute_uv=False)
    assert np.allclose(svd.S, np.repeat(want, 2), rtol=1e-4)
    some = np.array([0, 1, 2999, 3000, 4001, 5999])
    entries = np.kron(np.eye(2), a @ b)[np.ix_(some, some)]
    assert np.allclose((svd.U[some] * svd.S) @ svd.V[some].T, entries, atol=1e-3)
    assert np.allclose(
        (lowered.up[some] @ lowered.down[:, some]) * lowered.scale, entries, atol=1e-3
    )
