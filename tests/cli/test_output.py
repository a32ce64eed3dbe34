"""Output for people: one line a file, paths from here, progress in logs."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from lorarium import formats
from lorarium.cli import cli, progress
from lorarium.cli.common import near_path
from lorarium.formats.example import example
from tests.library.zoo import ink, write


def run(*words: object) -> str:
    done = CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False)
    return done.stdout


def test_inspect_in_one_line_each(tmp_path: Path) -> None:
    for name, words in (("a", "ink wash"), ("b", "a\x1b[31m\nb")):
        adapter = example(metadata={"modelspec.trigger_phrase": words})
        formats.write(adapter, tmp_path / f"{name}.safetensors")
    lines = run("inspect", tmp_path, "--short").splitlines()
    assert len(lines) == 2 and all(line.isprintable() for line in lines)
    size = (tmp_path / "a.safetensors").stat().st_size
    assert lines[0].startswith(f"{tmp_path / 'a.safetensors'}: sd1; ")
    for expected in ("rank 4", "fp16", "answers to ink wash", "healthy", f"{size / 2**20:.1f} MiB"):
        assert expected in lines[0], expected


def test_paths_are_shown_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path)
    assert near_path(str(tmp_path / "deep" / "a\x1b.safetensors")) == "deep/a\\x1b.safetensors"
    assert near_path("/elsewhere/a") == "/elsewhere/a"
    monkeypatch.chdir(tmp_path / "deep")
    assert near_path(str(tmp_path / "a")) == "../a"


def test_search_says_what_the_results_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lancedb")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LORARIUM_LIBRARY", str(tmp_path / "library"))
    words = {"modelspec.trigger_phrase": "ink wash", "modelspec.tags": "rain, ink wash"}
    write(tmp_path / "loras", {"a": ink(1).with_(metadata=words), "b": ink(2)})
    run("index", "loras", "--workers", 0, "--quiet")
    lines = run("search", "--where", "words = 'ink wash'").splitlines()
    rank = next(d.rank for _, d in ink(1).items())
    size = (tmp_path / "loras" / "a.safetensors").stat().st_size
    assert lines[0] == "loras/a.safetensors" and len(lines) == 2
    assert f"rank {rank}; {size / 2**10:.1f} KiB; answers to ink wash; rain" in lines[1]


def test_a_log_gets_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with progress.bar("training", silent=False) as show:
        for step in range(400):
            now = step * 1.0
            show(step, 400, f"loss {1 / (step + 1):.3f}")
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 6
    assert err.splitlines()[0] == "training: 60/400 loss 0.016, after 1:00, 5:40 left"
    with progress.bar("reading", silent=False) as show:
        for _ in range(59):
            now += 1.0
            show(0, 0, "x")  # quick work, and work of unknown size, is not logged or divided by
    assert capsys.readouterr().err == ""
    with progress.bar("reading", silent=True) as show:
        now += 1000.0
        show(1, 2, "")
    assert capsys.readouterr().err == "" and progress.clock(3725) == "1:02:05"
