from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltas import KINDS, adapter, dora, make, seeds
from lorarium import LorariumError, algebra
from lorarium.adapter import Adapter, Dense, Kronecker, LowRank, Module
from lorarium.descriptors import (
    Sketch,
    fact_names,
    fold,
    input_similarity,
    output_similarity,
    product_cosine,
    product_inner,
)
from lorarium.descriptors.probes import probes
from lorarium.descriptors.project import LEFT, RIGHT
from lorarium.descriptors.sketch import INPUT, MAX_BYTES, OUTPUT, PRODUCT, product_and_input, sketch
from lorarium.formats.example import example

PLACE = ("denoiser", "x")
VECTORS = ("product", "output", "input", "facts")


def one(delta, place=PLACE):
    return Adapter({place: delta}, "sd1")


def close(a: Sketch, b: Sketch, tolerance: float) -> None:
    """The same but for rounding; `facts` are left out, as ranks are stored in them."""
    bits = 5e-4, 2e-2  # a number next to the middle of two steps may go to the other one
    assert np.linalg.norm(a.product - b.product) <= (tolerance + bits[0]) * norm(b.product)
    assert np.linalg.norm(a.output - b.output) <= tolerance + bits[1]
    assert np.linalg.norm(a.input - b.input) <= tolerance + bits[1]


def norm(vector: np.ndarray) -> float:
    return float(np.linalg.norm(vector))


def same(a: Sketch, b: Sketch) -> None:
    for name in VECTORS[:3]:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def wide(seed: int, *, init: int | None = None, modules: int = 24, r: int = 4) -> Adapter:
    """Random factors of honest widths; adapters of one `init` share most of A."""
    rng = np.random.default_rng([seed, 1])
    start = np.random.default_rng([seed if init is None else init, 2])
    deltas = {}
    for i in range(modules):
        out, n = ((320, 320), (640, 320), (320, 768))[i % 3]
        A = start.standard_normal((r, n)) + 0.2 * rng.standard_normal((r, n))
        B = rng.standard_normal((out, r)) * 0.7 ** np.arange(r) * rng.uniform(0.5, 2)
        deltas["denoiser", f"m{i}"] = LowRank(B.astype(np.float32), A.astype(np.float32))
    return Adapter(deltas, "sd1")


@settings(max_examples=30)
@given(seed=seeds, r=st.integers(1, 8), pad=st.integers(0, 3))
def test_any_invertible_matrix_between_the_factors_changes_nothing(seed, r, pad):
    rng = np.random.default_rng(seed)
    a = make("lora", seed, r=r)
    Q1, Q2 = (np.linalg.qr(rng.standard_normal((r, r)))[0] for _ in range(2))
    G = Q1 * np.exp(rng.uniform(-1.5, 1.5, r)) @ Q2
    up = np.concatenate([a.up @ G, rng.standard_normal((a.up.shape[0], pad))], 1)
    down = np.concatenate([np.linalg.solve(G, a.down), np.zeros((pad, a.down.shape[1]))])
    moved = replace(a, up=4 * up, down=down, scale=a.scale / 4)
    close(sketch(one(moved)), sketch(one(a)), 1e-4)  # moved is float64, a float32
    narrow = replace(moved, up=moved.up.astype("f4"), down=moved.down.astype("f4"))
    close(sketch(one(narrow)), sketch(one(a)), 1e-4)


@pytest.mark.parametrize("power", [-60, -20, 20, 60])
def test_very_strong_and_very_weak_changes_have_the_same_directions(power):
    a, b = make("lora"), make("lora", 1)
    deltas = {PLACE: a, ("denoiser", "y"): replace(b, up=np.ldexp(b.up, power))}
    plain = sketch(Adapter({PLACE: a, ("denoiser", "y"): b}, "sd1"))
    moved = sketch(Adapter(deltas, "sd1"))
    assert output_similarity(plain, moved) > 0.999 and input_similarity(plain, moved) > 0.999


def test_changes_beyond_all_measure_are_refused():
    a = LowRank(np.full((3, 1), 1e120), np.full((1, 3), 1e120))
    with pytest.raises(LorariumError, match="too large to sketch"):
        sketch(one(a))


