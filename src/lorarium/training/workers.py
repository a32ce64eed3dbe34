"""Groups of adapters trained in several processes, one thread each: on a processor two small
trainings side by side use two cores better than one training spread over both."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import connection, parent_process
from pathlib import Path
from threading import Thread

import torch
import torch.multiprocessing

from lorarium.adapter import Adapter
from lorarium.bases.base import Base
from lorarium.training.manifest import Entry

Trained = tuple[list[Entry], list[Adapter] | None]  # None when the time was over before
_base: Base


def _start_worker(base: Base) -> None:
    global _base
    _base = base
    torch.set_num_threads(1)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """One that is killed cannot end its workers, and the next call does the same work."""
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


def _train(group: list[Entry], quick: bool, folder: Path, deadline: float) -> Trained:
    from lorarium.training.mint import checkpoint_of, train_group

    return group, train_group(_base, group, quick, checkpoint_of(folder, group), deadline)


def train_in_workers(
    workers: int, base: Base, groups: Iterator[list[Entry]], quick: bool, folder: Path,
    deadline: float,
) -> Iterator[tuple[list[Entry], list[Adapter]]]:  # fmt: skip
    """Groups and their adapters as they get ready; groups are drawn as workers become free, so
    that to stop asking is to stop working."""
    # the base's tensors are shared with the workers, not copied
    context = torch.multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _start_worker, (base,))
    running: set[Future[Trained]] = set()
    try:
        for group in groups:
            running.add(pool.submit(_train, group, quick, folder, deadline))
            if len(running) >= workers:
                ready, running = wait(running, return_when=FIRST_COMPLETED)
                yield from _finished(ready)
        while running:
            ready, running = wait(running, return_when=FIRST_COMPLETED)
            yield from _finished(ready)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _finished(ready: set[Future[Trained]]) -> Iterator[tuple[list[Entry], list[Adapter]]]:
    for group, adapters in (future.result() for future in ready):
        if adapters is not None:
            yield group, adapters
