"""Sketches of files: one, or many with several processes, in the order they were named."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from lorarium.adapter import Adapter
from lorarium.descriptors.sketch import Sketch, sketch
from lorarium.errors import LorariumError, file_error
from lorarium.formats import read
from lorarium.formats.sampling import read_share

AHEAD = 8  # files handed out per process before the first of them is asked back
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Described(NamedTuple):
    """A file and its sketch, or the sentence that says why it has none."""

    path: str
    sketch: Sketch | None
    error: str = ""


def describe(source: Adapter | str | os.PathLike[str], share: float = 1.0) -> Sketch:
    """The sketch of an adapter, of a file or of a PEFT folder, here or elsewhere.

    With a `share` of the bytes, of the modules that fit into it alone: facts are theirs, and what
    other sketches have in common with it shrinks alike for all.

    >>> describe("ink.safetensors").family  # doctest: +SKIP
    'sd1'
    """
    if isinstance(source, Adapter):
        return sketch(source)
    return sketch(read(source) if share == 1 else read_share(source, share)[0])


def describe_many(
    paths: Iterable[str | os.PathLike[str]], *, workers: int = 1
) -> Iterator[Described]:
    """Each file in turn, by as many processes as `workers` says; a bad file stops nobody.

    Needs the usual `if __name__ == "__main__":` around a script when `workers` is above 1.
    """
    if workers <= 1:
        yield from map(_one, map(str, paths))
        return
    # fresh processes: a fork of one that runs BLAS threads can hang
    context = multiprocessing.get_context("spawn")
    with _one_thread_each(), ProcessPoolExecutor(workers, context) as pool:
        waiting: deque[Future[Described]] = deque()
        try:
            for path in map(str, paths):
                waiting.append(pool.submit(_one, path))
                if len(waiting) >= AHEAD * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            raise LorariumError("a process ended early", hint="take fewer workers") from None
        finally:
            for future in waiting:
                future.cancel()


def _one(path: str) -> Described:
    try:
        return Described(path, describe(Path(path)))
    except Exception as error:
        return Described(path, None, str(file_error(error, path)))


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes started inside compute with one thread each, unless the user says otherwise."""
    missing = [name for name in _THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(missing, "1"))
    try:
        yield
    finally:
        for name in missing:
            os.environ.pop(name, None)