@pytest.mark.parametrize("power", [-90, -40, 40, 90])
def test_very_uneven_factors_are_no_matter(power):
    a = make("lora")
    moved = replace(a, up=np.ldexp(a.up, power), down=np.ldexp(a.down, -power))
    close(sketch(one(moved)), sketch(one(a)), 1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_sketched_by_its_change(kind):
    a = make(kind)
    dense = Dense(algebra.dense_delta(a))
    close(sketch(one(a)), sketch(one(dense)), 1e-5)
    assert sketch(one(a)).fact("norm") == pytest.approx(algebra.norm(a), rel=1e-5)


def test_a_dora_counts_by_its_inner_change_and_is_flagged():
    a = sketch(one(dora()))
    same(a, sketch(one(make("lora"))))
    assert a.fact("kind dora") == 1 and a.fact("kind lora") == 0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_narrow_types_are_widened_exactly(dtype):
    """Subnormal numbers too, which the short way through the bits could lose."""
    dtype = getattr(ml_dtypes, dtype, None) or np.float16
    rng = np.random.default_rng(0)
    up = rng.standard_normal((40, 4)) * np.float32(10.0) ** -rng.integers(0, 9, (40, 4))
    down = rng.standard_normal((4, 30)) * np.float32(10.0) ** rng.integers(-8, 2, (4, 30))
    a = LowRank(up.astype(dtype), down.astype(dtype))
    same(sketch(one(a)), sketch(one(algebra.cast(a, np.float32))))


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32])
def test_high_ranks_are_sketched_by_their_change_too(dtype):
    """They are read in the order of the file, several at a time."""
    pairs = [algebra.cast(make("lora", seed, r=17), dtype) for seed in range(3)]
    places = [("denoiser", name) for name in "xyz"]
    dense = {p: Dense(algebra.dense_delta(d)) for p, d in zip(places, pairs, strict=True)}
    ours = Adapter(dict(zip(places, pairs, strict=True)), "sd1")
    close(sketch(ours), sketch(Adapter(dense, "sd1")), 1e-5)


def test_half_precision_survives_a_process_that_flushes_subnormals(monkeypatch):
    from lorarium.descriptors import project

    a = algebra.cast(make("lora"), np.float16)
    expected = sketch(one(a))
    monkeypatch.setattr(project, "_subnormals", lambda: False)
    same(sketch(one(a)), expected)


@settings(max_examples=30)
@given(tenths=st.lists(st.integers(-20, 20), min_size=3, max_size=3))
def test_the_product_is_linear(tenths):
    weights = [x / 10 for x in tenths]
    parts = [adapter(seed) for seed in range(3)]
    total = algebra.add(parts, weights, dense=True)
    terms = [w * sketch(p).product for w, p in zip(weights, parts, strict=True)]
    # sixteen bits of each
    assert norm(sketch(total).product - sum(terms)) <= 5e-4 * sum(map(norm, terms))


def test_inner_products_come_near_the_exact_kernels():
    pairs = [(wide(1), wide(2)), (wide(1, init=9), wide(2, init=9))]
    a = wide(1)
    content = {m: LowRank(d.up, wide(3)[m].down) for m, d in a.items()}
    pairs.append((a, a.with_(deltas=content)))
    pairs.append((a, algebra.add([a, wide(4)], [1.0, 0.7])))
    for x, y in pairs:
        s, t = sketch(x), sketch(y)
        norms = algebra.norm(x), algebra.norm(y)
        assert product_inner(s, t) / np.prod(norms) == pytest.approx(
            algebra.inner(x, y) / np.prod(norms), abs=0.06
        )
        assert output_similarity(s, t) == pytest.approx(kernel(algebra.gram_out, x, y), abs=0.06)
        assert input_similarity(s, t) == pytest.approx(kernel(algebra.gram_in, x, y), abs=0.06)
        assert np.linalg.norm(s.product) == pytest.approx(norms[0], rel=0.1)


def kernel(gram, x: Adapter, y: Adapter) -> float:
    """Mean over modules of the normalised kernel."""
    return float(
        np.mean([gram(d, y[m]) / np.sqrt(gram(d, d) * gram(y[m], y[m])) for m, d in x.items()])
    )


def test_modules_that_one_lacks_count_as_zeros():
    a = wide(1)
    half = a.with_(deltas=dict(list(a.items())[:12]))
    rest = a.with_(deltas=dict(list(a.items())[12:]))
    product = sketch(a).product
    assert norm(product - sketch(half).product - sketch(rest).product) <= 5e-4 * norm(product)
    # twelve modules of twelve against twenty-four: 12 / sqrt(12 * 24)
    assert output_similarity(sketch(a), sketch(half)) == pytest.approx(0.707, abs=0.05)
    zero = LowRank(np.zeros((5, 2), np.float32), np.ones((2, 7), np.float32))
    padded = a.with_(deltas={**a.deltas, Module("denoiser", "zero"): zero})
    same(sketch(padded), sketch(a))


