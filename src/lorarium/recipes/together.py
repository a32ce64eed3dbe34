"""Processes that train one network, each on its share of every batch.

On a processor this is worth more than as many threads: matrices are small, and rendering is shared
too. What is learned is what one process would learn from the whole batch.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, multiprocessing, nn

MOST = 4  # processes: shares of a batch become too small for more


class Together:
    """One of them; alone, it waits for nobody."""

    def __init__(self, number: int = 0, count: int = 1) -> None:
        self.number, self.count = number, count

    @property
    def first(self) -> bool:
        return self.number == 0

    def share(self, batch: int) -> int:
        if batch % self.count:
            raise ValueError(f"a batch of {batch} has no {self.count} equal shares")
        return batch // self.count

    def all_say(self, yes: bool) -> bool:
        """Whether everybody says so."""
        return bool(self._sum(torch.tensor([float(yes)])) == self.count)

    def mean_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Everybody's gradients become the mean of all."""
        if self.count == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        mean = self._sum(torch.cat([g.flatten() for g in gradients])) / self.count
        for gradient, part in zip(
            gradients, mean.split([g.numel() for g in gradients]), strict=True
        ):
            gradient.copy_(part.view_as(gradient))

    def _sum(self, x: Tensor) -> Tensor:
        if self.count > 1:
            dist.all_reduce(x)
        return x


def processes() -> int:
    """As many as there are cores for, up to what is worth it."""
    return min(MOST, len(os.sched_getaffinity(0)))


def train_together(work: Callable[[Together], None], count: int) -> None:
    """Let so many processes do the work; one that fails ends all."""
    if count == 1:
        work(Together())
        return
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(_work, (work, count, Path(folder) / "meet"), count)


def _work(number: int, work: Callable[[Together], None], count: int, meet: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meet}", rank=number, world_size=count)
    try:
        work(Together(number, count))
    finally:
        dist.destroy_process_group()
