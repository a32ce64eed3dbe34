"""Do the operations on case after case, and count what they raise, take and last."""

from __future__ import annotations

import contextlib
import resource
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from lorarium.errors import LorariumError
from tests.fuzz.operations import Step
from tests.fuzz.totals import Totals

Steps = Callable[[int, Path], Iterator[Step]]
Tell = Callable[[int, str], None]

SLOW = 2.0  # seconds of one operation
LARGE = 2**30  # bytes of a process that does nothing but operations
WRITES = {"convert", "write"}  # operations that leave files; an input replaces the one before it


def count(
    totals: Totals, steps: Steps, cases: int, operations: int, folder: Path, tell: Tell
) -> None:
    """Go on until so many cases or operations are done in all, or memory has to be given back.

    `tell` hears of each operation before it begins.
    """
    began, last = time.process_time(), totals.next + cases
    while totals.next < last and totals.operations < operations:
        number = totals.next
        longest, written = 0.0, False
        for step in steps(number, folder):
            written |= step.name in WRITES
            tell(number, step.name)
            start = time.monotonic()
            _operate(totals, step, number)
            longest = max(longest, time.monotonic() - start)
        if longest > SLOW:  # of the clock, which other programs share
            _time(totals, steps, number, folder, tell)
        if written:
            empty(folder)
        totals.next += 1
        totals.peak_bytes = peak_bytes()
        if totals.peak_bytes > LARGE:
            totals.large += 1
            totals.find("memory", number)
            break  # the peak of a process never falls, so the next case needs another one
    totals.cpu_seconds += time.process_time() - began


def _operate(totals: Totals, step: Step, number: int) -> None:
    refused = False
    try:
        step.run()
    except LorariumError as error:
        refused = True
        if not str(error).isprintable():
            totals.foreign += 1
            totals.find(f"{step.name}: a message that cannot be printed", number)
    except Exception as error:
        totals.foreign += 1
        totals.find(f"{step.name}: {_place(error)}", number)
    if step.name == "make" and not refused:
        return  # the sound part of the fuzzer itself
    totals.refused += refused
    totals.operations += 1
    totals.by_operation[step.name] += 1


def _time(totals: Totals, steps: Steps, number: int, folder: Path, tell: Tell) -> None:
    """A case again, its operations timed by the processor's clock: asking it before and after each
    of all would cost more than most of them."""
    empty(folder)
    for step in steps(number, folder):
        tell(number, step.name)
        began = time.process_time()
        with contextlib.suppress(Exception):
            step.run()
        seconds = time.process_time() - began
        if seconds > totals.slowest:
            totals.slowest, totals.slowest_case = seconds, f"{step.name} of {number}"
        if seconds > SLOW:
            totals.slow += 1
            totals.find(f"{step.name}: slow", number)


def _place(error: Exception) -> str:
    """The class of an error and the last line of ours that it went through."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "lorarium" in f.filename]
    last = frames[-1] if frames else traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(str(error).split())[:100]
    return f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno} ({text})"


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def peak_bytes() -> int:
    """The most that this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024)
