"""`lorarium inspect`: the card, JSON, exit codes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from lorarium import cli, formats
from lorarium.cli.inspect import card, picture
from lorarium.formats.container import load, save
from lorarium.formats.example import example
from lorarium.formats.inspection.inspect import inspect_file


def lorarium(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["lorarium", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert isinstance(stop.value.code, int)
    return stop.value.code


@pytest.fixture(scope="module")
def ink(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ink") / "ink.safetensors"
    formats.write(example(metadata={"modelspec.trigger_phrase": "ink wash"}), path, "kohya")
    return path


def test_card(ink: Path) -> None:
    text = card(inspect_file(ink))
    for expected in ("family       ", "sd1", "energy", "█", "ink wash", "AutoV2", "no problem"):
        assert expected in text, expected
    assert all(line == line.rstrip() for line in text.splitlines())


def test_card_shows_no_escape_or_markup(ink: Path, tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07[red]bold[/red] [link=x]\u202e:smile:"
    raw = load(ink)
    words = ("modelspec.trigger_phrase", "modelspec.title", "ss_base_model_version")
    metadata = {key: evil for key in words}
    tensors = {**raw.tensors, evil: raw.tensors[next(iter(raw.tensors))] * float("nan")}
    save(tmp_path / "x.safetensors", tensors, metadata)
    text = card(inspect_file(tmp_path / "x.safetensors"))
    assert "\x1b" not in text and "\u202e" not in text and "[red]bold[/red]" in text
    assert ":smile:" in text


def test_goes_on_after_a_bad_file(
    ink: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"")
    assert lorarium(monkeypatch, "inspect", str(bad), str(ink)) == 2
    out, err = capsys.readouterr()
    assert "sd1" in out and err == f"lorarium: {bad}: the file is empty; " + err.split("; ")[1]
    assert lorarium(monkeypatch, "inspect", "--json", str(bad), str(ink)) == 2
    document = json.loads(capsys.readouterr().out)
    assert [file["ok"] for file in document["files"]] == [False, True]


def test_strict(
    ink: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sick = tmp_path / "sick.safetensors"
    save(sick, load(ink).tensors, {"ss_base_model_version": "sdxl_base_v1-0"})
    assert lorarium(monkeypatch, "inspect", str(sick), "--quiet") == 0
    assert lorarium(monkeypatch, "inspect", str(sick), "--quiet", "--strict") == 1
    assert lorarium(monkeypatch, "inspect", str(ink), "--quiet", "--strict") == 0
    assert capsys.readouterr() == ("", "")


def test_picture_places_blocks_by_their_number() -> None:
    lines = picture({"up_blocks.1": 0.5, "up_blocks.3": 0.25, "mid_block": 0.25})
    assert lines == ["up_blocks  ·█·▅   75.0%", "mid_block  ▅      25.0%"]
    assert picture({}) == []
