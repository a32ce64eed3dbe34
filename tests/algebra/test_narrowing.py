"""Rounding to 16 bits: the error is the true one, small entries survive, the rest stays wide."""

from __future__ import annotations

from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorarium.adapter import Adapter, Bias, Delta, Dense, Dora, Hadamard, LowRank, Module
from lorarium.algebra import add, dense_delta, narrowed, norm, recompress, rounded
from lorarium.algebra.forms import arrays
from lorarium.errors import LorariumError

TYPES = (np.float16, ml_dtypes.bfloat16)


def factors(seed: int, size: float = 1.0, rank: int = 3, **more: object) -> LowRank:
    random = np.random.default_rng(seed)
    up = size * random.standard_normal((20, rank))
    return LowRank(up.astype("f4"), random.standard_normal((rank, 30)).astype("f4"), **more)  # type: ignore[arg-type]


def adapter(*deltas: Delta) -> Adapter:
    return Adapter({Module("denoiser", f"m{i}"): delta for i, delta in enumerate(deltas)})


def distance(a: Adapter, b: Adapter) -> float:
    squares = [np.sum((dense_delta(a[m]) - dense_delta(b[m])) ** 2) for m in a]
    return float(np.sqrt(sum(squares)))


def wide(a: Adapter) -> Adapter:
    """The same in double precision, for an oracle without rounding of its own."""

    def lifted(delta: Delta) -> Delta:
        names = [n for n in vars(delta) if isinstance(getattr(delta, n), np.ndarray)]
        return replace(delta, **{n: getattr(delta, n).astype("f8") for n in names})

    return a.with_(deltas={m: lifted(d) for m, d in a.items()})


@pytest.mark.parametrize("dtype", TYPES)
@given(seed=st.integers(0, 99), power=st.integers(-40, 40), scale=st.sampled_from([1.0, -0.3, 7.0]))
def test_the_error_is_the_true_one_and_small(
    dtype: type, seed: int, power: int, scale: float
) -> None:
    """At any strength: powers of two that fp16 cannot hold go into the scale."""
    original = adapter(
        factors(seed, 2.0**power, scale=scale), Bias(np.linspace(-1, 1, 9, dtype="f4"))
    )
    narrow, rounding = rounded(original, dtype)
    assert all(a.dtype == dtype for _, d in narrow.items() for a in arrays(d)) and not rounding.wide
    assert rounding.error == pytest.approx(distance(wide(original), wide(narrow)), rel=1e-6)
    assert rounding.norm == pytest.approx(norm(original), rel=1e-5)
    assert 0 < rounding.relative < ml_dtypes.finfo(dtype).eps / 2


@pytest.mark.parametrize("dtype", TYPES)
def test_what_is_exact_keeps_its_bits(dtype: type) -> None:
    given = adapter(factors(0), Dense(np.eye(4, dtype="f4")), Bias(np.ones(3, "f4"), scale=0.5))
    once, _ = rounded(given, dtype)
    again, rounding = rounded(once, dtype)
    assert rounding.error == 0 and all(again[m] is once[m] for m in once)
    lifted, rounding = rounded(wide(once), dtype)
    assert rounding.error == 0 and distance(wide(lifted), wide(once)) == 0


def test_what_does_not_fit_stays_and_is_named() -> None:
    big, tiny = Dense(np.full((2, 2), 1e6, "f4")), Bias(np.full(3, 3e-8, "f4"))
    narrow, rounding = rounded(adapter(big, tiny, factors(1)), np.float16)
    assert [m.path for m in rounding.wide] == ["m0", "m1"] and np.isfinite(rounding.relative)
    assert narrow["denoiser", "m0"] is big and narrow["denoiser", "m1"] is tiny
    assert rounded(adapter(big, tiny), ml_dtypes.bfloat16)[1].wide == ()


def test_a_difference_takes_its_scale_in_and_is_rounded_once() -> None:
    given = adapter(Dense(np.linspace(1, 2, 64, dtype="f2").reshape(8, 8), scale=0.7))
    narrow, rounding = rounded(given, np.float16)
    delta = narrow["denoiser", "m0"]
    assert delta.scale == 1 and arrays(delta)[0].dtype == np.float16
    assert rounding.error == pytest.approx(distance(wide(given), wide(narrow)))
    assert 0 < rounding.relative < 2**-11


def test_fused_parts_share_one_factor_still() -> None:
    down = factors(0).down
    parts = [
        replace(
            factors(i, 2.0 ** (5 * i), scale=0.3),
            down=down,
            fused="qkv",
            fused_rows=(20 * i, 20 * i + 20),
        )
        for i in range(3)
    ]
    narrow, rounding = rounded(adapter(*parts), np.float16)
    small = [narrow["denoiser", f"m{i}"] for i in range(3)]
    assert len({id(d.down) for d in small}) == 1 and len({d.scale for d in small}) == 1  # type: ignore[union-attr]
    assert all(d.fused == "qkv" for d in small) and not rounding.wide  # type: ignore[union-attr]
    assert rounding.error == pytest.approx(distance(wide(adapter(*parts)), wide(narrow)), rel=1e-6)


def test_other_kinds_are_never_rounded() -> None:
    random = np.random.default_rng(0)
    loha = Hadamard(*(random.standard_normal(s).astype("f4") for s in ((4, 2), (2, 5)) * 2))
    dora = Dora(factors(0), np.ones((20, 1), "f4"))
    narrow, _ = rounded(adapter(loha, dora), np.float16)
    assert narrow["denoiser", "m0"] is loha and narrow["denoiser", "m1"] is dora
    half = Hadamard(*(a.astype("f2").astype("f4") for a in arrays(loha)))
    narrow, rounding = rounded(adapter(half), np.float16)
    assert {a.dtype for a in arrays(narrow["denoiser", "m0"])} == {np.dtype("f2")}
    assert rounding.error == 0


def test_narrowed_keeps_fp32_where_16_bits_lose() -> None:
    assert narrowed(np.full(3, 1e-8, "f4"), np.float16).dtype == np.float32
    assert narrowed(np.full(3, 1e6, "f4"), np.float16).dtype == np.float32
    assert narrowed(np.full(3, 0.3, "f4"), np.float16).dtype == np.float16
    assert narrowed(np.zeros(3, "f4"), np.float16).dtype == np.float16


def test_a_report_says_what_is_kept() -> None:
    small, report = recompress(adapter(factors(0, rank=6), factors(1, rank=6)), rank=3)
    original = adapter(factors(0, rank=6), factors(1, rank=6))
    assert report.kept == pytest.approx((norm(small) / norm(original)) ** 2, rel=1e-5)
    left = norm(add([original, small], [1, -1])) / norm(original)
    assert report.kept == pytest.approx(1 - left**2, rel=1e-5)


def test_factors_beyond_all_powers_of_two_are_refused():
    """The power that is taken out of both has no number."""
    huge = LowRank(np.full((4, 2), 1e300), np.full((2, 3), 1e300))
    with pytest.raises(LorariumError), np.errstate(all="ignore"):
        rounded(Adapter({Module("unet", "x"): huge}, "unknown"), np.float16)
