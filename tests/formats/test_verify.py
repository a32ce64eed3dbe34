"""Nothing destroyed is called equal: what a number type cannot hold is named and not written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lorarium.adapter import Adapter, Bias, Delta, Dense, Dora, Hadamard, Kronecker, LowRank, Module
from lorarium.errors import LorariumError, UnverifiedError
from lorarium.formats import convert, read, write
from lorarium.formats.scale import fold
from lorarium.formats.verify import difference

BLOCK = "down_blocks.0.attentions.0.transformer_blocks.0"
GOOD, BAD = f"{BLOCK}.attn1.to_q", f"{BLOCK}.attn2.to_v"
SIZE = 320


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def of_kind(kind: str, size: float) -> dict[Module, Delta]:
    """A change of each kind, whose first factor is of that size."""
    module = Module("denoiser", BAD)
    if kind == "lora":
        return {module: LowRank(size * draw(SIZE, 4), draw(4, 768))}
    if kind == "dora":
        return {module: Dora(LowRank(size * draw(SIZE, 4), draw(4, 768)), draw(SIZE, 1))}
    if kind == "magnitude":
        return {module: Dora(LowRank(draw(SIZE, 4), draw(4, 768)), size * draw(SIZE, 1))}
    if kind == "loha":
        factors = draw(4, 768), draw(SIZE, 4), draw(4, 768)
        return {module: Hadamard(size * draw(SIZE, 4), *factors)}
    if kind == "lokr":
        return {module: Kronecker(w1=size * draw(8, 8), w2=draw(SIZE // 8, 96))}
    if kind == "full":
        return {module: Dense(size * draw(SIZE, 768))}
    inner = LowRank(draw(SIZE, 4), draw(4, 768))
    return {module: inner, Module("denoiser", f"{BAD}.bias"): Bias(size * draw(SIZE))}


def adapter(kind: str = "lora", size: float = 1.0) -> Adapter:
    good = {Module("denoiser", GOOD): LowRank(draw(SIZE, 4), draw(4, SIZE))}
    return Adapter(good | of_kind(kind, size), "sd1", dialect="kohya")


KINDS = ("lora", "dora", "magnitude", "loha", "lokr", "full", "bias")
DESTROYED = [
    ("fp16", 1e6),
    ("fp16", 1e-9),
    ("fp8_e4m3", 1e4),
    ("fp8_e4m3", 1e-5),
    ("fp8_e5m2", 1e6),
    ("fp8_e5m2", 1e-7),
]


@pytest.mark.parametrize(("dtype", "size"), DESTROYED)
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_number_type_cannot_hold_is_named(
    kind: str, dtype: str, size: float, tmp_path: Path
) -> None:
    with pytest.raises(UnverifiedError) as raised:
        write(adapter(kind, size), tmp_path / "x.safetensors", dtype=dtype)
    [name] = raised.value.faults
    assert name == f"denoiser:{BAD}" + (".bias" if kind == "bias" else "")
    assert name in str(raised.value) and raised.value.code == 1
    assert list(tmp_path.iterdir()) == []


def test_the_last_numbers_of_fp32_are_beyond_bf16(tmp_path: Path) -> None:
    largest = {Module("denoiser", BAD): Dense(np.full((SIZE, 768), 3.4e38, np.float32))}
    with pytest.raises(UnverifiedError, match="NaN or infinite"):
        write(adapter().with_(deltas=largest), tmp_path / "x.safetensors", dtype="bf16")


@pytest.mark.parametrize("dtype", ["fp16", "bf16", "fp8_e4m3", "fp8_e5m2", "fp32"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_it_can_hold_is_verified(kind: str, dtype: str, tmp_path: Path) -> None:
    report = write(adapter(kind), tmp_path / "x.safetensors", dtype=dtype)
    assert report.verified and (report.worst_error > 0) == (dtype != "fp32")


def test_a_folder_is_checked_like_a_file(tmp_path: Path) -> None:
    with pytest.raises(UnverifiedError, match=BAD):
        write(adapter(size=1e6), tmp_path / "x", "peft", "fp16")
    assert list(tmp_path.iterdir()) == []


def test_force_writes_it_and_says_so(tmp_path: Path) -> None:
    report = write(adapter(size=1e6), tmp_path / "x.safetensors", dtype="fp16", force=True)
    assert not report.verified and set(report.unverified) == {f"denoiser:{BAD}"}
    assert json.loads(json.dumps(report.to_json(), allow_nan=False))["verified"] is False
    assert not np.isfinite(read(report.path)["denoiser", BAD].up).all()  # type: ignore[union-attr]


def test_numbers_too_small_for_their_own_squares(tmp_path: Path) -> None:
    up = 1e-200 * draw(SIZE, 4).astype(np.float64)
    made = adapter().with_(deltas={Module("denoiser", BAD): LowRank(up, draw(4, 768))})
    with pytest.raises(UnverifiedError, match="off by 1"):
        write(made, tmp_path / "x.safetensors", dtype="fp32")


@pytest.mark.parametrize("size", [5e-324, 1e-310, 1e-200])
def test_numbers_at_the_ends_of_float64_are_compared(size: float) -> None:
    one = Kronecker(w1=size * np.eye(2), w2=draw(4, 4).astype(np.float64))
    other = replace(one, w1=one.w1 * 1.5, w2=one.w2 + 0.5)  # type: ignore[operator]
    assert difference(one, one) == 0.0 and difference(one, other) > 0.1
    assert difference(replace(one, w1=1e-300 * np.eye(2)), one) > 0


def broken(value: float) -> Adapter:
    made = adapter()
    delta = made["denoiser", BAD]
    assert isinstance(delta, LowRank)
    up = delta.up.copy()
    up[3, 2] = value
    return made.with_(deltas={**made.deltas, Module("denoiser", BAD): replace(delta, up=up)})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_result_that_is_broken_is_not_written(value: float, tmp_path: Path) -> None:
    with pytest.raises(UnverifiedError, match=BAD):
        write(broken(value), tmp_path / "x.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dtype", [None, "fp16", "fp8_e5m2"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_file_that_is_broken_may_be_converted_as_it_is(
    value: float, dtype: str | None, tmp_path: Path
) -> None:
    write(broken(value), tmp_path / "in.safetensors", force=True)
    [file] = convert(
        tmp_path / "in.safetensors", tmp_path / "x.safetensors", "diffusers", dtype
    ).files
    assert file.ok and file.written is not None
    assert "1 modules hold NaN or infinite values, as in the source" in file.written.warnings


def test_what_breaks_on_the_way_of_a_broken_file_is_named(tmp_path: Path) -> None:
    made = broken(np.nan)
    loud = replace(made["denoiser", GOOD], up=1e6 * draw(SIZE, 4))  # type: ignore[call-arg]
    write(
        made.with_(deltas={**made.deltas, Module("denoiser", GOOD): loud}),
        tmp_path / "in.safetensors",
        force=True,
    )
    [file] = convert(tmp_path / "in.safetensors", tmp_path / "x.safetensors", dtype="fp16").files
    assert set(file.unverified) == {f"denoiser:{GOOD}"} and file.exit_code == 1
    assert not (tmp_path / "x.safetensors").exists()


def test_what_would_not_be_readable_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that goes bad between writing and reading back never takes the name."""
    import os

    sync = os.fsync

    def damage(descriptor: int) -> None:
        sync(descriptor)
        os.ftruncate(descriptor, 100)

    monkeypatch.setattr(os, "fsync", damage)
    with pytest.raises(LorariumError, match=r"x\.safetensors"):
        write(adapter(), tmp_path / "x.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("scale", [0.7, -0.3, 3e-9, 0.5, 1e4])
@pytest.mark.parametrize("kind", ["full", "bias", "loha", "lokr"])
def test_a_scale_that_went_into_a_factor_is_no_difference(kind: str, scale: float) -> None:
    """Where a file has no place for it, as in .diff, the writer multiplies it in."""
    delta = {
        "full": Dense(draw(6, 5), scale),
        "bias": Bias(draw(6), scale),
        "loha": Hadamard(draw(6, 2), draw(2, 5), draw(6, 2, seed=1), draw(2, 5), scale=scale),
        "lokr": Kronecker(w1=draw(2, 2), w2=draw(3, 4), scale=scale),
    }[kind]
    folded, _ = fold(delta)
    assert folded.scale == 1.0 and difference(delta, folded) < 1e-6
    doubled = replace(folded, scale=2.0)
    assert difference(delta, doubled) == pytest.approx(1.0, rel=1e-5)
    slots = {k: v.copy() for k, v in vars(folded).items() if isinstance(v, np.ndarray)}
    first = next(iter(slots.values()))
    first.flat[0] += np.abs(first).max()
    assert difference(delta, replace(folded, **slots)) > 0.1
