"""What every method refuses, notices and evens out, in one line each."""

import json

import numpy as np
import pytest

from deltas import adapter, difference, dora, fused, make, matrix
from lorarium import LorariumError, algebra
from lorarium.adapter import Adapter, LowRank
from lorarium.mergers import METHODS, merge, merge_with_report

LOW = ("lora", "locon", "tucker", "loha")
FREE = [m for m in METHODS if m not in ("ssr", "ziplora", "lora-rar", "roles")]
PAIRS = ("np-lora", "k-lora", "b-lora")
BLOCKS = {"content": "down_blocks", "style": "down_blocks"}


def call(method, adapters, weights=None, **options):
    return merge_with_report(adapters, weights, method=method, **own(method), **options)


def own(method):
    return BLOCKS if method == "b-lora" else {}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_says_what_it_is(method):
    assert 20 < len(METHODS[method].summary) < 100 and METHODS[method].summary.endswith(".")
    assert METHODS["ties"].options == {"density": 0.5, "election": "total"}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "change,message",
    [
        (lambda a, b: ([], None, {}), "nothing to merge"),
        (lambda a, b: ([a, b], [1, float("nan")], {}), "a weight of nan"),
        (lambda a, b: ([a, b], [1, 1e6], {}), r"1e\+06 is out of range; use .*--normalize"),
        (lambda a, b: ([a, b], [1], {}), "1 weights for 2"),
        (lambda a, b: ([a, b.with_(family="sdxl")], None, {}), "different base models: sd1, sdxl"),
        (lambda a, b: ([a, b], [0, 0], {}), "no module is left"),
        (lambda a, b: ([a, b], None, {"rank": 0}), "rank 0"),
        (lambda a, b: ([a, b], None, {"only": "nowhere"}), "no module is left"),
        (lambda a, b: ([a, broken(b)], None, {}), "adapter 2, denoiser:.*NaN or infinite"),
        (lambda a, b: ([a, b], None, {"colour": 1}), "has no option 'colour'; it has "),
    ],
)
def test_one_line_errors(method, change, message, network):
    a, b = adapter(1, kinds=LOW), adapter(2, kinds=LOW)
    adapters, weights, options = change(a, b)
    if method == "lora-rar":
        options["network"] = network
    with pytest.raises(LorariumError, match=message) as caught:
        call(method, adapters, weights, **options)
    assert "\n" not in str(caught.value)


@pytest.fixture
def network():
    from lorarium.mergers.lora_rar import Network

    return Network(
        {24: (np.ones((2, 48), np.float32), np.ones(2, np.float32))},
        (np.ones((2, 2), np.float32), np.ones(2, np.float32)),
        ("0.lora",),
    )


def broken(a):
    module = next(iter(a))
    delta = a[module]
    up = delta.up.copy()
    up[0, 0] = np.nan
    return a.with_(deltas={**a.deltas, module: LowRank(up, delta.down)})


@pytest.mark.parametrize("method", [m for m in FREE if m not in ("sum", "average", "cat", "svd")])
def test_no_shared_modules(method):
    a = Adapter({("denoiser", "down_blocks.x"): make("lora", 1)})
    b = Adapter({("text_encoder", "y"): make("lora", 2)})
    message = "no module is changed by two of these adapters .they change denoiser and text_enc"
    if method == "b-lora":
        message = "the style changes nothing in its block"
    with pytest.raises(LorariumError, match=message):
        call(method, [a, b])


@pytest.mark.parametrize("method", FREE)
def test_shapes_that_differ(method):
    a, b = (Adapter({("denoiser", "down_blocks.x"): make(k, 1)}) for k in ("lora", "locon"))
    with pytest.raises(LorariumError, match=r"down_blocks\.x: shapes differ"):
        call(method, [a, b])


@pytest.mark.parametrize("method", FREE)
def test_dora_is_refused_with_the_way_out(method):
    a, b = (Adapter({("denoiser", "down_blocks.x"): d}) for d in (make("lora"), dora()))
    with pytest.raises(LorariumError, match=r"down_blocks\.x: .*DoRA.*; "):
        call(method, [a, b])


@pytest.mark.parametrize("method", [*PAIRS, "ziplora", "lora-rar"])
def test_one_adapter_in_both_roles(method, network):
    a = adapter(1, kinds=LOW)
    options = {"network": network} if method == "lora-rar" else {}
    with pytest.raises(LorariumError, match=r"are the same adapter; give the subject first"):
        call(method, [a, adapter(1, kinds=LOW)], **options)


@pytest.mark.parametrize("method", ["sum", "ties", "karcher", "knots", "dare-linear"])
def test_one_adapter_twice_is_said(method):
    a = adapter(1, kinds=LOW)
    _, report = call(method, [a, adapter(1, kinds=LOW)])
    assert "adapters 1 and 2 are one and the same, which counts twice" in report.notes
    assert not call(method, [a, adapter(2, kinds=LOW)])[1].notes


@pytest.mark.parametrize("method", [m for m in METHODS if m in PAIRS or m in ("slerp", "ssr")])
def test_too_few(method):
    with pytest.raises(LorariumError, match=f"{method!r} needs 2 adapters, not 1"):
        call(method, [adapter(1, kinds=LOW)])


