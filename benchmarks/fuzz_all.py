"""A structure-aware fuzzer of all that is done with a stranger's file.

    python benchmarks/fuzz_all.py --operations 20000
    python benchmarks/fuzz_all.py --operations 1000000 --start 0 -o benchmarks/results/fuzz_all.json
    python benchmarks/fuzz_all.py --case 12345

Case numbers name inputs (see `tests/fuzz/cases.py`); each is read, inspected, converted, resized,
merged, sketched, fingerprinted and indexed. Counted are operations, errors that are no
`LorariumError`, operations of more than two seconds, processes that died, and cases that took more
than 1 GB of memory. Operations run in processes that are watched from outside
(`tests/fuzz/watching.py`), so that a hang in C is counted too. With `-o` the counts are kept every
few seconds, and the same command goes on where it ended.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: threads do not go along into a fork
sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.fuzz import watching
from tests.fuzz.cases import make_case, save_case
from tests.fuzz.counting import empty
from tests.fuzz.operations import steps
from tests.fuzz.totals import Totals

from lorarium.errors import LorariumError

KEEP_EVERY = 20.0  # seconds between two writings of the counts
WARM = 40  # cases that are done before those that count


def run(totals: Totals, operations: int, folder: Path, keep: Path | None = None) -> None:
    """Go on until so many operations are done in all."""
    for number in range(WARM):  # tables that are read once are read before processes part
        for step in steps(number, folder):
            with contextlib.suppress(Exception):
                step.run()
    empty(folder)
    last_saved = time.monotonic()
    for _ in watching.run(totals, steps, operations, folder):
        if keep is not None and time.monotonic() - last_saved > KEEP_EVERY:
            last_saved = time.monotonic()
            write_totals(totals, keep)
    if keep is not None:
        write_totals(totals, keep)


def summary(totals: Totals) -> dict[str, Any]:
    rate = totals.operations / totals.cpu_seconds if totals.cpu_seconds else 0.0
    counts = asdict(totals) | {"cases": totals.next - totals.start, "per_cpu_second": round(rate)}
    return counts | {"by_operation": dict(sorted(totals.by_operation.items()))}


def write_totals(totals: Totals, path: Path) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(summary(totals), indent=1) + "\n")
    os.replace(beside, path)


def read_totals(path: Path, start: int) -> Totals:
    """The counts of a run that ended early, or fresh ones."""
    if not path.exists():
        return Totals(start, start)
    counts = json.loads(path.read_text())
    for derived in ("cases", "per_cpu_second"):
        del counts[derived]
    return Totals(**counts | {"by_operation": Counter(counts["by_operation"])})


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
    sys.exit(1 if totals.foreign or totals.slow or totals.large else 0)


def keep_finds(totals: Totals, folder: Path, corpus: Path) -> None:
    """The first input of each find, for the corpus of the tests (`tests/fuzz/found`)."""
    corpus.mkdir(parents=True, exist_ok=True)
    for numbers in totals.finds.values():
        with contextlib.suppress(Exception):  # a change in memory that could not be built
            save_case(make_case(numbers[0], folder), corpus / str(numbers[0]))
        empty(folder)


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
