"""`lorarium tidy` killed at random moments: no file is lost, and the journal knows where each is.

Ten kills here; benchmarks/tidy_killed.py does fifty and writes down what came of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import lorarium
from tests.library import tidy_killed

KILLS = 10


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_tidy_killed_at_any_moment(tmp_path: Path) -> None:
    root = Path(tidy_killed.__file__).parents[2]
    source = Path(lorarium.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, tidy_killed.__file__, str(tmp_path), str(KILLS)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": f"{source}{os.pathsep}{root}"},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    *kills, end = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(kills) == KILLS
    assert [problem for kill in kills for problem in kill["wrong"]] == []
    assert any(kill["killed"] for kill in kills)
    assert end["back"] and end["chosen"] >= 15
