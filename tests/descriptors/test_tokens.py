from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from deltas import KINDS, adapter, make, seeds
from lorarium import algebra
from lorarium.adapter import Adapter, LowRank
from lorarium.descriptors.tokens import FEATURES, PROBES, TOP, tokens
from tests.descriptors.planted import planted

PLACE = ("denoiser", "x")


@settings(max_examples=20)
@given(seed=seeds)
def test_blind_to_signs_and_factorisation(seed):
    a = planted(0, seed, r=3)
    rng = np.random.default_rng(seed)
    G = np.linalg.qr(rng.standard_normal((3, 3)))[0] * rng.uniform(0.3, 3, 3)
    moved = a.with_(
        deltas={m: replace(d, up=-d.up @ G, down=-np.linalg.solve(G, d.down)) for m, d in a.items()}
    )
    one, two = tokens(a), tokens(moved)
    for module, table in one.items():
        np.testing.assert_allclose(two[module], table, atol=0.02)


def test_the_sign_of_a_direction_is_not_in_a_token_but_that_of_the_change_is():
    a = make("lora", r=1)
    table = tokens(Adapter({PLACE: a}))[PLACE]
    turned = tokens(Adapter({PLACE: replace(a, up=-a.up, down=-a.down)}))[PLACE]
    np.testing.assert_array_equal(turned, table)
    opposite = tokens(Adapter({PLACE: replace(a, up=-a.up)}))[PLACE]
    np.testing.assert_allclose(opposite[0, :PROBES], -table[0, :PROBES], atol=1e-5)
    np.testing.assert_allclose(opposite[0, PROBES:], table[0, PROBES:], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_all_kinds_have_tokens(kind):
    a = make(kind)
    svd = algebra.canonical(a, dense=True)
    table = tokens(Adapter({PLACE: a}))[PLACE]
    assert table.shape == (TOP, FEATURES) and np.isfinite(table).all()
    count = min(TOP, int((svd.S > 0).sum()))
    np.testing.assert_allclose(2 ** table[:count, -1], svd.S[:count], rtol=1e-4)


def test_less_rank_than_tokens_leaves_zeros():
    a = Adapter({PLACE: LowRank(np.ones((5, 1), "f4"), np.ones((1, 4), "f4"))})
    table = tokens(a)[PLACE]
    assert table[0].any() and not table[1:].any()
    assert not any("bias" in module.path for module in tokens(adapter()))
