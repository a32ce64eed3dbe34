"""A structure-aware fuzzer of all that is done with a stranger's file.

    python benchmarks/fuzz_all.py --operations 20000
    python benchmarks/fuzz_all.py --operations 1000000 --start 0 -o benchmarks/results/fuzz_all.json
    python benchmarks/fuzz_all.py --case 12345

Case numbers name inputs (see `tests/fuzz/cases.py`); each is read, inspected, converted, resized,
merged, sketched, fingerprinted and indexed. Counted are operations, errors that are no
`LorariumError`, operations of more than two seconds, and the peak of memory. With `-o` the counts
are kept every few seconds, and the same command goes on where it ended.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.fuzz.cases import make_case, save_case
from tests.fuzz.operations import Step, steps

from lorarium.errors import LorariumError

SLOW = 2.0  # seconds of one operation
STUCK = 60.0  # seconds of the clock after which one is given up
KEEP_EVERY = 20.0  # seconds between two writings of the counts
WRITES = {"convert", "write"}  # operations that leave files; an input replaces the one before it
EXAMPLES = 5  # case numbers kept of each find


class Stuck(BaseException):
    """An operation that does not end."""


@dataclass
class Totals:
    """What has been counted so far; `next` is the case to go on with."""

    start: int = 0
    next: int = 0
    operations: int = 0
    by_operation: Counter[str] = field(default_factory=Counter)
    refused: int = 0  # operations that ended in a LorariumError
    foreign: int = 0
    slow: int = 0
    slowest: float = 0.0
    slowest_case: str = ""
    peak_bytes: int = 0
    cpu_seconds: float = 0.0
    finds: dict[str, list[int]] = field(default_factory=dict)

    def find(self, what: str, number: int) -> None:
        examples = self.finds.setdefault(what, [])
        if len(examples) < EXAMPLES:
            examples.append(number)


class Watch:
    """Looks every few seconds whether an operation has ended; asking the system before and after
    each would cost more than most of them."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        signal.signal(signal.SIGALRM, self._look)
        signal.setitimer(signal.ITIMER_REAL, STUCK / 4, STUCK / 4)

    def _look(self, signum: int, frame: FrameType | None) -> None:
        if time.monotonic() - self.began > STUCK:
            raise Stuck


def run(totals: Totals, operations: int, folder: Path, keep: Path | None = None) -> None:
    """Go on until so many operations are done in all."""
    watch = Watch()
    began, before = time.process_time(), totals.cpu_seconds
    kept = time.monotonic()
    while totals.operations < operations:
        number = totals.next
        longest, written = 0.0, False
        for step in steps(number, folder):
            written |= step.name in WRITES
            watch.began = time.monotonic()
            _operate(totals, step, number)
            longest = max(longest, time.monotonic() - watch.began)
        if longest > SLOW:  # of the clock, which other programs share
            _time(totals, number, folder)
        if written:
            _empty(folder)
        totals.next += 1
        if keep is not None and time.monotonic() - kept > KEEP_EVERY:
            kept = time.monotonic()
            _settle(totals, before + time.process_time() - began)
            write_totals(totals, keep)
    _settle(totals, before + time.process_time() - began)
    signal.setitimer(signal.ITIMER_REAL, 0)
    if keep is not None:
        write_totals(totals, keep)


def _operate(totals: Totals, step: Step, number: int) -> None:
    refused = False
    try:
        step.run()
    except LorariumError as error:
        refused = True
        if not str(error).isprintable():
            totals.foreign += 1
            totals.find(f"{step.name}: a message that cannot be printed", number)
    except Stuck:
        totals.slow += 1
        totals.find(f"{step.name}: stuck", number)
    except Exception as error:
        totals.foreign += 1
        totals.find(f"{step.name}: {_place(error)}", number)
    if step.name == "make" and not refused:
        return  # the sound part of the fuzzer itself
    totals.refused += refused
    totals.operations += 1
    totals.by_operation[step.name] += 1


def _time(totals: Totals, number: int, folder: Path) -> None:
    """A case again, its operations timed by the processor's clock."""
    _empty(folder)
    for step in steps(number, folder):
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


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _settle(totals: Totals, cpu_seconds: float) -> None:
    totals.cpu_seconds = cpu_seconds
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    totals.peak_bytes = max(totals.peak_bytes, peak * (1 if sys.platform == "darwin" else 1024))


def summary(totals: Totals) -> dict[str, Any]:
    rate = totals.operations / totals.cpu_seconds if totals.cpu_seconds else 0.0
    found = asdict(totals) | {"cases": totals.next - totals.start, "per_cpu_second": round(rate)}
    return found | {"by_operation": dict(sorted(totals.by_operation.items()))}


def write_totals(totals: Totals, path: Path) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(summary(totals), indent=1) + "\n")
    os.replace(beside, path)


def read_totals(path: Path, start: int) -> Totals:
    """The counts of a run that ended early, or fresh ones."""
    if not path.exists():
        return Totals(start, start)
    found = json.loads(path.read_text())
    for derived in ("cases", "per_cpu_second"):
        del found[derived]
    return Totals(**found | {"by_operation": Counter(found["by_operation"])})


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """A folder in memory where there is one, nothing flushed to a disk, no warnings."""
    home = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with contextlib.suppress(ImportError):  # its import is no part of an operation
        import torch  # noqa: F401
    fsync, os.fsync = os.fsync, lambda descriptor: None
    folder = Path(tempfile.mkdtemp(prefix="lorarium-fuzz-", dir=home))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield folder
    finally:
        os.fsync = fsync
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--operations", type=int, default=20_000)
    parser.add_argument("--start", type=int, default=0, help="number of the first case")
    parser.add_argument("--case", type=int, help="run one case and show its tracebacks")
    parser.add_argument("--finds", type=Path, help="folder to keep the inputs of finds in")
    parser.add_argument("-o", "--out", type=Path, help="JSON to write, and to go on from")
    given = parser.parse_args()
    with workplace() as folder:
        if given.case is not None:
            show(given.case, folder)
            return
        totals = (
            read_totals(given.out, given.start) if given.out else Totals(given.start, given.start)
        )
        run(totals, given.operations, folder, given.out)
        if given.finds is not None:
            keep_finds(totals, folder, given.finds)
    print(json.dumps(summary(totals), indent=1))
    sys.exit(1 if totals.foreign or totals.slow else 0)


def keep_finds(totals: Totals, folder: Path, kept: Path) -> None:
    """The first input of each find, for the corpus of the tests (`tests/fuzz/found`)."""
    kept.mkdir(parents=True, exist_ok=True)
    for numbers in totals.finds.values():
        with contextlib.suppress(Exception):  # a change in memory that could not be built
            save_case(make_case(numbers[0], folder), kept / str(numbers[0]))
        _empty(folder)


def show(number: int, folder: Path) -> None:
    """Each operation on one case, with what it raised."""
    for step in steps(number, folder):
        try:
            step.run()
            print(f"{step.name}: done")
        except LorariumError as error:
            print(f"{step.name}: {error}")
        except Exception:
            print(f"{step.name}:")
            traceback.print_exc()


if __name__ == "__main__":
    main()
