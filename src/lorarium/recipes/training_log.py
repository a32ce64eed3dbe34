"""What a long training tells: a line of JSON now and then, also beside its checkpoint."""

from __future__ import annotations

import json
import time
from pathlib import Path

import torch
from torch import Tensor


class TrainingLog:
    def __init__(self, folder: Path, batch: int, every: int) -> None:
        self.file, self.batch, self.every = folder / "log.jsonl", batch, every
        self.recent: list[Tensor] = []  # not numbers yet: to ask for one is to wait for the device
        self.last = time.time()

    def add(self, step: int, pictures: int, loss: Tensor) -> None:
        """The loss of a step, of which every so many make a line."""
        self.recent.append(loss.detach())
        if step % self.every:
            return
        seconds = time.time() - self.last
        line = json.dumps({
            "step": step, "pictures": pictures,
            "loss": round(float(torch.stack(self.recent).mean()), 5),
            "per_second": round(len(self.recent) * self.batch / seconds, 1),
        })  # fmt: skip
        self.recent, self.last = [], time.time()
        print(line, flush=True)
        with open(self.file, "a") as log:
            log.write(line + "\n")
