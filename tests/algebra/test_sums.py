from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltas import (
    CONV_KINDS,
    KINDS,
    LINEAR_KINDS,
    adapter,
    difference,
    dora,
    fused,
    make,
    matrix,
    seeds,
)
from lorarium import LorariumError, algebra
from lorarium.adapter import Adapter, Dense, LowRank
from lorarium.errors import UnverifiedError

PLACE = ("denoiser", "x")


def one(delta):
    return Adapter({PLACE: delta})


@pytest.mark.parametrize("kind", [*KINDS, "bias"])
def test_weight_one_returns_the_very_delta_and_a_weight_only_its_scale(kind):
    a = one(make(kind))
    assert algebra.add([a])[PLACE] is a[PLACE]
    scaled = algebra.scale(a, -0.3)
    assert scaled[PLACE].scale == a[PLACE].scale * -0.3
    assert difference(matrix(scaled[PLACE]), -0.3 * matrix(a[PLACE])) < 1e-6


@settings(max_examples=40, deadline=None)
@given(
    seed=seeds,
    kinds=st.one_of(
        st.lists(st.sampled_from(LINEAR_KINDS), min_size=2, max_size=3),
        st.lists(st.sampled_from(CONV_KINDS), min_size=2, max_size=3),
    ),
    weights=st.lists(st.floats(-2, 2).filter(lambda w: abs(w) > 1e-3), min_size=3, max_size=3),
    narrow=st.booleans(),
)
def test_the_sum_is_all_of_them_applied_together(seed, kinds, weights, narrow):
    dtype = np.float16 if narrow else np.float32
    deltas = [make(kind, seed + i, r=2, dtype=dtype) for i, kind in enumerate(kinds)]
    total = algebra.add([one(d) for d in deltas], weights[: len(deltas)], dense=True)
    parts = [w * matrix(d) for d, w in zip(deltas, weights, strict=False)]
    size = sum(np.linalg.norm(p) for p in parts)
    assert np.linalg.norm(matrix(total[PLACE]) - sum(parts)) <= 1e-6 * size


def test_powers_of_two_keep_half_precision_and_every_bit():
    a, b = (make("lora", s, r=4, dtype=np.float16) for s in (1, 2))
    total = algebra.add([one(a), one(b)], [1.0, 0.25])[PLACE]
    assert isinstance(total, LowRank)
    assert total.up.dtype == total.down.dtype == np.float16 and total.rank == 8
    expected = matrix(a) + 0.25 * matrix(b)
    np.testing.assert_allclose(matrix(total), expected, rtol=1e-13, atol=1e-13)


def test_subnormal_numbers_do_not_spoil_it():
    a, b = (replace(make("lora", s, r=4, dtype=np.float16), scale=1.0) for s in (1, 2))
    a.up[0], b.down[:, 0] = np.float16(6e-8), np.float16(6e-8)
    for weights in ([1.0, 0.25], [0.5, -4.0]):
        total = algebra.add([one(a), one(b)], weights)[PLACE]
        assert total.up.dtype == np.float16
        expected = weights[0] * matrix(a) + weights[1] * matrix(b)
        np.testing.assert_allclose(matrix(total), expected, rtol=1e-13, atol=1e-13)


def test_other_ratios_widen_unless_a_dtype_is_asked_for():
    a, b = (replace(make("lora", s, dtype=np.float16), scale=1.0) for s in (1, 2))
    assert algebra.add([one(a), one(b)], [1.0, 0.3])[PLACE].up.dtype == np.float32
    asked = algebra.add([one(a), one(b)], [1.0, 0.3], dtype=np.float16)[PLACE]
    assert asked.up.dtype == np.float16
    assert difference(matrix(asked), matrix(a) + 0.3 * matrix(b)) < 1e-3


def test_mixed_half_types_meet_in_float32():
    import ml_dtypes

    a = make("lora", 1, dtype=np.float16)
    b = replace(algebra.cast(make("lora", 2), ml_dtypes.bfloat16), scale=a.scale)
    total = algebra.add([one(a), one(b)])[PLACE]
    assert total.up.dtype == np.float32
    assert difference(matrix(total), matrix(a) + matrix(b)) < 1e-12


def test_weights_by_module_and_modules_left_out():
    a, b = adapter(1), adapter(2)
    total = algebra.add([a, b], [1.0, lambda m: float(m.part == "text_encoder")])
    for module in a:
        if module.part != "text_encoder":
            assert total[module] is a[module]
    none = algebra.add([a], [lambda m: 0.0 if m.part == "denoiser" else 1.0])
    assert list(none) == [m for m in a if m.part == "text_encoder"]


