"""Files whose tensors do not make sense: an entry in the report for each key, never a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lorarium.adapter import Adapter
from lorarium.errors import LorariumError
from lorarium.formats import container, convert, header, read, read_report, write
from lorarium.formats.report import Report
from lorarium.formats.synthesise import make_fixture

STEM = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
PATH = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def outcome(path: Path, tensors: dict[str, np.ndarray]) -> tuple[Adapter, Report]:
    container.save(path / "x.safetensors", tensors, {}, force=True)
    adapter, report = read_report(path / "x.safetensors")
    assert {key.key for key in report.keys} == set(tensors)
    assert all(key.reason for key in report.keys if key.fate != "mapped")
    return adapter, report


DOWN, UP = f"{STEM}.lora_down.weight", f"{STEM}.lora_up.weight"
BROKEN = {
    "lone down": {DOWN: ones(2, 1280)},
    "lone up": {UP: ones(1280, 2)},
    "ranks differ": {DOWN: ones(2, 1280), UP: ones(1280, 3)},
    "a vector": {DOWN: ones(2), UP: ones(1280, 2)},
    "empty": {DOWN: ones(0, 1280), UP: ones(1280, 0)},
    "kernel on up": {DOWN: ones(2, 4, 3, 3), UP: ones(8, 2, 3, 3)},
    "alpha of two": {DOWN: ones(2, 8), UP: ones(8, 2), f"{STEM}.alpha": ones(2)},
    "alpha of nothing": {DOWN: ones(2, 8), UP: ones(8, 2), f"{STEM}.alpha": ones(1) * np.nan},
    "mid misfits": {
        DOWN: ones(2, 4, 1, 1),
        UP: ones(8, 2, 1, 1),
        f"{STEM}.lora_mid.weight": ones(3),
    },
    "half a loha": {f"{STEM}.hada_w1_a": ones(8, 2), f"{STEM}.hada_w1_b": ones(2, 8)},
    "loha misfits": {
        **{f"{STEM}.hada_w{i}_a": ones(8, 2) for i in (1, 2)},
        **{f"{STEM}.hada_w{i}_b": ones(3, 8) for i in (1, 2)},
    },
    "half a lokr": {f"{STEM}.lokr_w1": ones(2, 2)},
    "lokr misfits": {
        f"{STEM}.lokr_w1": ones(2, 2),
        f"{STEM}.lokr_w2_a": ones(2, 2),
        f"{STEM}.lokr_w2_b": ones(3, 2),
    },
    "dora misfits": {DOWN: ones(2, 8), UP: ones(8, 2), f"{STEM}.dora_scale": ones(5, 1)},
    "dora alone": {f"{STEM}.dora_scale": ones(5, 1)},
    "dora of nothing": {DOWN: ones(2, 8), UP: ones(8, 2), f"{STEM}.dora_scale": ones(1, 0)},
    "a lokr factor of no axes": {
        f"{STEM}.lokr_w1": ones(2, 2),
        f"{STEM}.lokr_w2_a": ones(),
        f"{STEM}.lokr_w2_b": ones(2, 4),
        f"{STEM}.lokr_t2": ones(2, 2, 3, 3),
    },
    "lokr without rows": {f"{STEM}.lokr_w1": ones(0, 2), f"{STEM}.lokr_w2": ones(2, 2)},
    "diff without rows": {f"{STEM}.diff": ones(0, 8)},
    "Tucker cores that do not meet": {
        **{f"{STEM}.hada_w{i}_a": ones(2, 8) for i in (1, 2)},
        **{f"{STEM}.hada_w{i}_b": ones(2, 4) for i in (1, 2)},
        f"{STEM}.hada_t1": ones(2, 2, 3, 3),
        f"{STEM}.hada_t2": ones(2, 2, 5, 5),
    },
    "integers": {DOWN: ones(2, 8).astype(np.int8), UP: ones(8, 2)},
    "exponents alone": {
        DOWN: ones(2, 8),
        UP: ones(8, 2).astype(header.DTYPES["F8_E8M0"]),
    },
    "an alpha of no size": {DOWN: ones(2, 8), UP: ones(8, 2), f"{STEM}.alpha": np.array(1e300)},
    "flat diff": {f"{STEM}.diff": ones(5)},
}


@pytest.mark.parametrize("case", BROKEN)
def test_each_key_is_refused_by_name(case: str, tmp_path: Path) -> None:
    adapter, report = outcome(tmp_path, BROKEN[case])
    assert len(adapter) == 0 and report.count("refused") == len(BROKEN[case])


def test_the_sound_modules_of_a_broken_file_are_read(tmp_path: Path) -> None:
    good = STEM.replace("to_q", "to_k")
    sound = {f"{good}.lora_down.weight": ones(2, 1280), f"{good}.lora_up.weight": ones(1280, 2)}
    adapter, report = outcome(tmp_path, {**BROKEN["lone up"], **sound})
    assert [m.path for m in adapter] == [PATH.replace("to_q", "to_k")]
    assert [key.key for key in report.refused()] == [UP]


def test_two_spellings_of_a_module(tmp_path: Path) -> None:
    kohya = {DOWN: ones(2, 1280), UP: ones(1280, 2)}
    other = {
        f"unet.{PATH}.lora_A.weight": ones(2, 1280),
        f"unet.{PATH}.lora_B.weight": ones(1280, 2),
    }
    adapter, report = outcome(tmp_path, kohya | other)
    assert len(adapter) == 1 and report.count("refused") == 2
    assert any("spelled twice" in warning for warning in report.warnings)
    other[f"unet.{PATH}.lora_B.weight"] = 2 * ones(1280, 2)
    adapter, report = outcome(tmp_path, kohya | other)
    assert len(adapter) == 0 and report.count("refused") == 4


def test_kinds_that_are_not_ours_are_carried_and_come_back(tmp_path: Path) -> None:
    opaque = {
        f"{STEM}.oft_blocks": ones(4, 8, 8),
        f"{STEM}.alpha": ones(),
        "lora_unet_mid_block_resnets_0_norm1.w_norm": ones(8),
        "lora_unet_mid_block_attentions_0_proj_in.a1.weight": ones(8, 8),
        "bundle_emb.token.string_to_param.*": ones(2, 768),
    }
    sound = {
        f"{STEM[:-1]}k.lora_down.weight": ones(2, 1280),
        f"{STEM[:-1]}k.lora_up.weight": ones(1280, 2),
    }
    adapter, report = outcome(tmp_path, {**opaque, **sound})
    assert set(adapter.opaque) == set(opaque) and report.count("carried") == len(opaque)
    again = write(adapter, tmp_path / "y.safetensors")
    assert again.count("carried") == len(opaque)
    assert set(read(tmp_path / "y.safetensors").opaque) == set(opaque)
    elsewhere = write(adapter, tmp_path / "z.safetensors", "diffusers")
    assert {fate.name for fate in elsewhere.refused()} == set(opaque)


def test_nothing_left_to_write_is_an_error(tmp_path: Path) -> None:
    made = make_fixture("sd1", "kohya", "lokr", every=False)
    adapter = read(made.save(tmp_path / "x.safetensors"), "sd1")
    with pytest.raises(LorariumError, match="cannot express LoKr"):
        write(adapter, tmp_path / "y.safetensors", "diffusers")
    assert not (tmp_path / "y.safetensors").exists()
    for wrong in ({"dialect": "klingon"}, {"dtype": "fp1"}):
        with pytest.raises(LorariumError, match="unknown"):
            write(adapter, tmp_path / "y.safetensors", **wrong)


def peft_folder(path: Path, **config: object) -> Path:
    made = make_fixture("sd1", "peft", rank=4, every=False, keep=lambda p, n: p == "text_encoder")
    made.save(path, force=True)
    base = {"peft_type": "LORA", "r": 4, "lora_alpha": 8}
    folder = path / "text_encoder"
    (folder / "adapter_config.json").write_text(json.dumps(base | config))
    return folder


def scales(adapter: Adapter) -> dict[str, float]:
    return {module.path.rpartition(".")[2]: delta.scale for module, delta in adapter.items()}


def test_peft_patterns(tmp_path: Path) -> None:
    folder = peft_folder(
        tmp_path, alpha_pattern={"fc1": 4, r"^text_model\.encoder\.layers\.\d+\.mlp\.fc2$": 16}
    )
    module_scales = scales(read(folder, "sd1"))
    assert module_scales == {"fc1": 1.0, "fc2": 4.0} | {
        f"{x}_proj": 2.0 for x in ("q", "k", "v", "out")
    }
    assert set(scales(read(peft_folder(tmp_path, use_rslora=True), "sd1")).values()) == {4.0}


def test_hostile_patterns_are_not_executed(tmp_path: Path) -> None:
    hostile = {"(a+)+$": 4, "(?=.*)x": 1, "x" * 600: 2, ".*.*.*.*.*.*fc1": 4, "fc2": None}
    _, report = read_report(peft_folder(tmp_path, alpha_pattern=hostile), "sd1")
    assert sum("not a plain name" in warning for warning in report.warnings) == 3
    assert sum("no number" in warning for warning in report.warnings) == 1


HUGE = 10**400


@pytest.mark.parametrize(
    "config",
    [
        {"r": HUGE},
        {"lora_alpha": HUGE},
        {"lora_alpha": -HUGE},
        {"alpha_pattern": {"to_q": HUGE}},
        {"rank_pattern": {"to_q": HUGE}},
        {"r": -4, "use_rslora": True},
        {"r": 0},
        {"lora_alpha": 1e308, "r": 1e-300},
        {"alpha_pattern": {"to_q": [1]}, "rank_pattern": {"to_q": {}}},
    ],
    ids=lambda config: str(config)[:25],
)
def test_numbers_of_a_config_that_are_none(config: dict[str, object], tmp_path: Path) -> None:
    _, report = read_report(peft_folder(tmp_path, **config), "sd1")
    assert any("ignored" in warning for warning in report.warnings)
    flat = {f"text_encoder.{name}": value for name, value in config.items()}
    made = make_fixture("sd1", "diffusers", rank=4, every=False)
    note = {"lora_adapter_metadata": json.dumps(flat)}
    container.save(tmp_path / "x.safetensors", dict(made.tensors[""]), note)
    assert len(read(tmp_path / "x.safetensors", "sd1"))


@pytest.mark.parametrize("kind", [[], {}, ["LORA"], 7, True, "x" * 9999])
def test_types_of_a_config_that_are_none(kind: object, tmp_path: Path) -> None:
    with pytest.raises(LorariumError, match="are not LoRA"):
        read(peft_folder(tmp_path, peft_type=kind))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"peft_type": "PROMPT_TUNING"}', "[" * 100_000])
def test_broken_configs(text: str, tmp_path: Path) -> None:
    folder = peft_folder(tmp_path)
    (folder / "adapter_config.json").write_text(text)
    with pytest.raises(LorariumError):
        read(folder)


def test_links_out_of_a_folder(tmp_path: Path) -> None:
    folder = peft_folder(tmp_path / "a")
    weights = folder / "adapter_model.safetensors"
    weights.rename(tmp_path / "elsewhere.safetensors")
    weights.symlink_to(tmp_path / "elsewhere.safetensors")
    with pytest.raises(LorariumError, match="leads out"):
        read(folder)
    weights.unlink()
    with pytest.raises(LorariumError, match="but no adapter_model"):
        read(folder)


def test_links_of_a_hub_cache(tmp_path: Path) -> None:
    folder = peft_folder(tmp_path / "models--x" / "snapshots" / "1")
    blobs = tmp_path / "models--x" / "blobs"
    blobs.mkdir()
    weights = folder / "adapter_model.safetensors"
    weights.rename(blobs / "abc")
    weights.symlink_to(blobs / "abc")
    assert len(read(folder, "sd1")) == 6


def test_scale_in_the_header_of_a_diffusers_file(tmp_path: Path) -> None:
    made = make_fixture("sd1", "diffusers", rank=4, every=False)
    note = {"unet.r": 4, "unet.lora_alpha": 2, "text_encoder.r": 4, "text_encoder.lora_alpha": 12}
    container.save(
        tmp_path / "x.safetensors",
        dict(made.tensors[""]),
        {"lora_adapter_metadata": json.dumps(note)},
    )
    adapter = read(tmp_path / "x.safetensors", "sd1")
    part_scales = {(module.part, delta.scale) for module, delta in adapter.items()}
    assert part_scales == {("denoiser", 0.5), ("text_encoder", 3.0)}
    write(adapter, tmp_path / "y.safetensors")
    again = read(tmp_path / "y.safetensors", "sd1")
    assert {delta.scale for _, delta in again.items()} == {1.0}
    assert "lora_adapter_metadata" not in again.metadata


def test_a_folder_goes_on_after_a_bad_file(tmp_path: Path) -> None:
    loras = tmp_path / "loras" / "deep"
    loras.mkdir(parents=True)
    make_fixture("sd1", "kohya", every=False).save(loras / "good.safetensors")
    (loras / "bad.safetensors").write_text("<html>")
    peft_folder(loras / "folder")
    report = convert(tmp_path / "loras", tmp_path / "out", to="comfy")
    assert [file.ok for file in report.files] == [False, True, True]
    assert {p.name for p in (tmp_path / "out" / "deep").iterdir()} == {
        "good.safetensors",
        "folder.safetensors",
    }
    again = convert(tmp_path / "out", tmp_path / "peft", to="peft")
    assert again.ok and (tmp_path / "peft" / "deep" / "good" / "unet").is_dir()


def test_a_peft_folder_replaces_only_its_like(tmp_path: Path) -> None:
    made = make_fixture("sd1", "kohya", every=False)
    adapter = read(made.save(tmp_path / "x.safetensors"), "sd1")
    for force in (False, True):
        assert write(adapter, tmp_path / "folder", "peft", force=force).verified
    (tmp_path / "folder" / "notes.txt").write_text("mine")
    with pytest.raises(LorariumError, match="other files"):
        write(adapter, tmp_path / "folder", "peft", force=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "x.safetensors"]
