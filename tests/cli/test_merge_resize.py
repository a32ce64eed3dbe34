"""Stories: merge and resize from files to files, as the command line runs them."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from lorarium import LorariumError, algebra, formats
from lorarium.adapter import Adapter, Bias, Dense, Kronecker, LowRank
from lorarium.algebra import dense_delta
from lorarium.cli import cli
from lorarium.cli.merge import split_weight

PATHS = [
    f"down_blocks.{i}.attentions.0.transformer_blocks.0.attn1.{x}"
    for i in (0, 1)
    for x in ("to_q", "to_k")
]


def lora(seed, r):
    rng = np.random.default_rng(seed)
    widths = (320, 640)
    deltas = {
        ("denoiser", path): LowRank(
            rng.standard_normal((widths[i // 2], r), np.float32),
            rng.standard_normal((r, widths[i // 2]), np.float32),
            scale=0.5,
        )
        for i, path in enumerate(PATHS)
    }
    return Adapter(deltas, family="sd1", dialect="kohya")


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    for i, path in enumerate(paths):
        formats.write(lora(i, 4 + 2 * i), path)
    return [str(path) for path in paths]


def run(*arguments):
    return CliRunner().invoke(cli, [str(x) for x in arguments], catch_exceptions=False)


def test_merge_equals_the_sum(files, tmp_path):
    out = tmp_path / "out.safetensors"
    assert run("merge", f"{files[0]}:0.7", f"{files[1]}:-0.4", "-o", out).exit_code == 0
    a, b, both = (formats.read(path) for path in (*files, out))
    assert both.dialect == a.dialect
    expected = algebra.add([a, b], [0.7, -0.4])
    apart = algebra.add([both, expected], [1, -1])
    assert algebra.norm(apart, dtype=np.float64) <= 1e-6 * algebra.norm(expected)
    assert json.loads(both.metadata["lorarium.inputs"]) == [
        algebra.fingerprint(a),
        algebra.fingerprint(b),
    ]


def test_merge_of_one_file_keeps_every_bit(files, tmp_path):
    out = tmp_path / "out.safetensors"
    assert run("merge", files[0], "-o", out).exit_code == 0
    a, b = formats.read(files[0]), formats.read(out)
    for module, delta in a.items():
        assert b[module].up.dtype == delta.up.dtype
        np.testing.assert_array_equal(b[module].up, delta.up)
        np.testing.assert_array_equal(b[module].down, delta.down)
        assert b[module].scale == delta.scale


def test_merge_truncated_and_as_json(files, tmp_path):
    out = tmp_path / "out.safetensors"
    done = run("merge", *files, "-o", out, "--rank", 3, "--only", "to_q", "--json")
    report = json.loads(done.stdout)
    assert report["schema"] == "lorarium/1" and report["modules"] == 2
    assert 0 < report["total"]["relative"] < 1
    assert {delta.rank for _, delta in formats.read(out).items()} == {3}


@pytest.mark.parametrize("flags", [["--rank", "2"], ["--energy", "0.5"], ["--size", "40kB"]])
def test_resize(files, tmp_path, flags):
    out = tmp_path / "out.safetensors"
    done = run("resize", files[1], out, *flags, "--json")
    assert done.exit_code == 0
    a, small = formats.read(files[1]), formats.read(out)
    error = algebra.norm(algebra.add([a, small], [1, -1])) / algebra.norm(a)
    assert error == pytest.approx(json.loads(done.stdout)["total"]["relative"], rel=1e-4)
    if flags[0] == "--size":
        assert out.stat().st_size <= 40_000


def test_errors(files, tmp_path):
    for arguments in (
        ["merge", files[0], "-o", tmp_path / "x.safetensors", "--blocks", "NOPE"],
        ["merge", files[0], "-o", tmp_path / "x.safetensors", "--base", "y"],
        ["resize", files[0], tmp_path / "x.safetensors"],
        ["resize", files[0], tmp_path / "x.safetensors", "--size", "10"],
    ):
        with pytest.raises(LorariumError):
            run(*arguments)
        assert not (tmp_path / "x.safetensors").exists()


@pytest.mark.parametrize(
    "text,expected",
    [
        ("a.safetensors", ("a.safetensors", 1.0)),
        ("a:0.5", ("a", 0.5)),
        ("a:-2", ("a", -2.0)),
        ("C:/a.safetensors", ("C:/a.safetensors", 1.0)),
        ("a:b:1e-1", ("a:b", 0.1)),
        (":3", (":3", 1.0)),
    ],
)
def test_weights_split_at_the_last_colon_when_a_number_follows(text, expected):
    assert split_weight(text) == expected


def one_module(delta, path="down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"):
    return Adapter({("denoiser", path): delta}, family="sd1", dialect="kohya")


def drawn(*shape, size=0.1):
    return (size * np.random.default_rng(shape[0]).standard_normal(shape)).astype("f4")


@pytest.mark.parametrize(
    "flags", [["--rank", "4"], ["--rank", "64"], ["--energy", "1"], ["--size", "200kB"]]
)
def test_resize_of_lokr_with_two_whole_factors(tmp_path, flags):
    """Its rank is that of the module, and it is smaller than any factors: it stays."""
    source, out = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    formats.write(one_module(Kronecker(w1=drawn(8, 8), w2=drawn(40, 40))), source)
    done = run("resize", source, out, *flags)
    assert done.exit_code == 0 and "keeps 100.00% of the energy, error 0.00%" in done.stdout
    assert "kept as they are, no larger than factors of that rank: 1 lokr" in done.stdout
    before, after = formats.read(source), formats.read(out)
    for module, delta in before.items():
        np.testing.assert_array_equal(dense_delta(after[module]), dense_delta(delta))
    report = json.loads(run("resize", source, tmp_path / "c.safetensors", *flags, "--json").stdout)
    own, factors = report["layers"][0]["numbers"]
    assert own == 8 * 8 + 40 * 40 <= factors and report["rank"] == {"min": None, "max": None}


def test_resize_of_lokr_below_its_own_size_has_factors(tmp_path):
    source, out = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    formats.write(one_module(Kronecker(w1=drawn(8, 8), w2=drawn(40, 40))), source)
    report = json.loads(run("resize", source, out, "--rank", 2, "--json").stdout)
    [(module, small)] = formats.read(out).items()
    assert small.rank == 2 and report["layers"][0]["numbers"] == [1664, 1280]
    S = np.linalg.svd(dense_delta(formats.read(source)[module]).astype("f8"), compute_uv=False)
    energy_share = (S[:2] ** 2).sum() / (S**2).sum()
    assert report["total"]["kept"] == pytest.approx(energy_share, rel=1e-4)


def test_resize_of_differences_only(tmp_path):
    """A full difference is truncated, one of low rank lowered to it exactly; a bias is kept."""
    source, out = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    full, thin = Dense(drawn(320, 320)), Dense(drawn(320, 3) @ drawn(3, 320))
    for delta, rank, lossless in ((full, 5, False), (thin, 3, True)):
        formats.write(one_module(delta), source, force=True)
        target = out.with_stem(f"b{rank}")
        report = json.loads(run("resize", source, target, "--rank", 5, "--json").stdout)
        [(_, small)] = formats.read(target).items()
        assert small.rank == rank and report["rank"] == {"min": rank, "max": rank}
        assert (report["total"]["relative"] < 1e-6) == lossless
        error = np.linalg.norm(dense_delta(small) - delta.weight) / np.linalg.norm(delta.weight)
        assert error == pytest.approx(report["total"]["relative"], rel=1e-3, abs=1e-6)
    formats.write(one_module(full), source, force=True)
    done = run("resize", source, tmp_path / "whole.safetensors", "--rank", 320)
    assert done.exit_code == 0 and "1 full" in done.stdout
    bias = Bias(drawn(320))
    path = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0.bias"
    lone = tmp_path / "bias.safetensors"
    formats.write(one_module(bias, path), lone)
    done = run("resize", lone, tmp_path / "bias-2.safetensors", "--rank", 4)
    assert done.exit_code == 0 and "nothing to truncate" in done.stdout
