import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltas import CONV_KINDS, KINDS, LINEAR_KINDS, adapter, dora, make, matrix, seeds
from lorarium import LorariumError, algebra
from lorarium.adapter import Adapter, LowRank

PAIRS = [*itertools.product(LINEAR_KINDS, repeat=2), *itertools.product(CONV_KINDS, repeat=2)]


@pytest.mark.parametrize("one,other", PAIRS)
def test_products_equal_those_of_the_matrices(one, other):
    a, b = make(one, 1), make(other, 2)
    A, B = matrix(a), matrix(b)
    size = np.linalg.norm(A) * np.linalg.norm(B)
    assert algebra.inner(a, b) == pytest.approx((A * B).sum(), abs=1e-5 * size)
    out, inside = np.linalg.norm(A.T @ B) ** 2, np.linalg.norm(A @ B.T) ** 2
    assert algebra.gram_out(a, b) == pytest.approx(out, rel=1e-5)
    assert algebra.gram_in(a, b) == pytest.approx(inside, rel=1e-5)


@pytest.mark.parametrize("kind", [*KINDS, "bias"])
def test_norm(kind):
    delta = make(kind)
    assert algebra.norm(delta) == pytest.approx(np.linalg.norm(matrix(delta)), rel=1e-6)


@given(seed=seeds, r=st.integers(1, 6))
def test_products_do_not_depend_on_the_factorisation(seed, r):
    rng = np.random.default_rng(seed)
    a = make("lora", seed, r=r, dtype=np.float64)
    b = make("lora", seed + 1, r=3, dtype=np.float64)
    assert isinstance(a, LowRank)
    G = rng.standard_normal((r, r)) + 3 * np.eye(r)
    if np.linalg.cond(G) > 1e3:
        return
    moved = replace(a, up=a.up @ G, down=np.linalg.solve(G, a.down))
    for product in (algebra.inner, algebra.gram_out, algebra.gram_in):
        power = 1 if product is algebra.inner else 2
        size = (algebra.norm(a) * algebra.norm(b)) ** power
        assert abs(product(moved, b) - product(a, b)) <= 1e-9 * size
    assert algebra.norm(moved) == pytest.approx(algebra.norm(a), rel=1e-9)


def test_adapters_meet_module_by_module_and_part_by_part():
    a, b = adapter(1), adapter(2)
    expected = sum(float((matrix(a[m]) * matrix(b[m])).sum()) for m in a)
    assert algebra.inner(a, b) == pytest.approx(expected, rel=1e-4)
    moved = Adapter({("text_encoder_2", m.path): d for m, d in b.items()})
    assert algebra.inner(a, moved) == 0
    assert set(algebra.inner_by_module(a, b)) == set(a)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float8_e4m3fn"])
def test_narrow_types_are_widened(dtype):
    import ml_dtypes

    a = algebra.cast(make("lora"), getattr(ml_dtypes, dtype, np.float16))
    assert algebra.norm(a) == pytest.approx(np.linalg.norm(matrix(a)), rel=1e-6)


def test_a_dora_change_is_refused_unless_its_inside_is_asked_for():
    a = Adapter({("denoiser", "x"): dora()})
    with pytest.raises(LorariumError, match="denoiser:x: a DoRA"):
        algebra.norm(a)
    assert algebra.norm(algebra.drop_magnitude(a)) == algebra.norm(make("lora"))


def test_different_shapes_are_refused():
    with pytest.raises(LorariumError, match="shapes differ"):
        algebra.inner(make("lora"), make("locon"))
