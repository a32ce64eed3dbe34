"""The fuzzer counts what hangs in C, ends its process, or takes too much, and goes on after it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
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
    np.ones(2**26)  # 512 MB


def _claim() -> None:
    np.ones(2**28)  # 2 GB


UNCOUNTED = 77  # ends a process whose system does not tell what it holds
ODD: dict[int, tuple[str, Callable[[], object]]] = {
    **{13: ("resize", _hang), 15: ("merge", _die), 17: ("sketch", _take)},
    **{18: ("write", _claim), 19: ("index", lambda: 1 / 0)},
}


def _steps(number: int, folder: Path) -> Iterator[Step]:
    yield Step("read", lambda: None)
    if number in ODD:
        yield Step(*ODD[number])


def watch(folder: str) -> None:
    """The steps above, watched by impatient rules; its totals go to standard output as JSON."""
    held = counting.peak_bytes()
    np.ones(2**24)
    if counting.peak_bytes() < held + 2**26:
        sys.exit(UNCOUNTED)
    watching.STUCK, watching.LOOK_EVERY, watching.CHUNK = 1.0, 0.1, 9
    counting.LARGE = counting.peak_bytes() + 2**27
    totals = Totals(start=10, next=10)
    for _ in watching.run(totals, _steps, 30, Path(folder)):
        assert totals.operations <= 30
    print(json.dumps(vars(totals)))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks for the clock of a process")
def test_nothing_escapes_the_counts(tmp_path: Path) -> None:
    # in a process of its own: children would begin with all that the tests before hold, and free
    command = "import sys; from tests.test_fuzz_watch import watch; watch(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", command, str(tmp_path)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
    )
    if done.returncode == UNCOUNTED:
        pytest.skip("this system does not count the memory of a process")
    assert done.returncode == 0, done.stderr
    totals = json.loads(done.stdout)
    finds = {what.split(" (")[0]: numbers for what, numbers in totals["finds"].items()}
    assert finds.pop("resize: stuck") == [13] and finds.pop("merge: the process died") == [15]
    assert finds.pop("memory") == [17]
    assert {
        what.split(" in ")[0].replace("_Array", ""): numbers for what, numbers in finds.items()
    } == {**{"write: MemoryError": [18], "index: ZeroDivisionError": [19]}}
    counts = [totals[name] for name in ("slow", "large", "foreign", "operations")]
    assert counts == [1, 1, 3, 30]
    # an operation that was stopped hides those before it on the same input, and no others
    assert totals["by_operation"]["read"] == 25 and totals["next"] == 37
