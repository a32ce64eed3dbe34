"""Hostile inputs by the thousand: nothing but a `LorariumError`, and nothing slow.

`python benchmarks/fuzz_all.py` goes on for as long as one likes; its finds are kept in
`tests/fuzz/found` and are tried here one by one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from lorarium.errors import LorariumError
from tests.fuzz.operations import CHANCES, steps_on

FUZZER = Path(__file__).parent.parent / "benchmarks/fuzz_all.py"
FOUND = sorted((Path(__file__).parent / "fuzz" / "found").iterdir())


@pytest.mark.filterwarnings("ignore")  # numbers that are not finite are a finding, not a warning
@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.name)
def test_what_was_found_once(path: Path, tmp_path: Path) -> None:
    if path.suffix == ".pt":
        pytest.importorskip("torch")
    for step in steps_on(path, tmp_path, Random(0), dict.fromkeys(CHANCES, 1.0)):
        try:
            step.run()
        except LorariumError as error:
            assert str(error).isprintable()


@pytest.mark.slow
def test_twenty_thousand_operations(tmp_path: Path) -> None:
    """In a process of its own: what earlier tests hold is no memory of an operation."""
    pytest.importorskip("torch")
    counts = tmp_path / "counts.json"
    command = [sys.executable, FUZZER, "--operations", "20000", "--start", "50000000", "-o", counts]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    totals = json.loads(counts.read_text())
    assert totals["operations"] >= 20_000 and len(totals["by_operation"]) == 12
    # hostile inputs that all are refused at the door would show nothing
    assert 0.05 < totals["refused"] / totals["operations"] < 0.5
    assert (totals["foreign"], totals["slow"], totals["finds"]) == (0, 0, {})
