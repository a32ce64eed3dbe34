"""A change that is built is sound; anything else is a `LorariumError` there and nowhere later."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from lorarium.adapter import Bias, Dense, Dora, Hadamard, Kronecker, LowRank
from lorarium.errors import LorariumError
from tests.deltas import KINDS, make


def a(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return np.ones(shape, dtype)


FOUR = {"w1_a": a(4, 2), "w1_b": a(2, 3), "w2_a": a(4, 2), "w2_b": a(2, 3)}
CORED = {"w1_a": a(2, 4), "w1_b": a(2, 3), "w2_a": a(2, 4), "w2_b": a(2, 3)}
CORE = a(2, 2, 3, 3)
WRONG: dict[str, tuple[type, dict[str, Any]]] = {
    "ranks": (LowRank, {"up": a(4, 2), "down": a(3, 5)}),
    "a vector": (LowRank, {"up": a(4, 2), "down": a(2)}),
    "a number": (LowRank, {"up": a(), "down": a()}),
    "a kernel on up": (LowRank, {"up": a(4, 2, 3, 3), "down": a(2, 5, 3, 3)}),
    "no rows": (LowRank, {"up": a(0, 2), "down": a(2, 5)}),
    "no rank": (LowRank, {"up": a(4, 0), "down": a(0, 5)}),
    "nothing": (LowRank, {"up": None, "down": a(2, 5)}),
    "a list": (LowRank, {"up": [[1.0]], "down": a(1, 5)}),
    "mid": (LowRank, {"up": a(4, 2), "down": a(2, 5), "mid": a(3, 2, 3, 3)}),
    "mid and kernel": (LowRank, {"up": a(4, 2, 1, 1), "down": a(2, 5, 3, 3), "mid": CORE}),
    "integers": (LowRank, {"up": a(4, 2, dtype=np.int8), "down": a(2, 5)}),
    "truths": (LowRank, {"up": a(4, 2, dtype=bool), "down": a(2, 5)}),
    "complex": (LowRank, {"up": a(4, 2, dtype=np.complex64), "down": a(2, 5)}),
    "exponents": (LowRank, {"up": a(4, 2).astype(ml_dtypes.float8_e8m0fnu), "down": a(2, 5)}),
    "six axes": (LowRank, {"up": a(4, 2), "down": a(2, 5)} | {"down": a(2, 1, 1, 1, 1, 1)}),
    "a huge weight": (LowRank, {"up": a(2**16, 1), "down": a(1, 2**16)}),
    "hadamard ranks": (Hadamard, FOUR | {"w2_b": a(3, 3)}),
    "hadamard rows": (Hadamard, FOUR | {"w2_a": a(5, 2)}),
    "hadamard columns": (Hadamard, FOUR | {"w1_b": a(2, 4)}),
    "one core": (Hadamard, CORED | {"t1": CORE}),
    "cores that do not meet": (Hadamard, CORED | {"t1": CORE, "t2": a(3, 2, 3, 3)}),
    "cores of two kernels": (Hadamard, CORED | {"t1": CORE, "t2": a(2, 2, 5, 5)}),
    "a flat core": (Hadamard, CORED | {"t1": a(2, 2), "t2": a(2, 2)}),
    "half a kronecker": (Kronecker, {"w1": a(2, 2)}),
    "whole and in factors": (Kronecker, {"w1": a(2, 2), "w1_a": a(2, 1), "w2": a(2, 2)}),
    "w1 without rows": (Kronecker, {"w1": a(0, 2), "w2": a(2, 2)}),
    "w1 with a kernel": (Kronecker, {"w1": a(2, 2, 3, 3), "w2": a(2, 2)}),
    "w2 of one axis": (Kronecker, {"w1": a(2, 2), "w2": a(2)}),
    "a 0-d factor and a core": (
        Kronecker,
        {"w1": a(2, 2), "w2_a": a(), "w2_b": a(2, 2), "t2": CORE},
    ),
    "kronecker ranks": (Kronecker, {"w1": a(2, 2), "w2_a": a(2, 3), "w2_b": a(2, 2)}),
    "no difference": (Dense, {"weight": a(0, 4)}),
    "a lone number": (Dense, {"weight": a()}),
    "a bias of two axes": (Bias, {"bias": a(2, 2)}),
    "a magnitude of nothing": (Dora, {"inner": make("lora"), "magnitude": a(1, 0)}),
    "a magnitude that misfits": (Dora, {"inner": make("lora"), "magnitude": a(5, 1)}),
    "a magnitude of a bias": (Dora, {"inner": make("bias"), "magnitude": a(24)}),
    "twice wrapped": (Dora, {"inner": Dora(make("lora"), a(24, 1)), "magnitude": a(24, 1)}),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_cannot_be_built(case: str) -> None:
    kind, fields = WRONG[case]
    with pytest.raises(LorariumError) as caught:
        kind(**fields)
    assert str(caught.value).isprintable()


SCALES = [float("nan"), float("inf"), 1e39, -1e300, 10**400, None, "2", True, [1.0], 1j]


@pytest.mark.parametrize("scale", SCALES, ids=lambda scale: str(scale)[:8])
def test_a_scale_is_a_number_of_ordinary_size(scale: Any) -> None:
    for build in (
        lambda: LowRank(a(4, 2), a(2, 3), scale=scale),
        lambda: Hadamard(**FOUR, scale=scale),
        lambda: Kronecker(w1=a(2, 2), w2=a(2, 2), scale=scale),
        lambda: Dense(a(2, 2), scale=scale),
        lambda: Bias(a(2), scale=scale),
    ):
        with pytest.raises(LorariumError, match="its scale is"):
            build()


@pytest.mark.parametrize("kind", KINDS)
def test_sound_ones_can(kind: str) -> None:
    delta = make(kind)
    assert delta.shape[:2] == (24, 18) and type(delta.scale) is float


def test_numbers_that_are_not_finite_are_a_finding_not_an_error() -> None:
    broken = LowRank(a(4, 2) * np.nan, a(2, 3) * np.inf, scale=np.float32(2))
    assert broken.shape == (4, 3) and broken.scale == 2.0
    swapped = a(4, 2, dtype=">f4")
    assert LowRank(swapped, a(2, 3)).rank == 2
