"""Pictures that other processes render while a network learns from the last ones.

On one core rendering beside training gains nothing; a large GPU would wait for every picture.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from torch import Tensor

from lorarium.recipes.base import PicturePool

CHUNK = 256  # pictures that a process renders at once
AHEAD = 3  # chunks asked for, for each process

Rendered = tuple[np.ndarray, np.ndarray]


def _rendered(size: int, seed: int) -> Rendered:
    pool = PicturePool(size, CHUNK, seed)
    pool.render(CHUNK)
    return pool.pictures, pool.words


class RenderedAhead(PicturePool):
    """A ring that takes in whatever is ready, so `fresh` is what the workers can give."""

    def __init__(self, size: int, room: int, seed: int, workers: int) -> None:
        super().__init__(size, room, seed)
        self._executor = ProcessPoolExecutor(workers, get_context("spawn"))
        self._seeds = np.random.SeedSequence(seed)
        self._running: deque[Future[Rendered]] = deque()
        for _ in range(AHEAD * workers):
            self._ask()

    def render(self, count: int) -> None:
        """Wait for so many pictures; `batch` does not wait."""
        for _ in range(-(-count // CHUNK)):
            self._take()

    def batch(self, count: int, fresh: float) -> tuple[Tensor, Tensor]:
        while self._running[0].done():
            self._take()
        return self._drawn(count)

    def close(self) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _ask(self) -> None:
        seed = int(self._seeds.spawn(1)[0].generate_state(1, np.uint64)[0])
        self._running.append(self._executor.submit(_rendered, self.size, seed))

    def _take(self) -> None:
        pictures, words = self._running.popleft().result()
        self._ask()
        self._put(pictures, words)
