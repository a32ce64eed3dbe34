"""Chunks of cases, each in a process of its own with a watchman outside it.

Nothing inside a process can stop an operation that hangs in C, or count one that ends the process;
the watchman kills it, counts it, and goes on after it.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import resource
import select
import signal
import struct
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.counting import LARGE, Steps, Tell, count, empty
from tests.fuzz.totals import Totals

CHUNK = 2000  # cases of one process
LOOK_EVERY = 0.5  # seconds
STUCK = 10.0  # seconds of the processor after which an operation is stopped
ASLEEP = 120.0  # seconds of the clock, for one that only waits
PLACE = struct.Struct("<QQ32s")  # a counter, the case, the operation


@dataclass(frozen=True)
class Now:
    """What a process is at."""

    counter: int = 0
    number: int = 0
    operation: str = ""


class Board:
    """Memory in which a process says what it is at."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, mmap.PAGESIZE)
        self._counter = 0

    def clear(self, number: int) -> None:
        self._counter = 0
        PLACE.pack_into(self._memory, 0, 0, number, b"start")

    def tell(self, number: int, operation: str) -> None:
        self._counter += 1
        PLACE.pack_into(self._memory, 0, self._counter, number, operation.encode())

    def read(self) -> Now:
        counter, number, name = PLACE.unpack_from(self._memory, 0)
        return Now(counter, number, name.rstrip(b"\0").decode())


def run(totals: Totals, steps: Steps, operations: int, folder: Path) -> Iterator[None]:
    """Go on until so many operations are done in all; yields after each chunk."""
    board = Board()
    cases = CHUNK
    while totals.operations < operations:
        first = totals.next
        chunk_totals = Totals(first, first)
        stopped = _chunk(chunk_totals, steps, cases, operations - totals.operations, folder, board)
        cases = CHUNK
        if not stopped:
            totals.add(chunk_totals)
            yield
            continue
        empty(folder)
        now = board.read()
        if now.number > first:  # what was counted before it has gone with the process
            cases = now.number - first
            continue
        totals.next = first + 1
        totals.operations += 1
        totals.by_operation[now.operation] += 1
        totals.find(f"{now.operation}: {stopped}", first)
        if stopped == STOPPED:
            totals.slow += 1
        else:
            totals.foreign += 1
        yield


STOPPED, DIED = "stuck", "the process died"


def _chunk(
    chunk_totals: Totals, steps: Steps, cases: int, operations: int, folder: Path, board: Board
) -> str:
    """Count in a process; says why it was not to the end, if so."""
    board.clear(chunk_totals.next)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _child(chunk_totals, steps, cases, operations, folder, board.tell, writing)
    os.close(writing)
    try:
        stuck, answer = _watch(child, reading, board)
    finally:
        os.close(reading)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if not answer:
        return STOPPED if stuck else DIED
    held = json.loads(answer)
    for name, value in held.items():
        setattr(chunk_totals, name, Counter(value) if name == "by_operation" else value)
    return ""


def _child(
    chunk_totals: Totals,
    steps: Steps,
    cases: int,
    operations: int,
    folder: Path,
    tell: Tell,
    out: int,
) -> None:
    code = 1
    try:
        _bound_memory()
        count(chunk_totals, steps, cases, operations, folder, tell)
        answer = json.dumps(vars(chunk_totals)).encode()  # whole, or the process has died
        with os.fdopen(out, "wb") as stream:
            stream.write(answer)
        code = 0
    finally:
        os._exit(code)


def _bound_memory() -> None:
    """So that what would take far too much fails where it asks, and the place is in the counts."""
    with contextlib.suppress(OSError, ValueError):  # systems that do not tell or do not bound it
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        max_bytes = pages * mmap.PAGESIZE + LARGE
        resource.setrlimit(resource.RLIMIT_AS, (max_bytes, max_bytes))


def _watch(child: int, reading: int, board: Board) -> tuple[bool, bytes]:
    """What the process answers, or nothing: whether it was too long at one operation."""
    answer = b""
    at, processor, clock = Now(), 0.0, time.monotonic()
    while True:
        if select.select([reading], [], [], LOOK_EVERY)[0]:
            piece = os.read(reading, 1 << 16)
            if not piece:
                return False, answer
            answer += piece
            continue
        now = board.read()
        if now != at:
            at, processor, clock = now, _seconds_of(child), time.monotonic()
        elif _seconds_of(child) - processor > STUCK or time.monotonic() - clock > ASLEEP:
            return True, b""


def _seconds_of(process: int) -> float:
    """Of the processor, that another process took: its clock has the number (~pid << 3) | 2."""
    try:
        return time.clock_gettime((~process << 3) | 2)
    except OSError:  # not Linux: then only the clock on the wall stops it
        return 0.0
