from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltas import KINDS, adapter, dora, fused, make, matrix, seeds
from lorarium import algebra
from lorarium.adapter import Adapter, Dora, Hadamard, LowRank

PLACE = ("denoiser", "x")


def one(delta):
    return Adapter({PLACE: delta})


def hexes(*deltas):
    return {algebra.fingerprint(one(d)) for d in deltas}


def lora(seed=0, **options):
    delta = make("lora", seed, **options)
    assert isinstance(delta, LowRank)
    return delta


@settings(max_examples=40, deadline=None)
@given(seed=seeds, data=st.data())
def test_lossless_changes_of_factors_keep_the_hex(seed, data):
    a = lora(seed, r=4, dtype=np.float16)
    rng = np.random.default_rng(seed)
    powers = data.draw(st.lists(st.integers(-30, 30), min_size=4, max_size=4))
    order = rng.permutation(6)
    up = np.concatenate([a.up.astype(np.float64), rng.standard_normal((a.up.shape[0], 2))], 1)
    down = np.concatenate([a.down.astype(np.float64), np.zeros((2, a.down.shape[1]))])
    factor = 2.0 ** np.array([*powers, 0, 0])
    moved = replace(a, up=(up * factor)[:, order], down=(down / factor[:, None])[order])
    folded = replace(a, up=a.up.astype(np.float32) * np.float32(4), scale=a.scale / 4)
    flipped = replace(a, up=-a.up, down=-a.down)
    assert len(hexes(a, moved, folded, flipped)) == 1


@pytest.mark.parametrize("kind", [*KINDS, "bias"])
def test_widening_keeps_it_and_any_bit_changes_it(kind):
    a = make(kind, dtype=np.float16)
    assert len(hexes(a, algebra.cast(a, np.float32), algebra.cast(a, np.float64))) == 1
    for array in algebra.forms.arrays(a):
        before = array.flat[1]
        array.flat[1] = np.nextafter(before, np.float16(100))
        changed = algebra.fingerprint(one(a))
        array.flat[1] = before
        assert changed != algebra.fingerprint(one(a))


@pytest.mark.parametrize("kind", [*KINDS, "bias"])
def test_powers_of_two_of_the_scale_and_its_sign_count(kind):
    a = make(kind)
    assert len(hexes(a, replace(a, scale=2 * a.scale), replace(a, scale=-a.scale))) == 3
    first = next(n for n in vars(a) if isinstance(getattr(a, n), np.ndarray))
    moved = replace(a, **{first: getattr(a, first) * np.float32(-8), "scale": -a.scale / 8})
    assert len(hexes(a, moved)) == 1


def test_padded_alpha_gives_the_same_scale():
    a = replace(lora(), scale=0.7 / 3)
    assert len(hexes(a, replace(a, scale=(0.7 * 64 / 3) / 64))) == 1


def test_loha_halves_may_change_places():
    a = make("loha")
    assert isinstance(a, Hadamard)
    b = Hadamard(a.w2_a, a.w2_b, a.w1_a, a.w1_b, scale=a.scale)
    assert len(hexes(a, b)) == 1


def test_layout_and_names_of_the_file_do_not_count():
    a = adapter(1)
    b = a.with_(dialect="peft", metadata={}, deltas=dict(reversed(list(a.items()))))
    assert algebra.fingerprint(a) == algebra.fingerprint(b)
    squeezed = one(make("lora"))
    as_conv = one(
        replace(lora(), up=lora().up[:, :, None, None], down=lora().down[:, :, None, None])
    )
    assert algebra.fingerprint(squeezed) == algebra.fingerprint(as_conv)
    tagless = {m: replace(d, fused=None, fused_rows=None) for m, d in fused(1).items()}
    assert algebra.fingerprint(fused(1)) == algebra.fingerprint(Adapter(tagless))


