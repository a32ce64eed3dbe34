"""What nobody foresaw in one file of many: a bad file with the class and place of the error, the
others go on, and `--debug` shows the traceback."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from lorarium import cli, formats
from lorarium.descriptors import many
from lorarium.errors import DEBUG, LorariumError, file_error
from lorarium.formats import converting
from lorarium.formats.example import example
from lorarium.formats.inspection import inspect
from tests.cli.test_errors import lorarium, one_clean_line


@pytest.fixture
def loras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three files, and a fault in us that the second one meets."""
    folder = tmp_path / "loras"
    folder.mkdir()
    for name in "abc":
        formats.write(example(seed=ord(name)), folder / f"{name}.safetensors", "kohya")
    real = formats.read_report

    def read_report(path: Any, family: str | None = None) -> Any:
        if Path(path).name == "b.safetensors":
            raise ZeroDivisionError("by\x1b[31m nothing")
        return real(path, family)

    for room in (inspect, converting):
        monkeypatch.setattr(room, "read_report", read_report)
    monkeypatch.setattr(many, "read", lambda path: read_report(path)[0])
    monkeypatch.delenv(DEBUG, raising=False)
    return folder


def test_inspect(
    loras: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lorarium(monkeypatch, "inspect", "--json", str(loras)) == 2
    out, err = capsys.readouterr()
    assert [file["ok"] for file in json.loads(out)["files"]] == [True, False, True]
    assert one_clean_line(err) and "unforeseen ZeroDivisionError in " in err and "nothing" in err


def test_convert(loras: Path, tmp_path: Path) -> None:
    report = formats.convert(loras, tmp_path / "out", "diffusers")
    assert [file.ok for file in report.files] == [True, False, True]
    assert "unforeseen ZeroDivisionError" in report.files[1].error


def test_a_path_that_is_too_long(loras: Path, tmp_path: Path) -> None:
    (loras / "b.safetensors").unlink()
    for target in (tmp_path / ("x" * 300), tmp_path / ("x" * 300) / "y"):
        report = formats.convert(loras, target, "diffusers")
        assert [file.ok for file in report.files] == [False, False]
        one = formats.convert(loras / "a.safetensors", target / "z.safetensors", "diffusers")
        assert not one.ok and all("File name too long" in file.error for file in one.files)
    with pytest.raises(LorariumError, match="no such file"):
        formats.convert(tmp_path / ("x" * 300), tmp_path / "out")
    with pytest.raises(LorariumError, match="File name too long"):
        formats.read("x" * 300)


def test_describe_many(loras: Path) -> None:
    descriptions = list(many.describe_many(sorted(loras.iterdir())))
    assert [one.sketch is not None for one in descriptions] == [True, False, True]
    assert "unforeseen ZeroDivisionError" in descriptions[1].error


def test_index(loras: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lancedb")
    from lorarium.library import Library, rows

    real = rows.source_of

    def source_of(raw: Any) -> Any:
        inspect.read_report(raw.path)
        return real(raw)

    monkeypatch.setattr(rows, "source_of", source_of)
    report = Library(tmp_path / "library").index([loras], workers=0)
    assert report.new == 3
    ((path, error),) = report.bad
    assert path.endswith("b.safetensors") and error.startswith("unforeseen ZeroDivisionError in ")


def test_a_command_that_fails_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(formats, "convert", lambda *args, **named: [][1])
    assert lorarium(monkeypatch, "convert", "a", "b") == 2
    out, err = capsys.readouterr()
    assert not out and one_clean_line(err) and "unforeseen IndexError" in err and "--debug" in err


@pytest.mark.parametrize("arguments", [["--debug", "inspect", "{}"], ["inspect", "{}", "--debug"]])
def test_debug_shows_the_traceback(
    arguments: list[str],
    loras: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(DEBUG, "")  # so that it is put back
    assert lorarium(monkeypatch, *(part.format(loras / "b.safetensors") for part in arguments)) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err and "in read_report" in err
    assert err.splitlines()[-1].startswith("lorarium: ") and "unforeseen" in err.splitlines()[-1]


def test_numbers_that_overflow_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = Path(__file__).parent.parent / "fuzz" / "found" / "433.safetensors"
    assert (
        lorarium(monkeypatch, "resize", str(file), str(tmp_path / "x.safetensors"), "--rank", "1")
        == 2
    )
    err = capsys.readouterr().err
    assert one_clean_line(err) and "NaN or infinite values" in err


def test_every_command_has_debug() -> None:
    import click

    context = click.Context(cli.cli)
    for name in cli.cli.list_commands(context):
        command = cli.cli.get_command(context, name)
        assert command is not None
        for one in [command, *getattr(command, "commands", {}).values()]:
            assert sum(parameter.name == "debug" for parameter in one.params) == 1, name


def test_errors_of_the_system_are_told_in_its_words() -> None:
    try:
        os.stat("x" * 300)
    except OSError as error:
        fault = file_error(error)
    assert fault.what == "File name too long" and fault.where == "x" * 300
    known = LorariumError("a fault", where="here")
    assert file_error(known, "there") is known
    assert "unforeseen" not in str(file_error(OSError(28, "No space left on device", "f"), "f"))
