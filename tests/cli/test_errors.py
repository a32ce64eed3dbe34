"""Bad input through the command line: one line on stderr, exit 2, nothing executed or left over."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
import pytest

from lorarium import cli

READ = ["{file}"]
WRITERS = {
    "convert": ["{file}", "{out}", "--to", "diffusers"],
    "resize": ["{file}", "{out}", "--rank", "1"],
    "merge": ["{file}", "-o", "{out}"],
}


def commands() -> set[str]:
    return set(cli.cli.list_commands(click.Context(cli.cli)))


def lorarium(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["lorarium", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert isinstance(stop.value.code, int)
    return stop.value.code


def one_clean_line(text: str) -> bool:
    return text.count("\n") == 1 and text.removesuffix("\n").isprintable()


@pytest.mark.parametrize("command", sorted({"inspect", "metadata", *WRITERS} & commands()))
def test_hostile_files(
    command: str,
    hostile: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = {path.name for path in hostile.parent.iterdir()}
    target = str(hostile.parent / "out.safetensors")
    arguments = [part.format(file=hostile, out=target) for part in WRITERS.get(command, READ)]
    assert lorarium(monkeypatch, command, *arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and one_clean_line(err) and err.startswith("lorarium: "), (out, err)
    assert {path.name for path in hostile.parent.iterdir()} == before


def test_hostile_file_in_json(
    hostile: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lorarium(monkeypatch, "inspect", "--json", str(hostile)) == 2
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["schema"] == "lorarium/1" and one_clean_line(err)
    [entry] = document["files"]
    assert entry["ok"] is False and entry["error"] and entry["family"] is None


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["inspect"],
        ["inspect", "--nonsense", "x"],
        ["inspect", "\x1b[31m\n\u202e.safetensors"],
        ["metadata"],
        ["metadata", "x", "--set", "no-equals"],
        ["metadata", "x", "--set", "=value"],
        ["metadata", "no-such-file", "--set", "a=b"],
    ],
)
def test_wrong_calls(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lorarium(monkeypatch, *arguments) == 2
    assert one_clean_line(capsys.readouterr().err)
