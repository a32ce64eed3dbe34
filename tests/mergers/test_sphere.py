"""SLERP and the Karcher mean against vectors on a sphere."""

import numpy as np
import pytest
from hypothesis import given

from deltas import difference, make, matrix, seeds
from lorarium import LorariumError, algebra
from lorarium.adapter import Adapter, LowRank
from lorarium.mergers import merge

PLACE = ("denoiser", "x")


def of(*deltas):
    return [Adapter({PLACE: d}) for d in deltas]


def slerp(p, q, t):
    """On whole vectors, from the formula."""
    n, m = np.linalg.norm(p), np.linalg.norm(q)
    angle = np.arccos(np.sum(p * q) / n / m)
    direction = np.sin((1 - t) * angle) * p / n + np.sin(t * angle) * q / m
    return ((1 - t) * n + t * m) * direction / np.sin(angle)


@given(seeds)
def test_slerp_is_the_formula(seed):
    a, b = make("lora", seed), make("loha", seed + 1)
    near = LowRank(a.up + 0.3 * make("lora", seed + 2).up, a.down, scale=a.scale)
    for other in (b, near):
        found = matrix(merge(of(a, other), [3, 1], method="slerp")[PLACE])
        assert difference(found, slerp(matrix(a), matrix(other), 0.25)) < 1e-5


@given(seeds)
def test_karcher_of_two_is_slerp(seed):
    adapters = of(make("lora", seed), make("lora", seed + 1))
    one, two = (matrix(merge(adapters, [1, 2], method=m)[PLACE]) for m in ("slerp", "karcher"))
    assert difference(one, two) < 1e-5


@given(seeds)
def test_karcher_is_where_the_pulls_cancel(seed):
    deltas = [make("lora", seed + i) for i in range(4)]
    t = np.array([0.1, 0.4, 0.3, 0.2])
    x = matrix(merge(of(*deltas), t, method="karcher")[PLACE])
    norms = [np.linalg.norm(matrix(d)) for d in deltas]
    assert np.linalg.norm(x) == pytest.approx(t @ norms, rel=1e-5)
    x = x / np.linalg.norm(x)
    pull = np.zeros_like(x)
    for share, d, n in zip(t, deltas, norms, strict=True):
        u = matrix(d) / n
        cosine = np.sum(u * x)
        pull += share * np.arccos(cosine) / np.sqrt(1 - cosine**2) * (u - cosine * x)
    assert np.linalg.norm(pull) < 1e-5


def test_equal_directions_and_zeros():
    a = make("lora", 1)
    twice = algebra.scale(a, 3.0)
    for method in ("slerp", "karcher"):
        found = matrix(merge(of(a, twice), method=method)[PLACE])
        assert difference(found, 2 * matrix(a)) < 1e-6
        nothing = LowRank(a.up * 0, a.down)
        found = matrix(merge(of(a, nothing), method=method)[PLACE])
        assert difference(found, 0.5 * matrix(a)) < 1e-6


@pytest.mark.parametrize("method", ["slerp", "karcher"])
def test_opposite_directions_have_no_way(method):
    a = make("lora", 1)
    with pytest.raises(LorariumError, match="denoiser:x: the changes point in opposite directions"):
        merge(of(a, algebra.scale(a, -1.0)), method=method)
    with pytest.raises(LorariumError, match="negative"):
        merge(of(a, make("lora", 2)), [-1, 3], method=method)
    with pytest.raises(LorariumError, match="add up to 0"):
        merge(of(a, make("lora", 2)), [-1, 1], method="average")


def test_a_module_of_one_counts_as_zero_in_the_other():
    a = Adapter({PLACE: make("lora", 1), ("denoiser", "y"): make("lora", 2)})
    (b,) = of(make("lora", 3))
    for method in ("average", "slerp", "karcher"):
        found = merge([a, b], [3, 1], method=method)
        assert difference(matrix(found["denoiser", "y"]), 0.75 * matrix(a["denoiser", "y"])) < 1e-6


def test_average_is_the_mean():
    a, b = make("lora", 1), make("loha", 2)
    found = matrix(merge(of(a, b), [1, 3], method="average")[PLACE])
    assert difference(found, 0.25 * matrix(a) + 0.75 * matrix(b)) < 1e-6
