"""The fuzzer counts what hangs in C, ends its process, or takes too much, and goes on after it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.fuzz import counting, watching
from tests.fuzz.operations import Step
from tests.fuzz.totals import Totals


def _hang() -> None:
    sum(range(10**15))  # no signal is heard in there


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _take() -> None:
    np.ones(2**25)  # 256 MB


def _claim() -> None:
    np.ones(2**28)  # 2 GB


ODD: dict[int, tuple[str, Callable[[], object]]] = {
    **{13: ("resize", _hang), 15: ("merge", _die), 17: ("sketch", _take)},
    **{18: ("write", _claim), 19: ("index", lambda: 1 / 0)},
}


def _steps(number: int, folder: Path) -> Iterator[Step]:
    yield Step("read", lambda: None)
    if number in ODD:
        yield Step(*ODD[number])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks for the clock of a process")
def test_nothing_escapes_the_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "STUCK", 1.0)
    monkeypatch.setattr(watching, "LOOK_EVERY", 0.1)
    monkeypatch.setattr(watching, "CHUNK", 9)
    # a child begins with what its parent holds now and shares with no file
    _, resident, shared = map(int, Path("/proc/self/statm").read_text().split()[:3])
    held = (resident - shared) * os.sysconf("SC_PAGE_SIZE")
    monkeypatch.setattr(counting, "LARGE", held + 2**27)
    totals = Totals(start=10, next=10)
    for _ in watching.run(totals, _steps, 30, tmp_path):
        assert totals.operations <= 30
    finds = {what.split(" (")[0]: numbers for what, numbers in totals.finds.items()}
    assert finds.pop("resize: stuck") == [13] and finds.pop("merge: the process died") == [15]
    assert finds.pop("memory") == [17]
    assert {
        what.split(" in ")[0].replace("_Array", ""): numbers for what, numbers in finds.items()
    } == {**{"write: MemoryError": [18], "index: ZeroDivisionError": [19]}}
    assert (totals.slow, totals.large, totals.foreign, totals.operations) == (1, 1, 3, 30)
    # an operation that was stopped hides those before it on the same input, and no others
    assert totals.by_operation["read"] == 25 and totals.next == 37
