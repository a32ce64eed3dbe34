"""Spellings of the wild beside the usual ones: each module lands where its trainer took it from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from lorarium.adapter import LowRank, Module
from lorarium.cli.convert import command
from lorarium.errors import LorariumError
from lorarium.formats import container, convert, positional, programs, read, read_report, write
from lorarium.formats.families import FAMILIES
from lorarium.formats.synthesise import make_fixture
from tests.formats.oracle import dense

RNG = np.random.default_rng(3)


def pair(stem: str, out: int, into: int, down: str, up: str) -> dict[str, np.ndarray]:
    return {
        f"{stem}.{down}": RNG.normal(size=(2, into)).astype(np.float32),
        f"{stem}.{up}": RNG.normal(size=(out, 2)).astype(np.float32),
    }


def saved(folder: Path, tensors: dict[str, np.ndarray], **metadata: str) -> Path:
    container.save(folder / "x.safetensors", tensors, metadata)
    return folder / "x.safetensors"


def test_xlabs_names_the_streams_by_number(tmp_path: Path) -> None:
    tensors = {}
    for i in range(19):
        stem = f"double_blocks.{i}.processor"
        for name, out in (("qkv_lora1", 9216), ("qkv_lora2", 9216), ("proj_lora1", 3072)):
            tensors |= pair(f"{stem}.{name}", out, 3072, "down.weight", "up.weight")
    single = "single_blocks.37.processor.qkv_lora"
    tensors |= pair(single, 9216, 3072, "down.weight", "up.weight")
    adapter, report = read_report(saved(tmp_path, tensors))
    assert (report.family.id, report.dialect) == ("flux1", "xlabs")
    assert report.count("mapped") == len(tensors)
    key = adapter["denoiser", "transformer_blocks.3.attn.add_k_proj"]
    fused_stem = "double_blocks.3.processor.qkv_lora2"
    product = tensors[f"{fused_stem}.up.weight"][3072:6144] @ tensors[f"{fused_stem}.down.weight"]
    np.testing.assert_allclose(dense(key), product, rtol=1e-4, atol=1e-5)
    value = adapter["denoiser", "single_transformer_blocks.37.attn.to_v"]
    product = tensors[f"{single}.up.weight"][6144:] @ tensors[f"{single}.down.weight"]
    np.testing.assert_allclose(dense(value), product, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("stem", "family", "path", "shape"),
    [
        (
            "lora_unet_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k",
            "sd1",
            "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k",
            (640, 768),
        ),
        ("lora_unet__layers_4_attention_to_k", "z-image", "layers.4.attention.to_k", (3840, 3840)),
        (
            "lora_unet_layers_4_feed_forward_w1",
            "z-image",
            "layers.4.feed_forward.w1",
            (10240, 3840),
        ),
        ("lora_unet_blocks_7_cross_attn_k", "wan-1.3b", "blocks.7.attn2.to_k", (1536, 1536)),
        (
            "lora_unet_double_blocks_0_img_attn_proj",
            "flux2-klein-9b",
            "transformer_blocks.0.attn.to_out.0",
            (4096, 4096),
        ),
        (
            "lycoris_transformer_blocks_2_ff_net_2",
            "pixart",
            "transformer_blocks.2.ff.net.2",
            (1152, 4608),
        ),
    ],
)
def test_flat_names(
    stem: str, family: str, path: str, shape: tuple[int, int], tmp_path: Path
) -> None:
    tensors = pair(stem, *shape, "lora_down.weight", "lora_up.weight")
    adapter, report = read_report(saved(tmp_path, tensors))
    assert family in (report.family.id, *report.family.alternatives)
    assert set(read(tmp_path / "x.safetensors", family)) == {Module("denoiser", path)}
    assert len(adapter) == 1


def test_comfy_spells_hunyuan_video_as_flux(tmp_path: Path) -> None:
    stem = "diffusion_model.double_blocks.0.img_attn.qkv"
    path = saved(tmp_path, pair(stem, 9216, 3072, "lora_A.weight", "lora_B.weight"))
    paths = {module.path for module in read(path, "hunyuan-video")}
    assert paths == {f"transformer_blocks.0.attn.to_{x}" for x in "qkv"}


def test_control_of_black_forest_labs(tmp_path: Path) -> None:
    """Biases, a wider input, and norms that replace the base's: carried, not lost."""
    tensors = pair("img_in", 3072, 128, "lora_A.weight", "lora_B.weight")
    tensors["img_in.lora_B.bias"] = np.ones(3072, np.float32)
    tensors["img_in.reshape_weight"] = np.array([3072, 128])
    scale = "double_blocks.0.img_attn.norm.key_norm.scale"
    tensors[scale] = np.ones(128, np.float32)
    stem = "single_blocks.0.linear1"
    tensors |= pair(stem, 21504, 3072, "lora_A.weight", "lora_B.weight")
    adapter, report = read_report(saved(tmp_path, tensors))
    assert report.family.id == "flux1"
    assert any("FLUX.1 Control" in line for line in report.family.evidence)
    assert {fate.key for fate in report.carried()} == {scale, "img_in.reshape_weight"}
    assert Module("denoiser", "x_embedder.bias") in adapter.deltas and not report.refused()


