"""What merge and resize say of their file, and the number type that a merge is kept in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from click.testing import CliRunner

from lorarium import formats
from lorarium.adapter import Adapter, Bias, Delta, Dense, LowRank, Module
from lorarium.algebra import cast, dense_delta
from lorarium.algebra.forms import arrays
from lorarium.cli import cli
from lorarium.mergers import merge
from lorarium.mergers.number_type import sixteen_bits

BLOCK = "down_blocks.0.attentions.0.transformer_blocks.0"
HALF = {"fp16": np.dtype("f2"), "bf16": np.dtype(ml_dtypes.bfloat16), "fp32": np.dtype("f4")}


def sd1(seed: int, dtype: str, size: float = 0.02, rank: int = 4) -> Adapter:
    """Two linears in factors, a full difference and one of a bias."""
    random = np.random.default_rng(seed)

    def numbers(*shape: int) -> Any:
        return (size * random.standard_normal(shape)).astype(HALF[dtype])

    deltas: dict[Module, Delta] = {
        Module("denoiser", f"{BLOCK}.attn1.{name}"): LowRank(
            numbers(320, rank), numbers(rank, 320), scale=0.5
        )
        for name in ("to_q", "to_k")
    }
    deltas[Module("denoiser", f"{BLOCK}.attn2.to_q")] = Dense(numbers(320, 320))
    deltas[Module("denoiser", f"{BLOCK}.attn2.to_out.0.bias")] = Bias(numbers(320))
    return Adapter(deltas, family="sd1", dialect="kohya")


def saved(folder: Path, *types: str, **more: Any) -> list[str]:
    paths = []
    for i, dtype in enumerate(types):
        paths.append(str(folder / f"{i}-{dtype}.safetensors"))
        formats.write(sd1(i, dtype, **more), paths[-1])
    return paths


def run(*words: object) -> Any:
    done = CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout) if "--json" in words else done.stdout


def distance(a: Adapter, b: Adapter) -> float:
    """Relative, module by module in the open."""
    squares = [float(np.sum((dense_delta(a[m]) - dense_delta(b[m])) ** 2)) for m in a]
    wholes = [float(np.sum(dense_delta(a[m]) ** 2)) for m in a]
    return float(np.sqrt(sum(squares) / sum(wholes)))


def types_in(path: str | Path) -> set[np.dtype]:
    return {array.dtype for _, delta in formats.read(path).items() for array in arrays(delta)}


@pytest.mark.parametrize(
    ("types", "stored", "step"),
    [
        (("fp16", "fp16"), "fp16", 2.0**-11),
        (("bf16", "bf16"), "bf16", 2.0**-8),
        (("fp16", "bf16"), "fp16", 2.0**-11),
    ],
)
def test_sixteen_bits_stay_sixteen(
    types: tuple[str, ...], stored: str, step: float, tmp_path: Path
) -> None:
    files, out = saved(tmp_path, *types), tmp_path / "out.safetensors"
    report = run("merge", f"{files[0]}:0.8", f"{files[1]}:0.55", "-o", out, "--json")
    assert types_in(out) == {HALF[stored]}
    assert report["dtype"] == [HALF[stored].name] and report["rank"] == {"min": 8, "max": 8}
    assert report["size"] == out.stat().st_size
    exact = merge([formats.read(file) for file in files], [0.8, 0.55])
    lost = distance(exact, formats.read(out))
    assert 0 < lost < step and report["rounding"]["relative"] == pytest.approx(lost, rel=0.01)
    rounding_note = formats.read(out).metadata["lorarium.rounding"]
    assert rounding_note.startswith(HALF[stored].name)
    assert float(rounding_note.split()[-1]) == pytest.approx(lost, rel=0.01)


def test_the_python_merge_and_fp32_are_the_exact_sum(tmp_path: Path) -> None:
    files, out = saved(tmp_path, "fp16", "fp16"), tmp_path / "out.safetensors"
    report = run(
        "merge", f"{files[0]}:0.8", f"{files[1]}:0.55", "-o", out, "--dtype", "fp32", "--json"
    )
    assert types_in(out) == {HALF["fp32"]} and "rounding" not in report
    exact = merge([formats.read(file) for file in files], [0.8, 0.55])
    assert distance(exact, formats.read(out)) < 1e-7
    matrices = [d for _, d in exact.items() if isinstance(d, LowRank)]
    assert {array.dtype for d in matrices for array in arrays(d)} == {HALF["fp32"]}


def test_one_wider_input_keeps_the_merge_exact(tmp_path: Path) -> None:
    files, out = saved(tmp_path, "fp16", "fp32"), tmp_path / "out.safetensors"
    run("merge", f"{files[0]}:0.8", f"{files[1]}:0.55", "-o", out)
    exact = merge([formats.read(file) for file in files], [0.8, 0.55])
    assert types_in(out) == {HALF["fp32"]} and distance(exact, formats.read(out)) < 1e-7


@pytest.mark.parametrize("kind", ["sum", "svd", "ties", "--rank"])
def test_no_module_is_rounded_worse_than_the_others(kind: str, tmp_path: Path) -> None:
    """Differences and biases at a strength where plain fp16 is down to its last bits."""
    files, out = saved(tmp_path, "fp16", "fp16", size=3e-4), tmp_path / "out.safetensors"
    asked = ("--rank", 8) if kind == "--rank" else ("--method", kind)
    run("merge", f"{files[0]}:0.8", f"{files[1]}:0.55", "-o", out, *asked)
    method = "sum" if kind == "--rank" else kind
    adapters = [formats.read(file) for file in files]
    exact = merge(
        [wide(a) for a in adapters], [0.8, 0.55], method=method,
        **({"rank": 8} if kind == "--rank" else {}),
    )  # fmt: skip
    written = formats.read(out)
    for module, delta in exact.items():
        lost = np.linalg.norm(dense_delta(delta) - dense_delta(written[module]))
        assert lost <= 2**-10 * np.linalg.norm(dense_delta(delta)), module


def wide(adapter: Adapter) -> Adapter:
    return adapter.with_(deltas={m: cast(d, np.float32) for m, d in adapter.items()})


def test_a_lone_difference_keeps_its_weight_exactly(tmp_path: Path) -> None:
    """A .diff has no alpha to hold a weight, so its entries must."""
    files, out = saved(tmp_path, "fp16", "fp16"), tmp_path / "out.safetensors"
    lone = formats.read(files[1])
    matrices = {m: d for m, d in lone.items() if isinstance(d, LowRank)}
    formats.write(lone.with_(deltas=matrices), files[1], "kohya", force=True)
    run("merge", f"{files[0]}:0.7", f"{files[1]}:0.3", "-o", out, "--dtype", "fp32")
    formats.write(merge([formats.read(f) for f in files], [0.7, 0.3]), tmp_path / "py.safetensors")
    for path in (out, tmp_path / "py.safetensors"):
        for module, delta in formats.read(files[0]).items():
            if module not in matrices:
                meant = 0.7 * dense_delta(delta).astype("f8")
                held = dense_delta(formats.read(path)[module])
                assert np.linalg.norm(held - meant) <= 1e-7 * np.linalg.norm(meant), path


def test_too_strong_for_fp16_is_kept_in_fp32_and_said(tmp_path: Path) -> None:
    files, out = saved(tmp_path, "fp16", "fp16", size=1e4), tmp_path / "out.safetensors"
    report = run("merge", f"{files[0]}:3.3", f"{files[1]}:5.1", "-o", out, "--json")
    assert len(report["rounding"]["wide"]) == 2  # the difference and the bias: factors have a scale
    assert report["dtype"] == ["float32", "float16"]
    exact = merge([formats.read(file) for file in files], [3.3, 5.1])
    assert distance(exact, formats.read(out)) < 2**-11


def test_powers_of_two_round_nothing_and_say_nothing(tmp_path: Path) -> None:
    files, out = saved(tmp_path, "bf16", "bf16"), tmp_path / "out.safetensors"
    line = run("merge", f"{files[0]}:0.5", f"{files[0]}:0.25", "-o", out, "--only", "attn1")
    assert "rounded" not in line and "rank 8, bf16" in line and "KiB" in line
    line = run("merge", files[0], "-o", tmp_path / "same.safetensors")
    assert "rounded" not in line and "rank 4, bf16" in line


def test_the_line_says_rank_type_size_and_rounding(tmp_path: Path) -> None:
    files, out = saved(tmp_path, "fp16", "fp16"), tmp_path / "out.safetensors"
    line = run("merge", f"{files[0]}:0.8", f"{files[1]}:0.55", "-o", out)
    size = f"{out.stat().st_size / 2**10:.1f} KiB"
    assert f"4 modules from 2 files, rank 8, fp16, {size}, rounded by " in line
    assert "--dtype fp32 for the exact merge" in line


def test_resize_says_what_is_kept_before_the_error(tmp_path: Path) -> None:
    [file], out = saved(tmp_path, "fp32"), tmp_path / "out.safetensors"
    report = run("resize", file, out, "--rank", 2, "--json")
    total = report["total"]
    assert total["kept"] == pytest.approx(1 - total["relative"] ** 2)
    assert report["rank"] == {"min": 2, "max": 2} and report["size"] == out.stat().st_size
    line = run("resize", file, tmp_path / "again.safetensors", "--rank", 2)
    energy, error = f"keeps {total['kept']:.2%} of the energy", f"error {total['relative']:.2%}"
    assert 0 < line.index(energy) < line.index(error) and "rank 2, fp32" in line


def test_which_inputs_are_sixteen_bits() -> None:
    assert sixteen_bits([sd1(0, "fp16"), sd1(1, "bf16")]) == np.float16
    assert sixteen_bits([sd1(0, "bf16")]) == HALF["bf16"]
    assert sixteen_bits([sd1(0, "fp16"), sd1(1, "fp32")]) is None
    assert sixteen_bits([Adapter({})]) is None
