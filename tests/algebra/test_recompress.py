import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltas import adapter, difference, dora, fused, make, matrix, seeds
from lorarium import LorariumError, algebra
from lorarium.adapter import Adapter, Dora, LowRank
from lorarium.algebra.recompress import HEADER_BYTES

LOW = ("lora", "locon", "tucker", "loha", "loha-conv")


def held(a):
    return sum(x.nbytes for d in a.deltas.values() for x in algebra.forms.arrays(d))


@settings(max_examples=30, deadline=None)
@given(seed=seeds, rank=st.integers(1, 5), dtype=st.sampled_from([np.float32, np.float64]))
def test_the_error_is_that_of_optimal_truncation(seed, rank, dtype):
    a = adapter(seed, kinds=LOW, r=6, dtype=dtype)
    small, report = algebra.recompress(a, rank=rank)
    for layer in report.layers:
        (module,) = layer.modules
        W = matrix(a[module])
        S = np.linalg.svd(W, compute_uv=False)
        optimal = np.linalg.norm(S[layer.rank :])
        error = np.linalg.norm(matrix(small[module]) - W)
        assert abs(error - optimal) <= 1e-5 * np.linalg.norm(W)
        assert abs(layer.error - optimal) <= 1e-5 * np.linalg.norm(W)
        assert layer.norm == pytest.approx(np.linalg.norm(W), rel=1e-5)
    assert report.error == pytest.approx(np.hypot.reduce([layer.error for layer in report.layers]))


@pytest.mark.parametrize("kind", ["lokr-whole", "full", "full-conv"])
def test_whole_matrices_can_be_truncated(kind):
    a = Adapter({("denoiser", "x"): make(kind)})
    small, report = algebra.recompress(a, rank=1)
    S = np.linalg.svd(matrix(a["denoiser", "x"]), compute_uv=False)
    error = np.linalg.norm(matrix(small["denoiser", "x"]) - matrix(a["denoiser", "x"]))
    assert error == pytest.approx(np.linalg.norm(S[1:]), rel=1e-5)
    assert report.error == pytest.approx(error, rel=1e-5)


def test_a_kind_that_is_smaller_than_the_truncation_is_kept():
    a = Adapter({("denoiser", "x"): make("lokr-whole")})
    assert algebra.recompress(a, rank=2)[0]["denoiser", "x"] is a["denoiser", "x"]


def test_what_is_small_enough_comes_back_bit_for_bit():
    a = adapter(1, kinds=LOW, r=4, dtype=np.float16)
    small, report = algebra.recompress(a, rank=1000)
    assert all(small[m] is a[m] for m in a)
    assert report.error == 0
    assert [m.path for m in report.untouched] == ["mid_block.x.bias"]


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
@pytest.mark.parametrize("per_layer", [True, False])
def test_energy_is_kept_in_each_part(share, per_layer):
    a = adapter(5, kinds=LOW, r=6)
    small, report = algebra.recompress(a, energy=share, per_layer=per_layer)
    for part in a.parts():
        layers = [layer for layer in report.layers if layer.modules[0].part == part]
        norm = sum(layer.norm**2 for layer in layers)
        lost = sum(layer.error**2 for layer in layers)
        assert lost <= (1 - share) * norm * (1 + 1e-5)
    if not per_layer:
        ranks = {d.rank for m, d in small.items() if m.part == "denoiser" and d.rank}
        assert len(ranks) == 1 or share > 0.9


def test_size_is_respected_and_well_spent():
    a = adapter(5, kinds=LOW, r=6)
    full = held(a) + HEADER_BYTES * (len(a) + 1)
    for budget in (full // 2, full // 3):
        errors = {}
        for per_layer in (True, False):
            small, report = algebra.recompress(a, size=budget, per_layer=per_layer)
            assert held(small) + HEADER_BYTES * (len(a) + 1) <= budget
            errors[per_layer] = report.error
        assert errors[True] <= errors[False]
    with pytest.raises(LorariumError, match=r"too few .* smallest possible is"):
        algebra.recompress(a, size=1000)
    same, _ = algebra.recompress(a, size=10 * full)
    assert all(same[m] is a[m] for m in a)


def test_rank_per_layer_spends_the_same_bytes_better():
    a = adapter(5, kinds=("lora", "locon"), r=8)
    flat, one = algebra.recompress(a, rank=3)
    bent, two = algebra.recompress(a, rank=3, per_layer=True)
    assert held(bent) <= held(flat)
    assert two.error <= one.error * (1 + 1e-6)


def test_a_fused_matrix_is_truncated_as_one_and_stays_fused():
    a = fused(1)
    small, report = algebra.recompress(a, rank=1)
    assert [len(layer.modules) for layer in report.layers] == [3]
    assert len({id(d.down) for _, d in small.items()}) == 1
    W = np.concatenate([matrix(a["denoiser", n]) for n in ("q", "k", "v")])
    S = np.linalg.svd(W, compute_uv=False)
    got = np.concatenate([matrix(small["denoiser", n]) for n in ("q", "k", "v")])
    assert np.linalg.norm(got - W) == pytest.approx(np.linalg.norm(S[1:]), rel=1e-5)
    assert {d.fused for _, d in small.items()} == {"qkv"}


def test_dora_keeps_its_magnitude():
    a = Adapter({("denoiser", "x"): dora()})
    small, _ = algebra.recompress(a, rank=1)
    delta = small["denoiser", "x"]
    assert isinstance(delta, Dora) and delta.rank == 1
    assert delta.magnitude is a["denoiser", "x"].magnitude


def test_dtype_is_asked_for_or_kept():
    a = adapter(1, kinds=LOW, dtype=np.float16)
    narrow, _ = algebra.recompress(a, rank=1)
    assert {d.up.dtype for _, d in narrow.items() if isinstance(d, LowRank)} == {np.dtype("f2")}
    wide, _ = algebra.recompress(a, rank=1, dtype=np.float32)
    assert {x.dtype for _, d in wide.items() for x in algebra.forms.arrays(d)} == {np.dtype("f4")}


def test_zero_layers_survive():
    zero = LowRank(np.zeros((6, 3), np.float32), np.ones((3, 5), np.float32))
    a = Adapter({("denoiser", "x"): zero})
    for options in ({"rank": 1}, {"energy": 0.9}, {"size": 2000}):
        small, report = algebra.recompress(a, **options)
        assert difference(matrix(small["denoiser", "x"]), np.zeros((6, 5))) == 0
        assert report.relative == 0


@pytest.mark.parametrize("options", [{}, {"rank": 2, "energy": 0.5}, {"rank": 0}, {"energy": 1.5}])
def test_bad_requests(options):
    with pytest.raises(LorariumError):
        algebra.recompress(adapter(), **options)
