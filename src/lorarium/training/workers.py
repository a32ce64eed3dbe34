"""Groups of adapters trained in several processes, one thread each: on a processor two small
trainings side by side use two cores better than one training spread over both."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait

import torch
import torch.multiprocessing

from lorarium.adapter import Adapter
from lorarium.bases.base import Base
from lorarium.training.manifest import Entry

Trained = tuple[list[Entry], list[Adapter]]
_base: Base


def _start_worker(base: Base) -> None:
    global _base
    _base = base
    torch.set_num_threads(1)


def _train(group: list[Entry], quick: bool) -> Trained:
    from lorarium.training.mint import train_group

    adapters = train_group(_base, group, quick)
    assert adapters is not None  # nothing stops it
    return group, adapters


def train_in_workers(
    workers: int, base: Base, groups: Iterator[list[Entry]], quick: bool = False
) -> Iterator[Trained]:
    """Groups and their adapters as they get ready; groups are drawn as workers become free, so
    that to stop asking is to stop working."""
    # the base's tensors are shared with the workers, not copied
    context = torch.multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _start_worker, (base,))
    running: set[Future[Trained]] = set()
    try:
        for group in groups:
            running.add(pool.submit(_train, group, quick))
            if len(running) >= workers:
                ready, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in ready)
        while running:
            ready, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in ready)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