def test_parts_are_kept_apart_and_names_matter():
    a = make("lora")
    for place in (("text_encoder", "x"), ("denoiser", "y"), ("denoiser_2", "x")):
        assert abs(product_cosine(sketch(one(a)), sketch(one(a, place)))) < 0.3


def test_linear_and_convolution_of_one_by_one_are_the_same():
    a = make("lora")
    as_conv = replace(a, up=a.up[:, :, None, None], down=a.down[:, :, None, None])
    same(sketch(one(as_conv)), sketch(one(a)))


def test_bytes_hold_a_sketch_exactly():
    a = sketch(adapter(3))
    data = a.to_bytes()
    again = Sketch.from_bytes(data)
    assert len(data) <= MAX_BYTES - 256 and again.family == a.family and again.to_bytes() == data
    for name in VECTORS:
        np.testing.assert_array_equal(getattr(again, name), getattr(a, name))


def test_damaged_bytes_are_refused():
    data = sketch(adapter(3)).to_bytes()
    nan = data[:-4] + np.float32(np.nan).tobytes()
    huge = data[:24] + b"\xff\xff\xff\x7f" + data[28:]
    sizes = data[:8] + b"\xff" * 4 + data[12:]
    for bad in (b"", b"{}", data[:-1], data + b"x", data[:20], sizes, nan, huge):
        with pytest.raises(LorariumError, match=r"no sketch|damaged"):
            Sketch.from_bytes(bad)
    newer = data[:4] + (9).to_bytes(2, "little") + data[6:]
    with pytest.raises(LorariumError, match="version 9; update"):
        Sketch.from_bytes(newer)


def test_an_adapter_that_changes_nothing_has_a_sketch_of_zeros():
    zero = LowRank(np.zeros((5, 2), np.float32), np.ones((2, 7), np.float32))
    for empty in (Adapter({}), one(zero)):
        a = sketch(empty)
        assert not any(getattr(a, name).any() for name in VECTORS[:3])
        assert product_cosine(a, a) == 0 and np.isfinite(a.facts).all()


