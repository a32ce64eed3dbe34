"""Families from headers alone: the answers of whole files, also for files made to hurt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lorarium.errors import LorariumError
from lorarium.formats import container, detect_file, glance, read_report
from lorarium.formats.synthesise import make_fixture


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    glance._seen.clear()


@pytest.mark.parametrize("family", ["sd1", "flux1", "wan-1.3b", "z-image"])
def test_the_answer_of_a_whole_file(family: str, tmp_path: Path) -> None:
    for rank in (2, 4):
        file = make_fixture(family, "diffusers", rank=rank, keep=lambda part, name: "att" in name)
        path = file.save(tmp_path / f"{rank}.safetensors")
        for _ in range(2):  # judged, then looked up
            assert detect_file(path) == read_report(path)[1].family


def test_metadata_that_chooses_is_part_of_the_layout(tmp_path: Path) -> None:
    stem = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    tensors = {
        f"{stem}.lora_down.weight": np.ones((1, 320), np.float16),
        f"{stem}.lora_up.weight": np.ones((320, 1), np.float16),
    }
    container.save(tmp_path / "a.safetensors", tensors, {"ss_base_model_version": "sd_v1"})
    container.save(tmp_path / "b.safetensors", tensors, {"ss_base_model_version": "sd_v2"})
    assert [detect_file(tmp_path / f"{x}.safetensors").id for x in "ab"] == ["sd1", "sd2"]


def raw(path: Path, header: str, payload: int) -> Path:
    text = header.encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(payload))
    return path


def test_only_metadata_in_front_is_left_out(tmp_path: Path) -> None:
    tensors = '"x.lora_A.weight":{"dtype":"F16","shape":[1,4],"data_offsets":[0,8]}'
    layouts = [
        glance._layout_of_text(text.encode())
        for text in (
            '{"__metadata__":{"note":"a"},' + tensors + "}",
            '{"__metadata__":{"note":"b"},' + tensors + "}",
            '{"__metadata__":{"ss_v2":"True"},' + tensors + "}",
            "{" + tensors + ',"__metadata__":{"note":"a"}}',
            "{" + tensors + ',"__metadata__":{"ss_v2":"True"}}',
            "{" + tensors.replace("[1,4]", "[4,1]") + "}",
        )
    ]
    assert layouts[0] == layouts[1] and len(set(layouts)) == 5


@pytest.mark.parametrize(
    "header", ["{", "[]", '{"a":1}', '{"__metadata__":[]}', '{"a":{"shape":1}}']
)
def test_broken_headers_are_one_line(header: str, tmp_path: Path) -> None:
    with pytest.raises(LorariumError):
        detect_file(raw(tmp_path / "x.safetensors", header, 8))


def test_little_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glance, "LAYOUTS", 3)
    for i in range(6):
        tensors = {f"layer{i}.lora_A.weight": np.ones((1, 4), np.float16)}
        container.save(tmp_path / "x.safetensors", tensors, force=True)
        detect_file(tmp_path / "x.safetensors")
    assert len(glance._seen) == 3
