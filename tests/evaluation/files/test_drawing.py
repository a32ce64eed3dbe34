"""Names of files, and files of prompts."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from lorarium.errors import LorariumError
from lorarium.evaluation.files.drawing import contenders, content_hash, read_prompts


def test_names_are_as_short_as_they_can_be(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for name in ("last.safetensors", f"{folder}.safetensors"):
            (tmp_path / folder / name).write_bytes(folder.encode())
    one, two = str(tmp_path / "a" / "last.safetensors"), str(tmp_path / "b" / "last.safetensors")
    assert [c.name for c in contenders([(one, 1.0), (one, 0.5)])] == ["last", "last:0.5"]
    assert [c.name for c in contenders([(one, 1.0), (two, 1.0)])] == ["a/last", "b/last"]
    assert [c.name for c in contenders([(str(tmp_path / "a" / "a.safetensors"), 1.0)])] == ["a"]
    with pytest.raises(LorariumError, match="twice"):
        contenders([(one, 1.0), (one, 1.0)])
    with pytest.raises(LorariumError, match="no such file"):
        contenders([("nowhere.safetensors", 1.0)])


def test_a_folder_is_known_by_all_it_holds(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("1")
    before = content_hash(tmp_path)
    (tmp_path / "x").write_text("2")
    assert content_hash(tmp_path) != before


def test_prompts(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("# cats\n a  cat \n\na dog\na cat\n")
    assert read_prompts(file) == ("a cat", "a dog")
    for wrong in (b"", b"# only\n", b"\xff\xfe", b"x" * 2_001, b"y" * 2_000_001):
        file.write_bytes(wrong)
        with pytest.raises(LorariumError):
            read_prompts(file)
    with pytest.raises(LorariumError):
        read_prompts(tmp_path / "nowhere.txt")
