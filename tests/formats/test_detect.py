"""Families from tensors: what decides, what cannot be decided, what only looks like a LoRA."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lorarium.formats import container, read_report
from lorarium.formats.families import table
from lorarium.formats.report import FamilyGuess
from lorarium.formats.synthesise import make_fixture


def guess(path: Path, tensors: dict[str, np.ndarray], **metadata: str) -> FamilyGuess:
    container.save(path / "x.safetensors", tensors, metadata, force=True)
    return read_report(path / "x.safetensors")[1].family


def lora(stem: str, out: int, into: int) -> dict[str, np.ndarray]:
    return {
        f"{stem}.lora_down.weight": np.ones((1, into), np.float16),
        f"{stem}.lora_up.weight": np.ones((out, 1), np.float16),
    }


BLOCK = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0"


@pytest.mark.parametrize(
    ("into", "family"), [(768, "sd1"), (1024, "sd2"), (2048, "sdxl"), (1280, "sdxl-refiner")]
)
def test_cross_attention_width_decides(into: int, family: str, tmp_path: Path) -> None:
    out = 768 if family == "sdxl-refiner" else 640
    family_guess = guess(tmp_path, lora(f"{BLOCK}_attn2_to_k", out, into))
    assert family_guess.id == family or family in family_guess.alternatives
    if into == 2048:
        assert family_guess.id == "sdxl" and "vega" in family_guess.alternatives


def test_self_attention_alone_leaves_sd1_and_sd2(tmp_path: Path) -> None:
    stem = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    family_guess = guess(tmp_path, lora(stem, 320, 320))
    assert (family_guess.id, family_guess.alternatives) == (
        "sd1",
        ("sd2",),
    ) and family_guess.confidence == 0.5
    assert any("cannot tell" in line for line in family_guess.evidence)


def test_metadata_chooses_among_what_shapes_leave_open(tmp_path: Path) -> None:
    stem = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    family_guess = guess(tmp_path, lora(stem, 320, 320), ss_base_model_version="sd_v2_768_v")
    assert (family_guess.id, family_guess.alternatives) == (
        "sd2",
        ("sd1",),
    ) and family_guess.confidence == 0.9


def test_metadata_that_contradicts_the_tensors_is_a_warning(tmp_path: Path) -> None:
    container.save(
        tmp_path / "x.safetensors",
        lora(f"{BLOCK}_attn2_to_k", 640, 768),
        {"ss_base_model_version": "sdxl_base_v1-0"},
    )
    _, report = read_report(tmp_path / "x.safetensors")
    assert report.family.id == "sd1"
    assert report.warnings == ("metadata says sdxl, but the tensors say sd1",)


def test_projections_of_sd2_are_matrices(tmp_path: Path) -> None:
    stem = "lora_unet_down_blocks_0_attentions_0_proj_in"
    family_guess = guess(tmp_path, lora(stem, 320, 320))
    assert (family_guess.id, family_guess.alternatives) == ("sd2", ())


@pytest.mark.parametrize("family", ["ssd-1b", "vega", "koala"])
@pytest.mark.parametrize("dialect", ["diffusers", "attention-processors", "kohya"])
def test_distilled_sdxl_by_its_depths(family: str, dialect: str, tmp_path: Path) -> None:
    def attention(part: str, name: str) -> bool:
        return part == "denoiser" and "attn" in name

    made = make_fixture(family, dialect, keep=attention)
    _, report = read_report(made.save(tmp_path / "x.safetensors"))
    assert (report.family.id, report.family.alternatives) == (family, ())


def test_the_smaller_koala(tmp_path: Path) -> None:
    smaller = table("unet-koala-700m").shapes

    def attention(part: str, name: str) -> bool:
        return part == "denoiser" and "attn" in name and name in smaller

    made = make_fixture("koala", "diffusers", keep=attention)
    _, report = read_report(made.save(tmp_path / "x.safetensors"))
    assert (report.family.id, report.family.alternatives) == ("koala", ())


def test_sdxl_blocks_as_b_lora_trains_them(tmp_path: Path) -> None:
    def style(part: str, name: str) -> bool:
        return name.startswith("up_blocks.0.attentions.1.") and "attn" in name

    made = make_fixture("sdxl", "diffusers-double", keep=style)
    _, report = read_report(made.save(tmp_path / "x.safetensors"))
    assert (report.family.id, report.dialect) == ("sdxl", "diffusers-double")


def test_text_encoders_tell_sdxl_by_the_second(tmp_path: Path) -> None:
    one = lora("lora_te1_text_model_encoder_layers_0_mlp_fc1", 3072, 768)
    two = lora("lora_te2_text_model_encoder_layers_31_mlp_fc1", 5120, 1280)
    assert guess(tmp_path, one | two).id == "sdxl"
    family_guess = guess(tmp_path, one)
    assert {"sd1", "sdxl", "flux1"} <= {family_guess.id, *family_guess.alternatives}


FOREIGN = {
    "segment": {"w_a_000": (4, 768), "w_b_000": (768, 4)},
    "language": {
        f"base_model.model.model.layers.0.self_attn.q_proj.lora_{x}.weight": (8, 8) for x in "AB"
    },
    "GPT": {f"base_model.model.transformer.h.0.attn.c_attn.lora_{x}.weight": (8, 8) for x in "AB"},
    "BERT": {
        f"base_model.model.encoder.layer.0.attention.self.query.lora_{x}.weight": (8, 8)
        for x in "AB"
    },
}


@pytest.mark.parametrize("what", FOREIGN)
def test_other_networks_are_named(what: str, tmp_path: Path) -> None:
    family_guess = guess(tmp_path, {key: np.ones(shape) for key, shape in FOREIGN[what].items()})
    assert family_guess.id == "not-diffusion"
    assert what.lower() in family_guess.evidence[0].lower()


def test_an_unknown_base_is_kept_under_its_own_names(tmp_path: Path) -> None:
    stem = "transformer.layers.0.attention.to_q"
    tensors = {
        f"{stem}.lora_A.weight": np.ones((2, 6), np.float32),
        f"{stem}.lora_B.weight": np.ones((5, 2), np.float32),
    }
    container.save(tmp_path / "x.safetensors", tensors, {})
    adapter, report = read_report(tmp_path / "x.safetensors")
    assert report.family.id == "unknown" and report.count("mapped") == 2
    assert adapter["denoiser", "layers.0.attention.to_q"].shape == (5, 6)
