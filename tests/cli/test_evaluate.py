"""`lorarium evaluate describe`, from the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

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
        (["--quick", "--judge", "z"], "'z' is not one of"),
        (["--quick"], "no manifest"),
    ],
)
def test_errors_are_one_line(tmp_path: Path, more: list[str], words: str) -> None:
    done = lorarium("--refs", str(tmp_path), "-o", str(tmp_path / "out"), *more)
    assert done.returncode == 2 and words in done.stderr
    assert len(done.stderr.splitlines()) == 1 and done.stdout == ""
