"""The folder that the pages run in: what its lines promise is what its files are."""

from __future__ import annotations

from pathlib import Path

import pytest

import lorarium as lo
from lorarium import errors
from lorarium.algebra import fingerprint
from lorarium.errors import LorariumError
from lorarium.library.example_folder import write_example_folder


def test_the_files_are_what_the_lines_say(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    file_lines = write_example_folder(tmp_path / "try-it")
    home = tmp_path / "try-it"
    assert all((home / line.split(":")[0].split(",")[0]).exists() for line in file_lines)
    cat, ink, rain = (lo.read(home / f"{name}.safetensors") for name in ("cat", "ink", "rain"))
    assert (cat.family, ink.family, rain.family) == ("micro-1", "micro-1", "sd1")
    copies = [
        lo.read(home / "loras" / f"ink {name}.safetensors") for name in ("copy", "for diffusers")
    ]
    assert {fingerprint(copy) for copy in copies} == {fingerprint(ink)}
    assert (home / "loras/ink copy.safetensors").read_bytes() == (
        home / "ink.safetensors"
    ).read_bytes()
    assert len(list((home / "drawings").glob("*.png"))) == 12
    assert len(list((home / "my-cat").glob("*-cat.png"))) == 6
    with pytest.raises(LorariumError, match="is there already"):
        write_example_folder(home)
    assert write_example_folder(home, force=True) == file_lines


def test_without_pillow_the_pictures_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errors, "_installed", lambda name: False)
    file_lines = write_example_folder(tmp_path)
    assert "no pictures: pictures needs PIL" in file_lines[-1] and "pip install" in file_lines[-1]
    assert not (tmp_path / "drawings").exists() and (tmp_path / "loras").is_dir()
