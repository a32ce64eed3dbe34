"""`lorarium evaluate describe`, from the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from lorarium.cli import cli
from tests.evaluation.describe.minted import minted


def lorarium(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "lorarium", "evaluate", "describe", *arguments]
    return subprocess.run(program, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_quick_figures_and_a_page(tmp_path: Path) -> None:
    refs, out = minted(tmp_path / "zoo"), tmp_path / "figures"
    done = lorarium("--refs", str(refs), "--quick", "--json", "-o", str(out))
    assert done.returncode == 0 and done.stderr == "", done.stderr
    document = json.loads(done.stdout)
    assert document["schema"] == "lorarium/1" and document["kinds"]["style"]["artists"] == 4
    saved = json.loads((out / "describe.json").read_text())
    assert saved == {k: v for k, v in document.items() if k not in ("schema", "folder")}
    assert (out / "describe.html").read_text().startswith("<!doctype html>")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--quick", "--split", "tests"], "did you mean 'test'"),
        (["--quick", "--judge", "z"], "no judge 'z'; a, b, a judge's file, or its folder"),
        (["--quick"], "no manifest"),
    ],
)
def test_errors_are_one_line(tmp_path: Path, more: list[str], words: str) -> None:
    done = lorarium("--refs", str(tmp_path), "-o", str(tmp_path / "out"), *more)
    assert done.returncode == 2 and words in done.stderr
    assert len(done.stderr.splitlines()) == 1 and done.stdout == ""


@pytest.mark.parametrize("name", ["describe --refs zoo", "merge zoo", "synth"])
def test_every_measurement_refuses_what_is_no_judge_at_once(tmp_path: Path, name: str) -> None:
    (tmp_path / "two").mkdir()
    for file in ("a", "b"):
        (tmp_path / "two" / f"{file}.safetensors").write_bytes(b"")
    for judge, words in (("z", "no judge 'z'"), (str(tmp_path / "two"), "this one 2")):
        out = str(tmp_path / "out")
        done = CliRunner().invoke(cli, ["evaluate", *name.split(), "--judge", judge, "-o", out])
        assert words in str(done.exception) and not (tmp_path / "out").exists()
