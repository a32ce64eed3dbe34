"""Moves by a journal: all of them can be taken back, and no kill makes anybody wonder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import lorarium
from lorarium.library.journal import AWAY, GONE, HOME, Journal, Move
from tests.library import killed

KILLS = 50


def begin(folder: Path, count: int = 3, trash: Path | None = None) -> tuple[Journal, list[Move]]:
    trash = trash or folder / "trash"
    moves = [Move(str(folder / f"{i}.pt"), str(trash / f"{i}" / "x.pt")) for i in range(count)]
    for i, move in enumerate(moves):
        Path(move.home).write_text(f"file {i}")
    return Journal.begin(folder / "trash" / "run.journal", moves), moves


def test_there_and_back(tmp_path: Path) -> None:
    journal, moves = begin(tmp_path)
    times = [os.stat(move.home).st_mtime_ns for move in moves]
    assert journal.places() == [HOME] * 3
    assert [problem for _, problem in journal.apply()] == [""] * 3
    assert journal.places() == [AWAY] * 3 and not Path(moves[0].home).exists()
    assert list(journal.apply()) == []
    assert [problem for _, problem in Journal(journal.path).undo()] == [""] * 3
    assert journal.places() == [HOME] * 3
    assert [Path(m.home).read_text() for m in moves] == ["file 0", "file 1", "file 2"]
    assert [os.stat(move.home).st_mtime_ns for move in moves] == times


def test_nothing_is_ever_written_over(tmp_path: Path) -> None:
    journal, moves = begin(tmp_path)
    list(journal.apply())
    Path(moves[1].home).write_text("a new file")
    problems = {move.home: problem for move, problem in journal.undo()}
    assert problems[moves[1].home] == "another file is in its place"
    assert Path(moves[1].home).read_text() == "a new file"
    assert Path(moves[1].away).read_text() == "file 1"
    assert journal.places() == [HOME, AWAY, HOME]
    Path(moves[1].home).unlink()
    assert [problem for _, problem in journal.undo()] == [""]
    assert Path(moves[1].home).read_text() == "file 1"


def test_a_file_that_is_gone_stops_nobody(tmp_path: Path) -> None:
    journal, moves = begin(tmp_path)
    Path(moves[0].home).unlink()
    problems = [problem for _, problem in journal.apply()]
    assert problems == ["it is in neither place any more", "", ""]
    assert journal.places() == [GONE, AWAY, AWAY]


@pytest.mark.parametrize("rest", ["", "[2", '[2, "away', "\x00\x00\x00"])
def test_a_line_that_was_cut_short(tmp_path: Path, rest: str) -> None:
    journal, _ = begin(tmp_path)
    list(journal.apply())
    lines = journal.path.read_text().splitlines()
    assert json.loads(lines[-1]) == [2, AWAY]
    journal.path.write_text("\n".join([*lines[:-1], rest]))
    assert journal.places() == [AWAY] * 3
    list(journal.undo())
    assert journal.places() == [HOME] * 3


@pytest.mark.parametrize("then", ["apply", "undo"])
def test_a_kill_between_the_two_names(tmp_path: Path, then: str) -> None:
    journal, moves = begin(tmp_path)
    Path(moves[0].away).parent.mkdir(parents=True)
    os.link(moves[0].home, moves[0].away)
    assert journal.places() == [HOME] * 3
    list(getattr(journal, then)())
    here, elsewhere = moves[0].home, moves[0].away
    if then == "apply":
        here, elsewhere = elsewhere, here
    assert Path(here).read_text() == "file 0" and not Path(elsewhere).exists()


def test_to_another_disk(tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or os.stat(other).st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("there is no other disk here")
    with tempfile.TemporaryDirectory(dir=other) as name:
        journal, moves = begin(tmp_path, trash=Path(name))
        # as a kill leaves a copy
        Path(moves[0].away).parent.mkdir()
        Path(moves[0].away + ".part").write_text("fil")
        Path(moves[1].away).parent.mkdir()
        Path(moves[1].away).write_text("file 1")
        assert journal.places() == [HOME] * 3
        assert [problem for _, problem in journal.apply()] == [""] * 3
        assert [Path(m.away).read_text() for m in moves] == ["file 0", "file 1", "file 2"]
        assert not any(Path(m.home).exists() for m in moves)
        list(journal.undo())
        assert [Path(m.home).read_text() for m in moves] == ["file 0", "file 1", "file 2"]
        assert [p for p in Path(name).rglob("*") if p.is_file()] == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_any_moment(tmp_path: Path) -> None:
    source = str(Path(lorarium.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, killed.__file__, str(tmp_path), str(KILLS)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": source},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    kills = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(kills) == KILLS + 1
    assert [problem for kill in kills for problem in kill["wrong"]] == []
    # the moments were spread over the work, in both directions
    for action in ("apply", "undo"):
        halves = [k for k in kills if k["action"] == action and 0 < k["away"] < killed.FILES]
        assert len(halves) >= 5
    assert kills[-1]["away"] == 0