@pytest.mark.parametrize("kind", ["lora", "tucker", "loha", "lokr", "full", "bias"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_by_name(kind, dtype, bad):
    a = make(kind, dtype=dtype)
    next(iter(algebra.forms.arrays(a))).flat[0] = bad
    with pytest.raises(LorariumError, match="denoiser:x: NaN or infinite"):
        sketch(one(a))


def test_two_base_models_do_not_compare():
    a, b = sketch(one(make("lora"))), sketch(one(make("lora")).with_(family="flux1"))
    with pytest.raises(LorariumError, match="sd1 and flux1"):
        product_cosine(a, b)


def test_unknown_families_are_sketched_by_path():
    a = adapter(1).with_(family="unknown")
    assert product_cosine(sketch(a), sketch(a)) == pytest.approx(1)
    assert set(fact_names("unknown")) >= {"norm", "energy q"}


def test_a_fused_matrix_that_cannot_be_cut_meets_the_parts_of_other_files():
    rng = np.random.default_rng(0)
    w1, w2 = rng.standard_normal((3, 2)), rng.standard_normal((3072, 1536))
    fused = Kronecker(w1=w1.astype("f4"), w2=w2.astype("f4"))
    native = Module("denoiser", "double_blocks.0.img_attn.qkv")
    a = sketch(Adapter({native: fused}, "flux1"))
    rows = algebra.dense_delta(fused)
    parts = {
        Module("denoiser", f"transformer_blocks.0.attn.to_{x}"): Dense(rows[3072 * i :][:3072])
        for i, x in enumerate("qkv")
    }
    close(a, sketch(Adapter(parts, "flux1")), 1e-5)
    assert a.fact("modules") == 3


def test_exchanged_halves_are_put_in_order():
    rng = np.random.default_rng(0)
    w1, w2 = rng.standard_normal((4, 2)), rng.standard_normal((1536, 1536))
    lokr = Kronecker(w1=w1.astype("f4"), w2=w2.astype("f4"))
    native = Module("denoiser", "final_layer.adaLN_modulation.1")
    rows = algebra.dense_delta(lokr)
    ours = Module("denoiser", "norm_out.linear")
    swapped = Dense(np.concatenate([rows[3072:], rows[:3072]]))
    a, b = (sketch(Adapter({m: d}, "flux1")) for m, d in ((native, lokr), (ours, swapped)))
    close(a, b, 1e-5)


def test_folding_keeps_the_kernel():
    a, b = wide(1), algebra.add([wide(1), wide(4)], [1.0, 0.7])
    s, t = sketch(a), sketch(b)
    for size in (256, 1024):
        x, y = fold(np.stack([s.product, t.product]), size)
        cosine = x @ y / np.linalg.norm(x) / np.linalg.norm(y)
        assert cosine == pytest.approx(algebra.cosine(a, b), abs=5 / np.sqrt(size))
    with pytest.raises(LorariumError, match="do not fold"):
        fold(s.product, 1000)


def test_facts_say_what_they_are():
    a = sketch(wide(1, r=4))
    names = fact_names("sd1")
    assert len(names) == len(a.facts) and len(set(filter(None, names))) == sum(map(bool, names))
    assert a.fact("modules") == 24 and a.fact("highest rank") == 4
    assert a.fact("norm") == pytest.approx(algebra.norm(wide(1, r=4)), rel=1e-5)
    [S] = algebra.spectra(one(next(iter(wide(1).deltas.values())))).values()
    alone = sketch(one(next(iter(wide(1).deltas.values()))))
    rank = (S**2).sum() ** 2 / (S**4).sum()
    assert alone.fact("effective rank") == pytest.approx(rank, rel=1e-4)
    with pytest.raises(LorariumError, match="no fact"):
        a.fact("")


def test_sketches_are_frozen():
    """These numbers are in people's libraries: a change of them needs a new SKETCH_VERSION."""
    rng = np.random.Generator(np.random.PCG64(0))
    deltas = {}
    for part, path in (("denoiser", "mid_block.x"), ("text_encoder", "layers.0.fc1")):
        up = rng.integers(-8, 8, (60, 2)).astype(np.float32)
        down = rng.integers(-8, 8, (2, 50)).astype(np.float32)
        deltas[part, path] = LowRank(up, down, scale=0.75)
    deltas["denoiser", "mid_block.x.bias"] = Dense(rng.integers(-8, 8, 6).astype(np.float32))
    a = sketch(Adapter(deltas, "sd1"))
    assert (PRODUCT, OUTPUT, INPUT) == (4096, 16384, 4096)
    for name, (total, places, values) in GOLDEN.items():
        vector = getattr(a, name)
        assert float(np.abs(vector).sum()) == pytest.approx(total, rel=1e-3)
        # the largest numbers; rounding to eight bits may turn either way
        np.testing.assert_allclose(vector[places], values, rtol=0.02)


GOLDEN = {
    "product": (
        55222.8,
        [2143, 3294, 3299, 3540, 3542, 3554],
        [-176.17, 180.84, -189.78, -197.22, -324.42, -196.91],
    ),
    "output": (
        31.7315,
        [3122, 3372, 3627, 3642, 3643, 13520],
        [-0.10069, 0.10712, 0.13604, 0.11034, -0.095338, -0.11569],
    ),
    "input": (
        21.239,
        [1628, 1686, 1688, 3133, 3135, 3159],
        [0.14487, 0.142, 0.14774, -0.15061, 0.14344, 0.18217],
    ),
    "facts": (1833.2, [0, 1, 3, 10, 13, 37], [1804.9, 3.0, 2.0, 2.0, 2.0, 3.0]),
}


def test_tables_of_probes_are_well_conditioned():
    for count in (LEFT, RIGHT):
        for d in (1, 2, count - 1, count, count + 1, 168, 2 * count):
            R = probes(d, count).astype(np.float64)
            gram, size = (R.T @ R, d) if d >= count else (R @ R.T, count)
            np.testing.assert_allclose(gram / size, np.eye(len(gram)), atol=1e-4)


def test_two_parts_alone_are_those_of_the_whole() -> None:
    data = sketch(example(family="micro-1", seed=0, rank=2)).to_bytes()
    whole = Sketch.from_bytes(data)
    product, start = product_and_input(data)
    assert np.array_equal(product, whole.product)
    assert np.allclose(start / np.linalg.norm(start.astype(float)), whole.input, atol=1e-7)
    with pytest.raises(LorariumError, match="damaged"):
        product_and_input(data[:-1])
