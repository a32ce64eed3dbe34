"""Sidecars and previews: recognised by stem, never followed out of the folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lorarium.formats.inspection.sidecars import find_sidecars

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


def test_sidecars_of_each_tool(tmp_path: Path) -> None:
    lora = tmp_path / "ink.v1.safetensors"
    lora.touch()
    info = {
        "model": {"name": "Ink"},
        "baseModel": "SD 1.5",
        "trainedWords": ["inkwash", "\x1b[2J"],
        "files": [{"hashes": {"SHA256": "AB" * 32}}],
    }
    (tmp_path / "ink.v1.civitai.info").write_text(json.dumps(info))
    manager = {"model_name": "I", "sha256": "cd", "civitai": {"trainedWords": ["a"]}}
    (tmp_path / "ink.v1.metadata.json").write_text(json.dumps(manager))
    (tmp_path / "ink.v1.json").write_text(
        json.dumps({"activation text": "a, b", "preferred weight": 0.7, "sd version": "SD1"})
    )
    (tmp_path / "ink.v1.txt").write_text("use gently")
    (tmp_path / "ink.v1.preview.png").write_bytes(PNG)
    (tmp_path / "ink.v2.txt").write_text("another file's")
    sidecars = {side.path.name: side for side in find_sidecars(lora)}
    assert list(sidecars) == [
        "ink.v1.civitai.info",
        "ink.v1.metadata.json",
        "ink.v1.json",
        "ink.v1.txt",
        "ink.v1.preview.png",
    ]
    assert sidecars["ink.v1.civitai.info"].facts == {
        "name": "Ink",
        "base": "SD 1.5",
        "sha256": "ab" * 32,
        "words": ["inkwash", "\\x1b[2J"],
    }
    assert sidecars["ink.v1.json"].facts == {"base": "SD1", "words": ["a", "b"], "weight": 0.7}
    assert sidecars["ink.v1.preview.png"].kind == "preview"


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "secret.json").write_text('{"name": "secret"}')
    (inside / "own.json").write_text('{"name": "own"}')
    (inside / "x.json").symlink_to(outside / "secret.json")
    (inside / "x.civitai.info").symlink_to("../out/secret.json")
    (inside / "x.metadata.json").symlink_to("own.json")
    (inside / "x.txt").symlink_to("x.txt")
    assert [side.facts for side in find_sidecars(inside / "x.safetensors")] == [{"name": "own"}]


@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff\xfe", b"[" * 100_000, b'{"files":[1]}'])
def test_broken_descriptions_are_left_out(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    (tmp_path / "x.png").write_bytes(b"<html>")
    os.mkfifo(tmp_path / "x.txt")
    (tmp_path / "x.civitai.info").mkdir()
    assert find_sidecars(tmp_path / "x.safetensors") == ()


def test_huge_descriptions_are_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "x.txt", "wb") as file:
        file.truncate(2**33)
    assert find_sidecars(tmp_path / "x.safetensors") == ()