def test_a_full_matrix_needs_leave_unless_an_input_is_one():
    lokr, low, full = make("lokr-whole", 1), make("lora", 2), make("full", 3)
    with pytest.raises(LorariumError, match="denoiser:x: only a full matrix"):
        algebra.add([one(lokr), one(low)])
    total = algebra.add([one(full), one(low)])[PLACE]
    assert isinstance(total, Dense)


def test_dora_is_kept_alone_and_refused_with_others():
    a = one(dora())
    assert algebra.add([a])[PLACE] is a[PLACE]
    with pytest.raises(LorariumError, match="not linear"):
        algebra.add([a, one(make("lora"))])
    with pytest.raises(LorariumError, match="cannot be weighted"):
        algebra.scale(a, 0.5)


def test_bad_weights_and_shapes():
    a = one(make("lora"))
    with pytest.raises(LorariumError, match="nan"):
        algebra.add([a], [float("nan")])
    with pytest.raises(LorariumError, match="2 weights for 1"):
        algebra.add([a], [1, 2])
    with pytest.raises(LorariumError, match="denoiser:x: shapes differ"):
        algebra.add([a, one(make("locon"))])


def test_opaque_tensors_are_never_dropped_in_silence():
    extra = {"key": np.ones(3, np.float32)}
    a, b = one(make("lora")).with_(opaque=extra), one(make("lora", 2))
    assert algebra.add([a, b]).opaque["key"] is extra["key"]
    for adapters, weights in (([a, b], [0.5, 1.0]), ([a, a], [1.0, 1.0])):
        with pytest.raises(LorariumError, match="key: 1 tensors"):
            algebra.add(adapters, weights)


def test_fused_parts_stay_fused_when_scaled_or_added():
    a, b = fused(1), fused(2)
    for total in (algebra.scale(a, 0.5), algebra.add([a, b], [1.0, 0.3])):
        downs = {id(d.down) for _, d in total.items()}
        assert len(downs) == 1
        assert {d.fused for _, d in total.items()} == {"qkv"}
    for module, delta in algebra.add([a, b], [1.0, 0.3]).items():
        assert difference(matrix(delta), matrix(a[module]) + 0.3 * matrix(b[module])) < 1e-6


def test_fused_tags_go_when_the_parts_part():
    total = algebra.add([fused(1)], [lambda m: 0.5 if m.path == "q" else 1.0])
    assert {d.fused for _, d in total.items()} == {None}


@pytest.mark.parametrize("weights", [(5e-324, 1.0), (5e-324, 5e-324), (1e-310, 2.0)])
def test_weights_below_all_ordinary_numbers_count_as_nothing(weights):
    one = LowRank(np.ones((4, 2), "f4"), np.ones((2, 3), "f4"), scale=0.5)
    pair = [Adapter({("denoiser", "x"): one}, "sdxl")] * 2
    delta = algebra.add(pair, weights)["denoiser", "x"]
    total = delta.scale * (delta.up @ delta.down)
    np.testing.assert_allclose(total, np.full((4, 3), weights[1]), rtol=1e-6, atol=1e-300)


@given(st.integers(-1070, 1000), st.sampled_from(["f2", "f4", ml_dtypes.bfloat16]), seeds)
def test_rounding_takes_little_of_the_norm_or_is_refused(power, dtype, seed):
    values = np.ldexp(np.random.default_rng(seed).standard_normal(64), power)
    try:
        rounded = algebra.dtypes.round_to(values, dtype)
    except UnverifiedError as error:
        assert error.code == 1 and "too small" in str(error) and power < 0
        return
    if np.isfinite(rounded).all():
        error = np.ldexp(rounded.astype(np.float64) - values, -power)
        assert np.linalg.norm(error) <= np.linalg.norm(np.ldexp(values, -power)) / 32


def test_a_sum_too_small_for_its_number_type_names_the_module():
    small = one(LowRank(np.full((4, 2), 1e-9), np.ones((2, 4))))
    for adapters in ([small], [small, small]):
        with pytest.raises(UnverifiedError, match=r"denoiser:x.*too small for float16"):
            algebra.add(adapters, dtype=np.float16)
    with pytest.raises(UnverifiedError, match=r"denoiser:x.*too small"):
        algebra.recompress(small, rank=4, dtype=np.float16)
