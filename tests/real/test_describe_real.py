"""Published files: unrelated ones are strangers to each other, copies are found, kinds work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from lorarium import algebra
from lorarium.adapter import Adapter, LowRank
from lorarium.descriptors import (
    descriptor,
    input_similarity,
    kernel,
    output_similarity,
    product_cosine,
)
from lorarium.descriptors.sketch import sketch
from lorarium.formats import read

LORAS = Path(__file__).parents[2].parent / "shared" / "data" / "loras"
pytestmark = pytest.mark.skipif(not LORAS.is_dir(), reason="no real files at hand")


@pytest.fixture(scope="module")
def adapters() -> list[Adapter]:
    found = [read(path) for path in sorted(LORAS.glob("*.safetensors"))]
    return [a for a in found if a.family == "sd1"]


def test_unrelated_adapters_are_strangers(adapters: list[Adapter]) -> None:
    """In product space wholly, on the output side nearly: some of it is common to all."""
    apart = ~np.eye(len(adapters), dtype=bool)
    product, output, into = (
        kernel(adapters, kind=k)[apart] for k in ("product", "output", "input")
    )
    assert np.abs(product).max() < 0.02
    assert 0 <= output.min() and output.max() < 0.1 and np.median(into) < 0.05


def test_sketches_say_what_the_kernels_say(adapters: list[Adapter]) -> None:
    sketches = [sketch(a) for a in adapters]
    for kind, similarity in (("output", output_similarity), ("input", input_similarity)):
        exact = kernel(adapters, kind=kind)
        rough = np.array([[similarity(a, b) for b in sketches] for a in sketches])
        assert np.abs(rough - exact).max() < 0.08, kind
    for i, a in enumerate(adapters):
        for j, b in enumerate(adapters):
            exact_cosine = algebra.cosine(a, b) if i != j else 1.0
            assert product_cosine(sketches[i], sketches[j]) == pytest.approx(exact_cosine, abs=0.1)


def test_copies_and_near_checkpoints_are_found(adapters: list[Adapter]) -> None:
    """An earlier checkpoint of a run has the same A and a B on its way: made up here."""
    for a in adapters:
        s = sketch(a)
        rounded = {m: algebra.cast(d, ml_dtypes.bfloat16) for m, d in a.items()}
        rotated = algebra.canonical_adapter(a)
        for copy in (a.with_(deltas=rounded), rotated):
            t = sketch(copy)
            assert product_cosine(s, t) > 0.999 and output_similarity(s, t) > 0.99
        rng = np.random.default_rng(0)
        earlier = a.with_(deltas={m: _earlier(d, rng) for m, d in a.items()})
        t = sketch(earlier)
        assert 0.6 < product_cosine(s, t) < 0.97
        assert input_similarity(s, t) > output_similarity(s, t) > 0.3


def _earlier(delta: LowRank, rng: np.random.Generator) -> LowRank:
    up = delta.up.astype(np.float32)
    noise = rng.standard_normal(up.shape, np.float32) * up.std()
    return replace(delta, up=0.6 * up + 0.3 * noise, down=delta.down.astype(np.float32))


def test_descriptors_take_real_sets(adapters: list[Adapter]) -> None:
    for name in ("output", "sketch-output", "spectra", "tokens"):
        fitted = descriptor(name).fit(adapters)
        vectors = np.stack([fitted.describe(a) for a in adapters])
        assert np.isfinite(vectors).all()
