"""Fused matrices of FLUX in every kind, on narrow weights: names decide, not widths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lorarium.adapter import Adapter, Bias, Dense, Dora, Hadamard, Kronecker, LowRank, Module
from lorarium.formats import container, read, read_report, write
from tests.formats.oracle import dense

RNG = np.random.default_rng(3)
QKV = "lora_unet_double_blocks_0_img_attn_qkv"
LINEAR1 = "lora_unet_single_blocks_0_linear1"
ADALN = "lora_unet_final_layer_adaLN_modulation_1"
PARTS = {
    QKV: [f"transformer_blocks.0.attn.to_{x}" for x in "qkv"],
    LINEAR1: [
        *(f"single_transformer_blocks.0.attn.to_{x}" for x in "qkv"),
        "single_transformer_blocks.0.proj_mlp",
    ],
}


def draw(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def tensors(kind: str, rows: int) -> dict[str, np.ndarray]:
    """The tensors of a (rows, 8) weight in a kind, by suffix."""
    alpha = {"alpha": np.array(1.0, np.float32)}
    if kind == "loha":
        factors = {f"hada_w{i}_a": draw(rows, 2) for i in (1, 2)}
        return factors | {f"hada_w{i}_b": draw(2, 8) for i in (1, 2)} | alpha
    if kind == "full":
        return {"diff": draw(rows, 8), "diff_b": draw(rows)}
    if kind == "lokr":
        return {"lokr_w1": draw(2, 2), "lokr_w2_a": draw(rows // 2, 2), "lokr_w2_b": draw(2, 4)}
    factors = {"lora_down.weight": draw(2, 8), "lora_up.weight": draw(rows, 2)} | alpha
    return factors | ({"dora_scale": 1 + draw(rows, 1)} if kind == "dora" else {})


def fused_change(kind: str, raw: dict[str, np.ndarray]) -> np.ndarray:
    wide = {name: array.astype(float) for name, array in raw.items()}
    if kind == "loha":
        first = wide["hada_w1_a"] @ wide["hada_w1_b"]
        return 0.5 * first * (wide["hada_w2_a"] @ wide["hada_w2_b"])
    if kind == "full":
        return wide["diff"]
    return 0.5 * wide["lora_up.weight"] @ wide["lora_down.weight"]


def file(path: Path, kind: str) -> dict[str, dict[str, np.ndarray]]:
    stems = {QKV: tensors(kind, 24), LINEAR1: tensors(kind, 56), ADALN: tensors(kind, 16)}
    flat = {f"{stem}.{suffix}": x for stem, raw in stems.items() for suffix, x in raw.items()}
    container.save(path, flat, {})
    return stems


@pytest.mark.parametrize("kind", ["lora", "dora", "loha", "full"])
def test_cut_exactly_and_joined_again(kind: str, tmp_path: Path) -> None:
    raw = file(tmp_path / "x.safetensors", kind)
    adapter, report = read_report(tmp_path / "x.safetensors", "flux1")
    assert report.family.id == "flux1" and report.count("mapped") == len(report.keys)
    for stem, paths in PARTS.items():
        stacked = np.vstack([dense(adapter["denoiser", path]) for path in paths])
        np.testing.assert_allclose(stacked, fused_change(kind, raw[stem]), rtol=1e-12)
    halves = dense(adapter["denoiser", "norm_out.linear"])
    np.testing.assert_allclose(np.vstack([halves[8:], halves[:8]]), fused_change(kind, raw[ADALN]))
    if kind == "full":
        bias = dense(adapter["denoiser", f"{PARTS[LINEAR1][3]}.bias"])[:, 0]
        np.testing.assert_array_equal(bias, raw[LINEAR1]["diff_b"][24:])
    for target in ("kohya", "comfy"):
        written = write(adapter, tmp_path / "y.safetensors", target, force=True)
        assert written.verified and written.worst_error == 0.0 and not written.refused()
        assert len(container.load(tmp_path / "y.safetensors").tensors) == len(report.keys)
        back = read(tmp_path / "y.safetensors", "flux1")
        for module, delta in adapter.items():
            np.testing.assert_array_equal(dense(back[module]), dense(delta))


def test_kronecker_stays_whole_under_the_fused_name(tmp_path: Path) -> None:
    file(tmp_path / "x.safetensors", "lokr")
    adapter = read(tmp_path / "x.safetensors", "flux1")
    assert isinstance(adapter["denoiser", "double_blocks.0.img_attn.qkv"], Kronecker)
    assert write(adapter, tmp_path / "y.safetensors", "comfy").count("exact") == 3
    assert {m.path for m in read(tmp_path / "y.safetensors", "flux1")} == {m.path for m in adapter}


def test_what_cannot_be_joined_keeps_its_own_names(tmp_path: Path) -> None:
    """Kronecker parts of q, k, v: ComfyUI knows their names under LyCORIS's prefix."""
    deltas = {
        Module("denoiser", path): Kronecker(w1=draw(2, 2), w2=draw(4, 4)) for path in PARTS[QKV]
    }
    written = write(Adapter(deltas, "flux1"), tmp_path / "y.safetensors", "kohya")
    assert written.count("exact") == 3
    keys = container.load(tmp_path / "y.safetensors").tensors
    assert "lycoris_transformer_blocks_0_attn_to_q.lokr_w1" in keys


