"""`lorarium metadata`: shows, edits, and leaves the payload as it was."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lorarium.cli.metadata import command
from lorarium.errors import LorariumError
from lorarium.formats.container import load, save
from lorarium.formats.edit import edit_metadata


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    tensors = {f"k{i}": rng.normal(size=(i + 1, 3)).astype("f2") for i in range(5)}
    save(tmp_path / "x.safetensors", tensors, {"b": "2", "a": "\x1b[31m"})
    return tmp_path / "x.safetensors"


def call(*arguments: str) -> None:
    command.main([*arguments], standalone_mode=False)


def payload(path: Path) -> bytes:
    return path.read_bytes()[load(path).payload_start :]


def test_show(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(str(file))
    assert capsys.readouterr().out == "a: \\x1b[31m\nb: 2\n"
    call(str(file), "--json")
    document = json.loads(capsys.readouterr().out)
    assert document["metadata"] == {"a": "\x1b[31m", "b": "2"}


def test_edit_keeps_the_payload(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, mode = payload(file), 0o640
    file.chmod(mode)
    call(str(file), "--set", "c=é=f", "--set", "b=3", "--remove", "a", "--quiet")
    assert capsys.readouterr().out == ""
    assert payload(file) == before and load(file).metadata == {"b": "3", "c": "é=f"}
    assert file.stat().st_mode & 0o777 == mode
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_out_leaves_the_file_alone(file: Path) -> None:
    before, out = file.read_bytes(), file.with_name("y.safetensors")
    call(str(file), "--set", "n=1", "-o", str(out))
    assert file.read_bytes() == before
    assert load(out).metadata["n"] == "1" and payload(out) == payload(file)


def test_payload_in_any_order_stays_where_it_is(tmp_path: Path) -> None:
    from tests.hostile import entry, raw

    path = tmp_path / "x.safetensors"
    path.write_bytes(raw({"z": entry(0, 1), "a": entry(1, 3), "m": entry(3, 3)}, b"abc"))
    edit_metadata(path, put={"k": "v"})
    assert payload(path) == b"abc" and load(path).tensors["a"].tobytes() == b"bc"


def test_removing_what_is_not_there(file: Path) -> None:
    before = file.read_bytes()
    with pytest.raises(LorariumError, match="no metadata 'zzz'"):
        edit_metadata(file, remove=["zzz"])
    assert file.read_bytes() == before


def test_torch_files_cannot_be_edited(tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(b"\x80\x02}q\0.")
    with pytest.raises(LorariumError, match="pickle"):
        edit_metadata(tmp_path / "x.pt", put={"a": "b"})