def test_block_diagonal_fusion_keeps_it():
    a, b = lora(1), lora(2)
    down = np.concatenate([a.down, b.down])
    padded = Adapter(
        {
            ("denoiser", "q"): replace(a, up=np.pad(a.up, ((0, 0), (0, 3))), down=down),
            ("denoiser", "k"): replace(b, up=np.pad(b.up, ((0, 0), (3, 0))), down=down),
        }
    )
    plain = Adapter({("denoiser", "q"): a, ("denoiser", "k"): b})
    assert algebra.fingerprint(padded) == algebra.fingerprint(plain)


def test_zero_modules_places_parts_and_opaque_keys():
    a = one(lora())
    zero = LowRank(np.zeros((3, 2), np.float32), np.ones((2, 3), np.float32))
    padded = a.with_(deltas={**a.deltas, ("denoiser", "zero"): zero})
    assert algebra.fingerprint(padded) == algebra.fingerprint(a)
    others = [
        Adapter({("denoiser", "y"): lora()}),
        Adapter({("text_encoder", "x"): lora()}),
        a.with_(opaque={"k": np.ones(2, np.float32)}),
        one(dora()),
        one(Dora(dora().inner, dora().magnitude * np.float32(2))),
    ]
    assert len({algebra.fingerprint(x) for x in [a, *others]}) == 6


@pytest.mark.parametrize("kind", KINDS)
def test_the_vector_does_not_depend_on_kind_or_factorisation(kind):
    a = one(make(kind))
    b = one(algebra.balanced(algebra.canonical(a[PLACE], dense=True), a[PLACE]))
    x, y = algebra.fingerprint_vector(a), algebra.fingerprint_vector(b)
    np.testing.assert_allclose(x, y, atol=2e-5)
    assert np.linalg.norm(x) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn])
def test_the_vector_survives_number_types_and_tells_others_apart(dtype):
    a, b = adapter(1, r=8), adapter(2, r=8)
    x, y = algebra.fingerprint_vector(a), algebra.fingerprint_vector(b)
    rounded = a.with_(deltas={m: algebra.cast(d, dtype) for m, d in a.items()})
    assert algebra.near_duplicate(algebra.fingerprint_vector(rounded), x)
    assert not algebra.near_duplicate(x, y)


def test_the_vector_sketches_the_inner_product():
    many = tuple(KINDS)
    a, b = adapter(1, kinds=many), adapter(2, kinds=many)
    mix = algebra.add([a, b], [1.0, 0.5], dense=True)
    x, y = algebra.fingerprint_vector(a), algebra.fingerprint_vector(mix)
    assert float(x @ y) == pytest.approx(algebra.cosine(a, mix), abs=0.1)


def test_zero_and_nan_adapters_have_a_vector_of_zeros():
    assert not algebra.fingerprint_vector(Adapter({})).any()
    bad = lora()
    bad.up[0, 0] = np.nan
    with np.errstate(invalid="ignore"):
        assert not algebra.fingerprint_vector(one(bad)).any()
    assert algebra.fingerprint(one(bad)) == algebra.fingerprint(one(bad))


def test_fingerprints_are_frozen():
    """These values are in people's indices: a change of them needs a new version."""
    rng = np.random.Generator(np.random.PCG64(0))
    up = rng.integers(-8, 8, (6, 2)).astype(np.float32)
    down = rng.integers(-8, 8, (2, 5)).astype(np.float32)
    a = one(LowRank(up, down, scale=0.75))
    assert matrix(a[PLACE]).sum() == SUM
    assert algebra.fingerprint(a) == HEX
    np.testing.assert_allclose(algebra.fingerprint_vector(a)[COORDINATES], VALUES, atol=1e-6)


SUM, HEX = -134.25, "75cf8efcb7fe2a0e8c2e878f499b52c2"
COORDINATES = [6, 13, 24, 32, 35, 55, 56, 75]
VALUES = [-0.145814, 0.056843, -0.035424, 0.076614, 0.028833, 0.1211, -0.145814, -0.076614]
