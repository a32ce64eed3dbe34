"""`inspect`: the published JSON, energy, folders, and time."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lorarium import formats
from lorarium.adapter import Module
from lorarium.algebra import norm
from lorarium.formats.example import example
from lorarium.formats.inspection.inspect import block_of, inspect_file, inspect_files, tensor_files
from tests.timing import numpy_imports

CONTRACT = {
    "path", "ok", "error", "family", "dialect", "kind", "parts", "rank", "parameters", "dtype",
    "norm", "effective_rank", "energy", "metadata", "training", "health", "payload_sha256",
    "fingerprint",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loras")
    metadata = {"ss_tag_frequency": json.dumps({"1_x": {"inkwash": 9, "tree": 2}})}
    formats.write(example(metadata=metadata), folder / "ink.safetensors", "kohya")
    (folder / "deep").mkdir()
    formats.write(example(seed=1, rank=8), folder / "deep" / "rain.safetensors", "diffusers")
    (folder / "broken.safetensors").write_bytes(b"<html>")
    (folder / "notes.md").write_text("not a LoRA")
    return folder


def test_json_is_the_published_one(folder: Path) -> None:
    document = json.loads(json.dumps(inspect_file(folder / "ink.safetensors").to_json()))
    assert document.keys() >= CONTRACT
    assert document["family"]["id"] == "sd1"
    assert set(document["family"]) == {"id", "confidence", "alternatives", "evidence"}
    assert document["kind"] == {"lora": 128} and document["parts"] == {"denoiser": 128}
    assert document["rank"] == {"min": 4, "max": 4, "median": 4}
    assert document["dtype"] == "float16" and document["parameters"] == 797184
    assert document["training"]["trigger_words"][0]["text"] == "inkwash"
    assert document["health"] == [] and document["error"] is None
    assert len(document["payload_sha256"]) == 64


def test_numbers_are_those_of_the_adapter(folder: Path) -> None:
    adapter = formats.read(folder / "ink.safetensors")
    inspection = inspect_file(folder / "ink.safetensors")
    assert inspection.norm == pytest.approx(norm(adapter), rel=1e-5)
    assert sum(inspection.energy.values()) == pytest.approx(1, abs=1e-4)
    up = sum(norm(d) ** 2 for m, d in adapter.items() if m.path.startswith("up_blocks.1"))
    assert inspection.energy["up_blocks.1"] == pytest.approx(up / norm(adapter) ** 2, rel=1e-3)
    assert inspection.effective_rank is not None and 1 < inspection.effective_rank < 4


def test_fingerprint_survives_conversion(folder: Path, tmp_path: Path) -> None:
    formats.convert(folder / "ink.safetensors", tmp_path / "x.safetensors", "diffusers")
    before = inspect_file(folder / "ink.safetensors")
    after = inspect_file(tmp_path / "x.safetensors")
    assert before.fingerprint == after.fingerprint
    assert before.hashes != after.hashes


def test_peft_folder_is_read_with_its_config(tmp_path: Path) -> None:
    formats.write(example(norm=2), tmp_path / "x", "peft")
    [inspection] = inspect_files([str(tmp_path / "x")])
    assert inspection.dialect == "peft" and inspection.norm == pytest.approx(2, rel=0.1)
    assert inspection.health == ()


def test_folder_means_all_files_in_it(folder: Path) -> None:
    inspections = list(inspect_files([str(folder)]))
    assert [Path(one.path).name for one in inspections] == [
        "broken.safetensors",
        "rain.safetensors",
        "ink.safetensors",
    ]
    assert [one.ok for one in inspections] == [False, True, True]
    assert "web page" in inspections[0].error


def test_links_out_of_a_folder_are_left_out(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.safetensors").symlink_to(folder / "ink.safetensors")
    (tmp_path / "in" / "up").symlink_to(folder)
    [inspection] = inspect_files([str(tmp_path / "in")])
    assert "no tensor file" in inspection.error


def test_hub_cache_links_are_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    snapshot = tmp_path / "snapshots" / "main"
    snapshot.mkdir(parents=True)
    (tmp_path / "blobs" / "abc").write_bytes((folder / "ink.safetensors").read_bytes())
    (snapshot / "x.safetensors").symlink_to("../../blobs/abc")
    assert tensor_files(snapshot) == [snapshot / "x.safetensors"]


@pytest.mark.parametrize(
    ("part", "path", "block"),
    [
        ("denoiser", "down_blocks.1.attentions.0.proj_in", "down_blocks.1"),
        ("denoiser", "mid_block.resnets.0.conv1", "mid_block"),
        ("denoiser", "transformer_blocks.18.attn.to_q", "transformer_blocks.18"),
        ("denoiser_2", "blocks.3.ffn", "denoiser_2:blocks.3"),
        ("text_encoder_2", "text_model.encoder.layers.3.mlp.fc1", "text_encoder_2"),
    ],
)
def test_blocks(part: str, path: str, block: str) -> None:
    assert block_of(Module(part, path)) == block


def test_one_file_takes_no_time(folder: Path) -> None:
    path = str(folder / "ink.safetensors")
    # 0.7 s where numpy takes 0.18 s to import; the clock of a busy machine is no measure
    assert numpy_imports("-m", "lorarium", "inspect", path) <= 3.9


def test_inspecting_twice_gives_the_same(folder: Path) -> None:
    one, two = (inspect_file(folder / "ink.safetensors").to_json() for _ in range(2))
    assert one == two and np.isfinite(one["norm"])