def test_loha_parts_join_as_blocks(tmp_path: Path) -> None:
    deltas = {
        Module("denoiser", path): Hadamard(draw(8, 2), draw(2, 8), draw(8, 2), draw(2, 8))
        for path in PARTS[QKV]
    }
    adapter = Adapter(deltas, "flux1")
    assert write(adapter, tmp_path / "y.safetensors", "kohya").count("exact") == 3
    back = read(tmp_path / "y.safetensors", "flux1")
    for module, delta in adapter.items():
        np.testing.assert_allclose(dense(back[module]), dense(delta), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("scales", [(1.0, 1.0, 1.0), (0.5, 1.0, 4.0), (0.3, 1.0, 0.7)])
def test_parts_of_other_ranks_scales_and_dtypes(scales: tuple[float, ...], tmp_path: Path) -> None:
    deltas = {
        Module("denoiser", path): LowRank(
            draw(8, rank).astype(dtype), draw(rank, 8).astype(dtype), scale=scale
        )
        for path, rank, dtype, scale in zip(
            PARTS[QKV], (1, 3, 2), (np.float16, np.float32, np.float16), scales, strict=True
        )
    }
    adapter = Adapter(deltas, "flux1")
    written = write(adapter, tmp_path / "y.safetensors", "comfy")
    assert written.verified
    assert written.count("exact" if scales[0] != 0.3 else "rounded") == 3
    back = read(tmp_path / "y.safetensors", "flux1")
    for module, delta in adapter.items():
        np.testing.assert_allclose(dense(back[module]), dense(delta), rtol=0, atol=2e-3)
        read_back = back[module]
        assert isinstance(read_back, LowRank) and read_back.rank == delta.rank


def test_mixed_kinds_and_lone_magnitudes_are_not_lost(tmp_path: Path) -> None:
    q, k, v = (Module("denoiser", path) for path in PARTS[QKV])
    deltas = {
        q: LowRank(draw(8, 2), draw(2, 8)),
        k: Dora(LowRank(draw(8, 2), draw(2, 8)), 1 + draw(8, 1)),
        v: Dense(draw(8, 8)),
        Module("denoiser", f"{v.path}.bias"): Bias(draw(8)),
    }
    adapter = Adapter(deltas, "flux1")
    for target in ("kohya", "comfy"):
        written = write(adapter, tmp_path / "y.safetensors", target, force=True)
        assert written.verified and not written.refused()
        assert set(read(tmp_path / "y.safetensors", "flux1").deltas) >= set(deltas)
