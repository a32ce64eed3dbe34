"""How long a program takes, on a machine that others use too."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import lorarium

SOURCE = Path(lorarium.__file__).parent.parent


def best_seconds(*arguments: str, tries: int = 5, enough: float = 0.0) -> float:
    """Least time of several runs of Python, each by the clock or the processor, whichever is less.

    Neighbours lengthen the clock; idle BLAS threads lengthen the processor time. Stops early once
    a run is within `enough`. Modules are compiled by the first run, as by an
    installation, whatever the environment says: else every run compiles them again.
    """
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    best = float("inf")
    for _ in range(tries):
        before, started = _processor(), time.perf_counter()
        subprocess.run(
            [sys.executable, *arguments], check=True, capture_output=True, env=environment
        )
        best = min(best, time.perf_counter() - started, _processor() - before)
        if best <= enough:
            break
    return best


def numpy_imports(*arguments: str, pairs: int = 7) -> float:
    """How many imports of numpy a program takes: the median of pairs, one right after the other,
    since a shared machine is faster at one moment than at the next."""
    best_seconds(*arguments, tries=1)  # compiles
    ratios = []
    for _ in range(pairs):
        unit = best_seconds("-c", "import numpy", tries=1)
        ratios.append(best_seconds(*arguments, tries=1) / unit)
    return median(ratios)


def processor_seconds(work: Callable[[], object], tries: int = 3) -> float:
    """Least processor time of some work in this process; to be compared with that of other work,
    for a machine is as fast as it is."""
    least = float("inf")
    for _ in range(tries):
        started = time.process_time()
        work()
        least = min(least, time.process_time() - started)
    return least


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
