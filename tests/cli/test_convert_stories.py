"""`lorarium convert`: files, folders, the account of keys, errors."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from lorarium import cli, formats
from lorarium.algebra import fingerprint
from lorarium.formats.container import load, save
from lorarium.formats.example import example


def lorarium(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["lorarium", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert isinstance(stop.value.code, int)
    return stop.value.code


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    formats.write(example(seed=1), tmp_path / "in" / "ink.safetensors", "kohya")
    formats.write(example(seed=2), tmp_path / "in" / "deep" / "rain.safetensors", "comfy")
    return tmp_path / "in"


def test_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = folder / "ink.safetensors", folder.parent / "out.safetensors"
    assert lorarium(monkeypatch, "convert", str(source), str(out), "--to", "diffusers") == 0
    text = capsys.readouterr().out
    assert "128 exact; read back and equal" in text and "refused" not in text
    assert fingerprint(formats.read(out)) == fingerprint(formats.read(source))


def test_folder_goes_on_after_a_bad_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "bad.safetensors").write_bytes(b"<html>")
    out = folder.parent / "out"
    assert lorarium(monkeypatch, "convert", str(folder), str(out), "--to", "diffusers") == 2
    out_text, err = capsys.readouterr()
    assert err.count("\n") == 1 and "web page" in err and out_text.count("\n") == 2
    names = sorted(str(path.relative_to(out)) for path in out.rglob("*.safetensors"))
    assert names == ["deep/rain.safetensors", "ink.safetensors"]


def test_refused_keys_are_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = load(folder / "ink.safetensors")
    half = "lora_unet_mid_block_attentions_0_proj_in.lora_up.weight"
    odd = {half: np.ones((4, 4), np.float16), "odd\x1b[31m.lora_up.weight": np.ones((4, 4), "f2")}
    save(folder / "ink.safetensors", {**raw.tensors, **odd}, raw.metadata, force=True)
    out = str(folder.parent / "out.safetensors")
    assert lorarium(monkeypatch, "convert", str(folder / "ink.safetensors"), out) == 1
    text = capsys.readouterr().out
    assert f"refused {half}: its down half is missing" in text and "\x1b" not in text


def test_json(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(folder.parent / "out")
    assert lorarium(monkeypatch, "convert", str(folder), out, "--to", "peft", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "lorarium/1" and document["ok"] is True
    assert [file["written"]["verified"] for file in document["files"]] == [True, True]


@pytest.mark.parametrize("option", [["--to", "klingon"], ["--dtype", "int3"], ["--expert", "mid"]])
def test_wrong_options(
    option: list[str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, out = str(folder / "ink.safetensors"), folder.parent / "out.safetensors"
    assert lorarium(monkeypatch, "convert", source, str(out), *option) == 2
    assert capsys.readouterr().err.count("\n") == 1 and not out.exists()
