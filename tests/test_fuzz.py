"""Hostile inputs by the thousand: nothing but a `LorariumError`, and nothing slow.

`python benchmarks/fuzz_all.py` goes on for as long as one likes; its finds are kept in
`tests/fuzz/found` and are tried here one by one.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from benchmarks.fuzz_all import Totals, run, workplace

from lorarium.errors import LorariumError
from tests.fuzz.operations import CHANCES, steps_on

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
@pytest.mark.filterwarnings("ignore")
def test_twenty_thousand_operations() -> None:
    pytest.importorskip("torch")
    totals = Totals(start=50_000_000, next=50_000_000)
    with workplace() as folder:
        run(totals, 20_000, folder)
    assert totals.operations >= 20_000 and len(totals.by_operation) == 12
    # hostile inputs that all are refused at the door would show nothing
    assert 0.05 < totals.refused / totals.operations < 0.5
    assert (totals.foreign, totals.slow, totals.finds) == (0, 0, {})
