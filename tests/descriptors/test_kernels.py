from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from deltas import KINDS, adapter, make, seeds
from lorarium import LorariumError, algebra
from lorarium.adapter import Adapter
from lorarium.descriptors import kernels
from lorarium.descriptors.gram import Axes, centred, cosines
from lorarium.descriptors.kernels import factors, kernel
from tests.descriptors.planted import PATHS, planted, zoo

EXACT = {"product": algebra.inner, "output": algebra.gram_out, "input": algebra.gram_in}


@pytest.mark.parametrize("kind", EXACT)
def test_equals_the_algebra_module_by_module(kind, monkeypatch):
    monkeypatch.setattr(kernels, "TILE", 64)  # several tiles
    adapters = [adapter(1), adapter(2, r=5), adapter(3).with_(deltas={})]
    half = dict(list(adapter(2).items())[:6])
    adapters.append(adapter(2).with_(deltas=half))
    K = kernel(adapters, kind=kind)
    matrices = [{m: d for m, d in a.items() if len(d.shape) > 1} for a in adapters]
    for i, a in enumerate(matrices):
        for j, b in enumerate(matrices):
            terms = [
                EXACT[kind](a[m], b[m]) / np.sqrt(EXACT[kind](a[m], a[m]) * EXACT[kind](b[m], b[m]))
                for m in a.keys() & b.keys()
            ]
            expected = sum(terms) / np.sqrt(len(a) * len(b)) if a and b else 0
            assert K[i, j] == pytest.approx(expected, abs=1e-5)
    np.testing.assert_allclose(kernel(adapters, adapters[:2], kind=kind), K[:, :2], atol=1e-6)


@settings(max_examples=20)
@given(seed=seeds)
def test_blind_to_the_factorisation(seed):
    a, b = (planted(0, d, r=3) for d in (seed, seed + 1))
    rng = np.random.default_rng(seed)
    G = np.linalg.qr(rng.standard_normal((3, 3)))[0] * rng.uniform(0.3, 3, 3)
    moved = a.with_(
        deltas={m: replace(d, up=d.up @ G, down=np.linalg.solve(G, d.down)) for m, d in a.items()}
    )
    for kind in EXACT:
        K = kernel([a, moved, b], kind=kind)
        assert K[0, 1] == pytest.approx(1, abs=1e-4)
        assert K[0, 2] == pytest.approx(K[1, 2], abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_factors_of_any_matrix(kind):
    a = make(kind)
    B, A = factors(a)
    np.testing.assert_allclose(
        (B @ A).reshape(a.shape), algebra.dense_delta(a), atol=1e-4 * algebra.norm(a)
    )


def test_output_side_says_what_and_input_side_who():
    style = [planted(1, 1), planted(1, 2)]  # one style, two initialisations
    trainer = [planted(2, 1, init=7), planted(3, 1, init=7)]  # two styles, one initialisation
    out, into = (kernel([*style, *trainer], kind=k) for k in ("output", "input"))
    assert out[0, 1] > 0.3 > 5 * out[2, 3]
    assert into[2, 3] > 0.4 > 5 * into[0, 1]


def test_a_selection_is_the_kernel_of_the_selected_modules():
    adapters, _ = zoo(2, 2)
    part = [Adapter({m: d for m, d in a.items() if "attn2" in m.path}, a.family) for a in adapters]
    np.testing.assert_allclose(kernel(adapters, selection="cross"), kernel(part), atol=1e-12)
    assert len(PATHS) == 12
    with pytest.raises(LorariumError, match="no selection of modules 'nose'"):
        kernel(adapters, selection="nose")
    with pytest.raises(LorariumError, match="no kernel 'taste'"):
        kernel(adapters, kind="taste")


def test_axes_place_fitted_vectors_where_they_are_and_keep_the_geometry():
    X = np.random.default_rng(0).standard_normal((9, 40))
    axes = Axes.fit(X @ X.T)
    assert axes.coordinates.shape == (9, 8)
    np.testing.assert_allclose(axes.coordinates @ axes.coordinates.T, centred(X @ X.T), atol=1e-9)
    np.testing.assert_allclose(axes.place(X @ X.T), axes.coordinates, atol=1e-9)
    inside = X - X.mean(0)
    _, S, Vt = np.linalg.svd(inside, full_matrices=False)
    y = np.random.default_rng(1).standard_normal((3, 40))
    expected = (y - X.mean(0)) @ Vt[:8].T
    placed = axes.place(y @ X.T)
    np.testing.assert_allclose(np.abs(placed), np.abs(expected), atol=1e-9)
    np.testing.assert_allclose(axes.L, S[:8] ** 2)
    assert np.diag(cosines(X @ X.T)) == pytest.approx(1)


def test_kernels_refuse_what_is_not_finite():
    bad = planted(0, 0)
    next(iter(bad.deltas.values())).up[0, 0] = np.nan
    with pytest.raises(LorariumError, match="NaN or infinite"):
        kernel([bad, planted(0, 1)])


def test_kernels_refuse_other_bases_and_other_shapes():
    a = planted(0, 0)
    with pytest.raises(LorariumError, match="micro-1 and sd1"):
        kernel([a], [a.with_(family="sd1")])
    module, delta = next(iter(a.items()))
    cut = replace(delta, up=delta.up[:100])
    with pytest.raises(LorariumError, match=r"attn1.to_q: shapes differ: \(100, 168\)"):
        kernel([a, a.with_(deltas={**a.deltas, module: cut})])


def test_equal_adapters_have_no_axes():
    a = planted(0, 0)
    K = kernel([a, a, a])
    assert Axes.fit(K).coordinates.shape == (3, 0)
