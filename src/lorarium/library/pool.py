"""One function over many items, in processes of this machine or on a Ray cluster.

The function and its items must be importable and picklable. Results come as they are ready. A
process that dies with an item (a file cut short while it is mapped, no memory) costs that item
only.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from lorarium.errors import LorariumError, need_packages

Item = TypeVar("Item")
Result = TypeVar("Result")
AHEAD = 4  # items waiting for each process
SHARE = 16  # items at most in one task of Ray
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Died:
    """In place of a result: the process ended with this item."""


def run(
    work: Callable[[Item], Result], items: Sequence[Item], workers: int | None = None
) -> Iterator[tuple[Item, Result | Died]]:
    """Each item with its result; with `workers` 0 in this process, by default one for each core."""
    if workers == 0:
        for item in items:
            yield item, work(item)
        return
    left = deque(items)
    while left:
        broken: list[Item] = []
        yield from _pooled(work, left, min(workers or os.cpu_count() or 1, len(left)), broken)
        # after a death nobody knows whose it was: those in flight go on one by one
        for item in broken:
            again: list[Item] = []
            yield from _pooled(work, deque([item]), 1, again)
            if again:
                yield item, Died()


def _pooled(
    work: Callable[[Item], Result], left: deque[Item], workers: int, broken: list[Item]
) -> Iterator[tuple[Item, Result]]:
    """Take from `left` until it is empty or the pool breaks; what is in flight then is `broken`."""
    context = multiprocessing.get_context("spawn")  # a fork would copy the threads of the store
    with _one_thread_each():
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_settle)
        _need_start(pool, workers)
    waiting: dict[Future[Result], Item] = {}
    try:
        while left or waiting:
            while left and len(waiting) < AHEAD * workers:
                waiting[pool.submit(work, left[0])] = left[0]
                left.popleft()
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                result = future.result()
                yield waiting.pop(future), result
    except BrokenProcessPool:
        broken.extend(waiting.values())
    except BaseException:  # Ctrl-C: what is being read will be read again, nobody waits for it
        _end_processes(pool)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes started inside compute with one thread each, unless the user says otherwise."""
    missing = [name for name in THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(missing, "1"))
    try:
        yield
    finally:
        for name in missing:
            os.environ.pop(name, None)


def _need_start(pool: ProcessPoolExecutor, workers: int) -> None:
    """Start all processes, and see that they live."""
    try:
        with _without_interrupts():
            beginnings = [pool.submit(time.sleep, 0.0) for _ in range(workers)]
        for started in beginnings:
            started.result()
    except KeyboardInterrupt:
        _end_processes(pool)
        raise
    except BrokenProcessPool:
        pool.shutdown()
        hint = "in a script, call it under `if __name__ == '__main__':`, or pass workers=0"
        raise LorariumError("worker processes cannot start here", hint=hint) from None


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Processes started inside never hear of Ctrl-C; here it comes when this is over."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_processes(pool: ProcessPoolExecutor) -> None:
    # a method of its own, `terminate_workers`, only from Python 3.14 on
    for process in list((pool._processes or {}).values()):
        process.terminate()


def _settle() -> None:
    """In a new process: Ctrl-C is the parent's business, and when it is gone so are we."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def run_on_ray(
    work: Callable[[Item], Result], items: Sequence[Item], address: str
) -> Iterator[tuple[Item, Result | Died]]:
    """The same on the nodes of a Ray cluster, where lorarium and the files must be as here."""
    need_packages("--ray", ("ray",), "cluster")
    import ray

    ours = not ray.is_initialized()
    if ours:
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # whatever the network says
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise LorariumError(f"no Ray cluster answers ({reason})", where=address) from None
    try:
        task: Any = ray.remote(max_retries=1)(_several)
        cores = max(1, int(ray.cluster_resources().get("CPU", 1)))
        ahead = AHEAD * cores
        size = max(1, min(SHARE, len(items) // ahead))
        shares = [list(items[i : i + size]) for i in range(0, len(items), size)]
        yield from _as_ready(ray, task, work, shares, ahead)
    finally:
        if ours:
            ray.shutdown()


def _as_ready(
    ray: Any, task: Any, work: Callable[[Item], Result], shares: list[list[Item]], ahead: int
) -> Iterator[tuple[Item, Result | Died]]:
    waiting: dict[Any, list[Item]] = {}
    while shares or waiting:
        while shares and len(waiting) < ahead:
            share = shares.pop(0)
            waiting[task.remote(work, share)] = share
        ready, _ = ray.wait(list(waiting), num_returns=1)
        for reference in ready:
            share = waiting.pop(reference)
            try:
                yield from zip(share, ray.get(reference), strict=True)
            except ray.exceptions.WorkerCrashedError:
                if len(share) == 1:
                    yield share[0], Died()
                else:
                    shares.extend([item] for item in share)


def _several(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    return [work(item) for item in items]
