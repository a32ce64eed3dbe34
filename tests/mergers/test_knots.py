"""KnOTS against its formulas on dense matrices."""

import numpy as np
import pytest
from hypothesis import given, settings

from deltas import difference, make, matrix, seeds
from lorarium.adapter import Adapter
from lorarium.mergers import merge

PLACE = ("denoiser", "x")


def ties(tensors, weights, density):
    """From the formulas, entry by entry: trim, elect by the sum, average what agrees."""
    trimmed = []
    for T in tensors:
        floor = np.sort(np.abs(T), axis=None)[T.size - int(density * T.size)]
        trimmed.append(np.where(np.abs(T) >= floor, T, 0))
    sign = np.where(sum(trimmed) >= 0, 1, -1)
    agree = [np.sign(T) == sign for T in trimmed]
    total = sum(w * T * k for w, T, k in zip(weights, trimmed, agree, strict=True))
    return total / np.maximum(sum(agree), 1)


def knots(matrices, weights, density):
    U, S, Vt = np.linalg.svd(np.concatenate(matrices, axis=1), full_matrices=False)
    keep = S > 1e-9 * S[0]
    parts = np.split((S[:, None] * Vt)[keep], len(matrices), axis=1)
    return U[:, keep] @ ties(parts, weights, density)


@pytest.mark.parametrize("density", [0.3, 0.9])
@settings(max_examples=20)
@given(seed=seeds)
def test_it_is_the_formula(seed, density):
    # float64, so that no entry changes sides at a threshold
    deltas = [make("lora", seed + i, r=2 + i, dtype=np.float64) for i in range(3)]
    adapters = [Adapter({PLACE: d}) for d in deltas]
    weights = [1.0, 0.5, -0.7]
    found = merge(adapters, weights, method="knots", density=density)[PLACE]
    assert found.rank == 9
    expected = knots([matrix(d) for d in deltas], weights, density)
    assert difference(matrix(found), expected) < 1e-8


def test_rank_truncates_the_result():
    adapters = [Adapter({PLACE: make("locon", s)}) for s in (1, 2)]
    whole = matrix(merge(adapters, method="knots")[PLACE])
    small = merge(adapters, method="knots", rank=2)[PLACE]
    S = np.linalg.svd(whole, compute_uv=False)
    assert small.rank == 2 and small.shape == (24, 18, 3, 3)
    error = np.linalg.norm(matrix(small) - whole)
    assert error == pytest.approx(np.linalg.norm(S[2:]), rel=1e-4)


def test_vectors_are_merged_by_entry():
    adapters = [Adapter({("denoiser", "x.bias"): make("bias", s)}) for s in (1, 2)]
    found = merge(adapters, method="knots", density=0.5)["denoiser", "x.bias"]
    vectors = [a["denoiser", "x.bias"].bias * a["denoiser", "x.bias"].scale for a in adapters]
    assert difference(found.bias * found.scale, ties(vectors, [1, 1], 0.5)) < 1e-6