@pytest.mark.parametrize("method", ["slerp", "k-lora", "b-lora"])
def test_too_many(method):
    three = [adapter(s, kinds=LOW) for s in (1, 2, 3)]
    with pytest.raises(LorariumError, match=rf"{method!r} takes 2 adapters, not 3; merge them two"):
        call(method, three)


@pytest.mark.parametrize(
    "method,options,message",
    [
        ("ties", {"density": 0}, "density '0' is not a number above 0 to 1"),
        ("ties", {"density": "x"}, "density 'x' is not a number"),
        ("ties", {"election": "loud"}, "use total or frequency"),
        ("dare-ties", {"seed": -1}, "seed '-1' is not a whole number"),
        ("della", {"density": 0.9, "epsilon": 0.4}, "leaves"),
        ("breadcrumbs", {"density": 0.9, "gamma": 0.2}, "more than 1"),
        ("np-lora", {"mu": -1}, "mu '-1'"),
        ("k-lora", {"alpha": float("nan")}, "alpha 'nan'"),
        ("b-lora", {}, "no blocks of sd1 are known.*--option content=REGEX"),
        ("b-lora", {"content": "(", "style": "x"}, "not a regular expression"),
        ("cat", {"rank": 3}, "keeps every rank; use svd"),
        ("ssr", {"prompts": ["a", "b"]}, "'ssr' needs the base model; name it with --base"),
        ("ssr", {}, "adapter 1 does not say what it was trained to draw"),
        ("ziplora", {"prompts": "a"}, "1 prompts for 2 adapters"),
        ("lora-rar", {}, "needs a network that was trained on this base"),
        ("roles", {}, "needs a network that was trained on this base"),
        ("roles", {"network": "nowhere.safetensors"}, "nowhere"),
        ("lora-rar", {"network": "nowhere.safetensors"}, "nowhere"),
    ],
)
def test_options_of_their_own(method, options, message):
    a, b = adapter(1, kinds=LOW), adapter(2, kinds=LOW)
    with pytest.raises(LorariumError, match=message) as caught:
        merge([a, b], method=method, **options)
    assert "\n" not in str(caught.value)


def louder(a, factor):
    return algebra.scale(a, factor)


def test_norms_far_apart_are_noticed_and_evened_out():
    a, b = adapter(1, kinds=LOW), louder(adapter(2, kinds=LOW), 80.0)
    _, report = merge_with_report([a, b])
    assert any("times apart" in note and "normalize" in note for note in report.notes)
    assert report.norms[1] / report.norms[0] > 40
    even, report = merge_with_report([a, b], normalize=True)
    assert "normalized to norm" in report.notes[0]
    parts = [louder(x, f) for x, f in zip((a, b), report.factors, strict=True)]
    assert algebra.norm(parts[0]) == pytest.approx(algebra.norm(parts[1]), rel=1e-5)
    middle = np.sqrt(report.norms[0] * report.norms[1])
    assert algebra.norm(parts[0]) == pytest.approx(middle, rel=1e-5)
    expected = algebra.add(parts)
    assert algebra.norm(algebra.add([even, expected], [1, -1])) < 1e-5 * algebra.norm(expected)
    said = json.loads(even.metadata["lorarium.options"])["normalize"]
    assert said == pytest.approx(report.factors)


def test_normalize_of_nothing():
    a = adapter(1, kinds=LOW)
    with pytest.raises(LorariumError, match="adapter 2 changes nothing"):
        merge([a, zero(a)], normalize=True)


def zero(a):
    deltas = {m: LowRank(d.up * 0, d.down) for m, d in a.items() if isinstance(d, LowRank)}
    return Adapter({m: d for m, d in deltas.items() if d.mid is None}, "sd1")


def test_a_weight_of_zero_leaves_an_adapter_out():
    a, b = adapter(1, kinds=LOW), adapter(2, kinds=LOW)
    for method in ("sum", "ties", "knots", "karcher"):
        merged = merge([a, b], [1, 0], method=method)
        alone = merge([a], method=method)
        for module in alone:
            assert difference(matrix(merged[module]), matrix(alone[module])) < 1e-6


@pytest.mark.parametrize("method", [m for m in FREE if m not in PAIRS])
def test_the_ends_of_the_ranks(method):
    rng = np.random.default_rng(0)

    def of(r):
        draw = (rng.standard_normal(s, np.float32) for s in ((300, r), (r, 280)))
        return Adapter({("denoiser", "x"): LowRank(*draw)})

    merged, _ = call(method, [of(1), of(256)])
    assert merged["denoiser", "x"].rank <= 257
    assert np.isfinite(matrix(merged["denoiser", "x"])).all()


@pytest.mark.parametrize("method", ["sum", "average", "cat", "svd"])
def test_fused_members_stay_together(method):
    merged = merge([fused(1), fused(2)], method=method)
    assert [d.fused for _, d in merged.items()] == ["qkv"] * 3


def test_fused_members_may_part():
    merged = merge([fused(1), fused(2)], method="ties")
    assert [d.fused for _, d in merged.items()] == [None] * 3


def test_opaque_tensors_are_carried_or_refused():
    a = adapter(1, kinds=LOW).with_(opaque={"k": np.ones(2, np.float32)})
    b = adapter(2, kinds=LOW)
    assert merge([a, b], method="ties").opaque["k"] is a.opaque["k"]
    with pytest.raises(LorariumError, match="cannot be weighted"):
        merge([a, b], [0.5, 1], method="knots")
