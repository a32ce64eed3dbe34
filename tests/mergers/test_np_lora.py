"""NP-LoRA against its formula on dense matrices."""

import numpy as np
import pytest

from deltas import difference, make, matrix
from lorarium import algebra
from lorarium.adapter import Adapter
from lorarium.mergers import merge

PLACE = ("denoiser", "x")


def np_lora(subjects, style, mu):
    """D_s + Σ D_c (I - mu/(1+mu) V Vᵀ), V from a thin QR of the style's rows."""
    V = np.linalg.svd(style)[2][: np.linalg.matrix_rank(style)].T
    share = 1.0 if mu == np.inf else mu / (1 + mu)
    return style + sum(D @ (np.eye(len(V)) - share * V @ V.T) for D in subjects)


@pytest.mark.parametrize("mu", [0, 0.5, 3.0, np.inf])
@pytest.mark.parametrize("kinds", [("lora", "lora"), ("loha", "lora"), ("full", "lokr")])
def test_it_is_the_formula(mu, kinds):
    subject, style = (make(k, i) for i, k in enumerate(kinds))
    adapters = [Adapter({PLACE: d}) for d in (subject, style)]
    found = matrix(merge(adapters, [0.8, 1.2], method="np-lora", mu=mu, rank="full")[PLACE])
    expected = np_lora([0.8 * matrix(subject)], 1.2 * matrix(style), mu)
    assert difference(found, expected) < 1e-5


def test_ranks_add_up_and_dtypes_stay():
    adapters = [Adapter({PLACE: make("lora", s, r=2 + s, dtype=np.float16)}) for s in (1, 3)]
    scaled = [algebra.scale(a, 1 / a[PLACE].scale) for a in adapters]
    found = merge(scaled, method="np-lora")[PLACE]
    assert found.rank == 3 + 5 and found.up.dtype == found.down.dtype == np.float16


def test_several_subjects_and_modules_of_one():
    a, b, style = (Adapter({PLACE: make("lora", s)}) for s in (1, 2, 3))
    a = a.with_(deltas={**a.deltas, ("denoiser", "only"): make("lora", 9)})
    found = merge([a, b, style], method="np-lora")
    expected = np_lora([matrix(a[PLACE]), matrix(b[PLACE])], matrix(style[PLACE]), 0.5)
    assert difference(matrix(found[PLACE]), expected) < 1e-5
    only = ("denoiser", "only")
    assert found[only] is a[only]


def test_a_style_of_weight_zero_damps_nothing():
    a, b, style = (Adapter({PLACE: make("lora", s)}) for s in (1, 2, 3))
    found = merge([a, b, style], [1, 1, 0], method="np-lora")
    assert difference(matrix(found[PLACE]), matrix(merge([a, b])[PLACE])) < 1e-6
