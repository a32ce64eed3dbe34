"""Every health code is found where it is due, and not in a healthy file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from lorarium import formats
from lorarium.adapter import Adapter, Delta, LowRank, Module
from lorarium.formats.container import load, save
from lorarium.formats.example import example
from lorarium.formats.inspection.health import CODES, all_finite
from lorarium.formats.inspection.inspect import Inspection, inspect_file

UP = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q.lora_up.weight"
DOWN = UP.replace("lora_up", "lora_down")


@pytest.fixture(scope="module")
def ink(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ink") / "ink.safetensors"
    stamps = {"ss_network_dim": "4", "ss_network_alpha": "4", "ss_base_model_version": "sd_v1"}
    formats.write(example(metadata=stamps), path, "kohya")
    return path


def changed(ink: Path, folder: Path, **tensors: np.ndarray) -> Inspection:
    raw = load(ink)
    names = {"up": UP, "down": DOWN}
    changes = {names.get(key, key): value for key, value in tensors.items()}
    save(folder / "x.safetensors", {**raw.tensors, **changes}, raw.metadata, force=True)
    return inspect_file(folder / "x.safetensors")


def stamped(ink: Path, folder: Path, **metadata: str) -> Inspection:
    raw = load(ink)
    save(folder / "x.safetensors", raw.tensors, {**raw.metadata, **metadata}, force=True)
    return inspect_file(folder / "x.safetensors")


def codes(inspection: Inspection) -> list[str]:
    assert {finding.code for finding in inspection.health} <= CODES.keys()
    json.dumps(inspection.to_json(), allow_nan=False)
    return [finding.code for finding in inspection.health]


def test_healthy(ink: Path) -> None:
    assert codes(inspect_file(ink)) == []


@pytest.mark.parametrize(("value", "code"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "inf")])
def test_not_finite(ink: Path, tmp_path: Path, value: float, code: str) -> None:
    up = np.array(load(ink).tensors[UP])
    up[3, 1] = value
    inspection = changed(ink, tmp_path, up=up)
    assert codes(inspection)[0] == code and inspection.health[0].where == UP
    assert inspection.norm is None


def test_dead_module_says_which_factor(ink: Path, tmp_path: Path) -> None:
    raw = load(ink)
    for name, key in (("up", UP), ("down", DOWN)):
        inspection = changed(ink, tmp_path, **{name: raw.tensors[key] * 0})
        assert codes(inspection) == ["dead-module"]
        assert "mid_block.attentions.0" in inspection.health[0].where
        assert f"its {name} factor is all zero" in inspection.health[0].message


def test_zero_adapter(ink: Path, tmp_path: Path) -> None:
    zeros = {k: v * 0 for k, v in load(ink).tensors.items() if k.endswith("lora_up.weight")}
    assert codes(changed(ink, tmp_path, **zeros)) == ["zero-adapter"]


def test_tiny_and_exploding(ink: Path, tmp_path: Path) -> None:
    up = load(ink).tensors[UP].astype(np.float32)
    assert codes(changed(ink, tmp_path, up=up * 1e-8)) == ["tiny-norm"]
    assert codes(changed(ink, tmp_path, up=up * 1e5)) == ["exploding-norm"]
    # three times its neighbours is a choice, not a fault
    assert codes(changed(ink, tmp_path, up=up * 3)) == []


def test_whole_adapter_exploding(tmp_path: Path) -> None:
    formats.write(example(norm=1e5, dtype=np.float32), tmp_path / "x.safetensors", "kohya")
    assert codes(inspect_file(tmp_path / "x.safetensors")) == ["exploding-norm"]


HOSTILE = ["[" * 100_000, '{"a":' * 100_000, '{"r": NaN}', '{"r":1e999}', "9" * 5000, "\0", "[[]]"]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: value[:6])
def test_hostile_metadata_does_not_stop_reading(ink: Path, tmp_path: Path, value: str) -> None:
    keys = ("lora_adapter_metadata", "unet", "text_encoder", "ss_tag_frequency", "ot_config")
    tensors = {"unet:0:up": np.ones((4, 1), "f4"), "unet:0:down": np.ones((1, 4), "f4")}
    save(tmp_path / "x.safetensors", {**load(ink).tensors, **tensors}, dict.fromkeys(keys, value))
    codes(inspect_file(tmp_path / "x.safetensors"))


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16, np.float64])
@pytest.mark.parametrize("size", [1e-45, 1e-38, 1e-30, 1e15, 1e30, 3e38])
def test_extreme_values_are_findings_not_errors(tmp_path: Path, dtype: type, size: float) -> None:
    adapter = example(rank=2)
    deltas = {
        module: replace(delta, up=np.full(delta.up.shape, size).astype(dtype))
        for module, delta in adapter.items()
        if isinstance(delta, LowRank)
    }
    formats.write(adapter.with_(deltas=deltas), tmp_path / "x.safetensors", "kohya")
    finding_codes = codes(inspect_file(tmp_path / "x.safetensors"))
    assert ("exploding-norm" in finding_codes) == (size > 1)


@pytest.mark.parametrize(
    ("stamps", "code"),
    [
        ({"ss_base_model_version": "sdxl_base_v1-0"}, "stamp-family"),
        ({"ss_network_dim": "32"}, "stamp-rank"),
        ({"ss_network_alpha": "1"}, "stamp-alpha"),
        ({"sshs_model_hash": "0" * 64}, "stamp-hash"),
        ({"modelspec.hash_sha256": "0xe3b0c44298fc1c149afbf4c8996fb924"}, "stamp-hash"),
        ({"ss_network_dim": "Dynamic", "ss_network_alpha": "Dynamic"}, None),
    ],
)
def test_stamps(ink: Path, tmp_path: Path, stamps: dict[str, str], code: str | None) -> None:
    finding_codes = codes(stamped(ink, tmp_path, **stamps))
    assert finding_codes == ([code] if code else [])


def test_true_hash_stamp_is_fine(ink: Path, tmp_path: Path) -> None:
    sha = inspect_file(ink).hashes.payload_sha256  # type: ignore[union-attr]
    assert codes(stamped(ink, tmp_path, sshs_model_hash=sha)) == []


def test_sidecar_of_another_file(ink: Path, tmp_path: Path) -> None:
    (tmp_path / "x.metadata.json").write_text(json.dumps({"sha256": "ab" * 32}))
    assert codes(stamped(ink, tmp_path)) == ["sidecar-hash"]


def test_not_diffusion(tmp_path: Path) -> None:
    names = [f"base_model.model.model.layers.{i}.self_attn.q_proj" for i in range(8)]
    tensors = {
        f"{name}.lora_{half}.weight": np.ones((4, 4), np.float32) for name in names for half in "AB"
    }
    save(tmp_path / "x.safetensors", tensors)
    inspection = inspect_file(tmp_path / "x.safetensors")
    assert (
        codes(inspection)[0] == "not-diffusion" and "language-model" in inspection.health[0].message
    )


def test_no_change_at_all(tmp_path: Path) -> None:
    save(tmp_path / "x.safetensors", {f"something.else{i}": np.ones(3) for i in range(5)})
    inspection = inspect_file(tmp_path / "x.safetensors")
    assert "unknown-naming" in codes(inspection) and "empty" not in codes(inspection)
    assert "else0" in inspection.health[0].message and "else2" in inspection.health[0].message
    save(tmp_path / "x.safetensors", {}, force=True)
    assert "empty" in codes(inspect_file(tmp_path / "x.safetensors"))


def test_unknown_family(tmp_path: Path) -> None:
    tensors = {f"lora_unet_strange_{i}.lora_{half}.weight": np.ones((4, 4), np.float32)
               for i in range(4) for half in ("up", "down")}  # fmt: skip
    save(tmp_path / "x.safetensors", tensors)
    assert "unknown-family" in codes(inspect_file(tmp_path / "x.safetensors"))


def test_mostly_unmapped(ink: Path, tmp_path: Path) -> None:
    strange = {f"strange.{i}.thing": np.ones(2, np.float32) for i in range(500)}
    assert codes(changed(ink, tmp_path, **strange)) == ["unmapped-keys"]


def test_unpaired_half(ink: Path, tmp_path: Path) -> None:
    raw = load(ink)
    tensors = {key: value for key, value in raw.tensors.items() if key != UP}
    save(tmp_path / "x.safetensors", tensors, raw.metadata)
    inspection = inspect_file(tmp_path / "x.safetensors")
    assert codes(inspection) == ["refused-keys"] and DOWN in inspection.health[0].where


def test_peft_without_config_is_an_assumption(tmp_path: Path) -> None:
    formats.write(example(), tmp_path / "x.safetensors", "peft")
    save(tmp_path / "x.safetensors", load(tmp_path / "x.safetensors").tensors, force=True)
    assert "reader" in codes(inspect_file(tmp_path / "x.safetensors"))


def test_hundreds_of_places_are_one_finding(ink: Path, tmp_path: Path) -> None:
    raw = load(ink)
    bad = {k: v * np.float16(np.nan) for k, v in raw.tensors.items() if k.endswith("up.weight")}
    [finding] = changed(ink, tmp_path, **bad).health
    assert finding.code == "nan" and finding.where.endswith("and 125 more")


DTYPES = [np.float16, ml_dtypes.bfloat16, np.float32, np.float64]
DTYPES += [ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, ml_dtypes.float8_e4m3fnuz]


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: np.dtype(dtype).name)
def test_finiteness_on_the_bits(dtype: type) -> None:
    size = np.dtype(dtype).itemsize
    if size <= 2:  # every value there is
        values = np.arange(256**size, dtype=f"u{size}").view(dtype)
    else:
        values = np.array([0, -0.0, 1, -1, np.nan, np.inf, -np.inf, np.finfo(dtype).max], dtype)
    with np.errstate(invalid="ignore"):
        wide = values.astype(np.float64)
    for value, finite in zip(values, np.isfinite(wide), strict=True):
        assert all_finite(np.array([1, value], dtype)) == finite, value
    assert all_finite(values[np.isfinite(wide)])


def test_strided_arrays_are_checked_too() -> None:
    x = np.zeros((4, 4), np.float32)
    x[1, 1] = np.nan
    assert not all_finite(x.T) and all_finite(x[:, ::2])


def test_dora_and_odd_kinds_are_inspected(tmp_path: Path) -> None:
    from lorarium.adapter import Dora, Hadamard, Kronecker

    plain = example()
    deltas: dict[Module, Delta] = {}
    rng = np.random.default_rng(0)
    for i, (module, delta) in enumerate(plain.items()):
        assert isinstance(delta, LowRank)
        out, into = delta.shape
        if i % 4 == 1:
            deltas[module] = Dora(delta, np.ones((out, 1), np.float16))
        elif i % 4 == 2:
            half = replace(delta, scale=1.0)
            deltas[module] = Hadamard(half.up, half.down, half.up, half.down)
        elif i % 4 == 3:
            w1, w2 = rng.normal(size=(4, 4)), rng.normal(size=(out // 4, into // 4))
            deltas[module] = Kronecker(w1.astype("f2") / 99, w2=w2.astype("f2") / 99)
        else:
            deltas[module] = delta
    adapter = Adapter(deltas, "sd1", {}, {}, "kohya")
    formats.write(adapter, tmp_path / "x.safetensors", "kohya")
    inspection = inspect_file(tmp_path / "x.safetensors")
    assert dict(inspection.kind) == {"lora": 32, "dora": 32, "loha": 32, "lokr": 32}
    assert inspection.norm and inspection.fingerprint and inspection.effective_rank
    json.dumps(inspection.to_json(), allow_nan=False)