def positions(order: tuple[str, ...]) -> dict[str, np.ndarray]:
    shapes = FAMILIES["sd1"].parts["denoiser"].shapes
    tensors = {}
    for i, path in enumerate(order):
        out, into = shapes[path]
        tensors[f"unet:{i}:up"] = np.full((out, 1), i + 1, np.float32)
        tensors[f"unet:{i}:down"] = np.ones((1, into), np.float32)
    return tensors


@pytest.mark.parametrize("walk", positional.WALKS)
def test_both_walks_of_positions(walk: tuple[str, ...], tmp_path: Path) -> None:
    order = positional.order("sd1", "denoiser", True, walk)
    header = {"unet": json.dumps(["CrossAttention", "Attention", "GEGLU"])}
    adapter, report = read_report(saved(tmp_path, positions(order), **header))
    assert (report.family.id, report.dialect) == ("sd1", "cloneofsimo")
    assert len(adapter) == len(order) and report.count("mapped") == len(report.keys)
    for i, path in enumerate(order):
        delta = adapter["denoiser", path]
        assert isinstance(delta, LowRank) and delta.up[0, 0] == i + 1, path


def test_the_newer_class_of_the_text_encoder(tmp_path: Path) -> None:
    tensors = {}
    for i in range(48):
        tensors[f"text_encoder:{i}:up"] = np.ones((768, 1), np.float32)
        tensors[f"text_encoder:{i}:down"] = np.ones((1, 768), np.float32)
    header = {"text_encoder": json.dumps(["CLIPSdpaAttention"])}
    adapter, _ = read_report(saved(tmp_path, tensors, **header))
    assert adapter.parts() == {"text_encoder": 48}


def test_a_bare_list_of_ups_and_downs(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    order = positional.order("sd1", "denoiser", False)
    flat = positions(order)
    pairs = [flat[f"unet:{i}:{x}"] for i in range(len(order)) for x in ("up", "down")]
    torch.save([torch.from_numpy(array) for array in pairs], tmp_path / "lora_weight.pt")
    adapter, report = read_report(tmp_path / "lora_weight.pt")
    assert report.family.id == "sd1" and len(adapter) == len(order)


def test_for_a_program_the_dialect_follows_from_the_family(tmp_path: Path) -> None:
    made = {}
    for family in ("sdxl", "qwen-image"):
        file = make_fixture(family, "diffusers", keep=lambda part, name: "attn" in name)
        made[family] = file.save(tmp_path / f"{family}.safetensors")
    for family, dialect in (("sdxl", "kohya"), ("qwen-image", "comfy")):
        out = tmp_path / f"{family}-out.safetensors"
        [file] = convert(made[family], out, program="comfyui").files
        assert file.written is not None and file.written.dialect == dialect
    [file] = convert(made["qwen-image"], tmp_path / "y", program="forge").files
    assert "forge is not known to load adapters for qwen-image" in file.error
    with pytest.raises(LorariumError, match="two answers"):
        convert(made["sdxl"], tmp_path / "y", "kohya", program="comfyui")
    arguments = [str(made["sdxl"]), str(tmp_path / "z.safetensors")]
    result = CliRunner().invoke(command, [*arguments, "--for", "diffusers"])
    assert "recognised" in result.output and "-> diffusers" in result.output


def test_the_rows_of_programs_name_what_exists() -> None:
    from lorarium.formats.dialects import DIALECTS

    assert {row.dialect for row in programs.ROWS} <= DIALECTS.keys()
    assert {family for row in programs.ROWS for family in row.families} <= FAMILIES.keys()
    assert {row.program for row in programs.ROWS} == set(programs.PROGRAMS)
    assert all(row.source for row in programs.ROWS)


def test_the_docs_show_the_table() -> None:
    page = Path(__file__).parents[2] / "docs" / "convert.md"
    assert programs.matrix() in page.read_text("utf-8")


OTHER_KINDS = {
    "oft_blocks": ((4, 8, 8), "oft", "OFT"),
    "a1.weight": ((4, 8), "glora", "GLoRA"),
    "on_input": ((), "ia3", "IA3"),
    "w_norm": ((8,), "norm", "a norm"),
    "set_weight": ((8, 8), "set-weight", "replaces"),
}


@pytest.mark.parametrize("tail", OTHER_KINDS)
def test_other_kinds_are_named_carried_and_refused_by_name(tail: str, tmp_path: Path) -> None:
    shape, kind, title = OTHER_KINDS[tail]
    stem = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn"
    tensors = pair(f"{stem}2_to_k", 320, 768, "lora_down.weight", "lora_up.weight")
    key = f"{stem}1_to_q.{tail}"
    tensors[key] = np.ones(shape, np.float32)
    adapter, report = read_report(saved(tmp_path, tensors))
    [fate] = report.carried()
    assert fate.key == key and title in fate.reason and report.kinds[kind] == 1
    kohya_report = write(adapter, tmp_path / "y.safetensors", "kohya")
    assert (
        kohya_report.count("carried") == 1
        and key in container.load(tmp_path / "y.safetensors").tensors
    )
    [refused] = write(adapter, tmp_path / "z.safetensors", "diffusers").refused()
    assert refused.name == key and title in refused.reason
