"""Kinds that are not taken apart: known by name, carried where a dialect has them, else refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lorarium.formats import convert, read, read_report
from lorarium.formats.container import load, save
from lorarium.formats.inspection.inspect import inspect_file

KOHYA = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_"
COMFY = "diffusion_model.middle_block.1.transformer_blocks.0.attn1.to_"
SHAPES: dict[str, dict[str, tuple[int, ...]]] = {
    "oft": {"oft_blocks": (320, 4, 4), "rescale": (1280, 1), "alpha": ()},
    "boft": {"oft_blocks": (3, 80, 16, 16), "alpha": ()},
    "ia3": {"weight": (1280,), "on_input": ()},
    "glora": {f"{x}.weight": (4, 4) for x in ("a1", "a2", "b1", "b2")} | {"alpha": ()},
    "set-weight": {"set_weight": (1280, 1280)},
    "reshape-weight": {"reshape_weight": (2,)},
}
NORM = {"lora_unet_mid_block_resnets_0_norm1.w_norm": (1280,),
        "lora_unet_mid_block_resnets_0_norm1.b_norm": (1280,)}  # fmt: skip


def sample(folder: Path, keys: dict[str, tuple[int, ...]]) -> Path:
    """A file of these tensors and one LoRA, which says what base it is for."""
    rng = np.random.default_rng(0)
    tensors = {key: rng.normal(size=shape).astype(np.float16) for key, shape in keys.items()}
    for net in ("mid_block_attentions_0", "down_blocks_0_attentions_0"):
        width = 1280 if net.startswith("mid") else 320
        stem = f"lora_unet_{net}_transformer_blocks_0_attn2_to_k"
        tensors[f"{stem}.lora_down.weight"] = np.ones((2, 768), np.float16)
        tensors[f"{stem}.lora_up.weight"] = np.ones((width, 2), np.float16)
    path = folder / "source.safetensors"
    save(path, tensors, {}, force=True)
    return path


@pytest.mark.parametrize("kind", SHAPES)
def test_each_kind_is_named_and_carried_or_refused_by_name(kind: str, tmp_path: Path) -> None:
    keys = {f"{KOHYA}q.{tail}": shape for tail, shape in SHAPES[kind].items()}
    source = sample(tmp_path, keys)
    adapter, report = read_report(source)
    assert report.family.id == "sd1" and set(adapter.opaque) == set(keys)
    assert inspect_file(source).kind[kind] == 1
    assert not report.refused() and report.count("carried") == len(keys)
    for target in ("kohya", "comfy", "diffusers", "peft"):
        out = tmp_path / (target if target == "peft" else f"{target}.safetensors")
        done = convert(source, out, to=target).files[0]
        assert not done.error
        refused = {fate.name: fate.reason for fate in done.lost}
        if target in ("diffusers", "peft") or (target == "comfy" and kind == "ia3"):
            assert set(refused) == set(keys)
            assert all(
                reason.startswith(f"{target} has no place for") for reason in refused.values()
            )
            continue
        assert not refused
        stem = KOHYA if target == "kohya" else COMFY
        there = load(out).tensors
        for tail in SHAPES[kind]:
            same = load(source).tensors[f"{KOHYA}q.{tail}"], there[f"{stem}q.{tail}"]
            assert same[0].tobytes() == same[1].tobytes()
        # and back under the first names
        back = tmp_path / "back.safetensors"
        assert convert(out, back, to="kohya", force=True).files[0].ok
        assert set(read(back).opaque) == set(keys)


def test_norms_keep_their_names_where_those_are_read(tmp_path: Path) -> None:
    source = sample(tmp_path, NORM)
    assert inspect_file(source).kind["norm"] == 1
    assert convert(source, tmp_path / "c.safetensors", to="comfy").files[0].ok
    assert set(NORM) <= set(load(tmp_path / "c.safetensors").tensors)
    done = convert(source, tmp_path / "d.safetensors", to="diffusers").files[0]
    assert {fate.name for fate in done.lost} == set(NORM)
    assert all("no place for a norm" in fate.reason for fate in done.lost)


def test_a_part_of_a_fused_weight_is_refused(tmp_path: Path) -> None:
    """A rotation of to_q's rows is none of the matrix that has q, k and v in one."""
    stem = "transformer.transformer_blocks.0.attn."
    tensors = {f"lycoris_{stem[12:].replace('.', '_')}to_q.oft_blocks": np.ones((768, 4, 4))}
    for name in ("to_k", "to_out.0"):
        tensors[f"{stem}{name}.lora_A.weight"] = np.ones((2, 3072))
        tensors[f"{stem}{name}.lora_B.weight"] = np.ones((3072, 2))
    save(tmp_path / "x.safetensors", {k: a.astype(np.float16) for k, a in tensors.items()}, {})
    done = convert(tmp_path / "x.safetensors", tmp_path / "y.safetensors", to="comfy").files[0]
    assert [fate.reason for fate in done.lost] == [
        "comfy has it within double_blocks.0.img_attn.qkv only"
    ]
    assert convert(tmp_path / "x.safetensors", tmp_path / "z.safetensors", to="kohya").files[0].lost


def test_control_loras_of_flux_carry_norms_and_new_shapes(tmp_path: Path) -> None:
    tensors = {}
    for block in range(4):
        stem = f"double_blocks.{block}.img_attn"
        tensors[f"{stem}.qkv.lora_A.weight"] = np.ones((2, 3072))
        tensors[f"{stem}.qkv.lora_B.weight"] = np.ones((9216, 2))
        tensors[f"{stem}.norm.query_norm.scale"] = np.ones(128)
    tensors["img_in.reshape_weight"] = np.ones(2)
    save(tmp_path / "x.safetensors", {k: a.astype(np.float16) for k, a in tensors.items()}, {})
    inspection = inspect_file(tmp_path / "x.safetensors")
    assert inspection.family.id == "flux1" and inspection.kind["norm"] == 4
    assert inspection.kind["reshape-weight"] == 1
    done = convert(tmp_path / "x.safetensors", tmp_path / "y.safetensors", to="comfy").files[0]
    there = set(load(tmp_path / "y.safetensors").tensors)
    assert "diffusion_model.img_in.reshape_weight" in there
    stem = "diffusion_model.double_blocks.0.img_attn.norm.query_norm"
    assert f"{stem}.scale.set_weight" in there
    assert not done.lost
