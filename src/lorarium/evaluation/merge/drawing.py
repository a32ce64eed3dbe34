"""Drawing every row of every cell by some processes; each result is a file, so nothing is lost."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np
import torch
import torch.multiprocessing

from lorarium.adopted import trained_file
from lorarium.bases.base import Base
from lorarium.bases.resting import shareable
from lorarium.bases.rounded import rounded
from lorarium.evaluation.merge.cells import Cell
from lorarium.evaluation.merge.rows import NETWORKS, Drawn, MergeContender, draw
from lorarium.formats.target import write_atomically

Progress = Callable[[int, int, str], None]
Task = tuple[MergeContender, Cell, int, int, int]  # pictures, steps, noise
_base: Base


class PictureCache:
    """What was drawn, by row and cell."""

    def __init__(self, base: Base, folder: Path, workers: int = 1) -> None:
        self.base, self.folder, self.workers = base, folder, workers
        self._hashes: dict[Path, str] = {}

    def fill(self, tasks: Sequence[Task], progress: Progress = lambda *_: None) -> None:
        """Draw what is not there yet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        todo = [(t, where) for t in tasks if load_cached(where := self.place(t), t[2]) is None]
        done, total = len(tasks) - len(todo), len(tasks)
        progress(done, total, "")
        if self.workers < 2 or not shareable(self.base) or len(todo) < 2:
            for task, where in todo:
                make(self.base, task, where)
                done += 1
                progress(done, total, task[0].name)
            return
        context = torch.multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(self.workers, context, _begin, (self.base,))
        try:
            running = {pool.submit(_make, task, where): task for task, where in todo}
            for future in as_completed(running):
                future.result()
                done += 1
                progress(done, total, running[future][0].name)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def __getitem__(self, task: Task) -> Drawn:
        drawing = load_cached(self.place(task), task[2])
        if drawing is None:
            raise KeyError(task[0].name)
        return drawing

    def place(self, task: Task) -> Path:
        """A name made of everything that decides the pictures."""
        row, cell, *numbers = task
        about = [self.base.hash, row, cell.prompt, cell.seed, numbers]
        about += [cell.entries, *(self._hash(path) for _, path in cell.everyone)]
        if row.method in NETWORKS:
            path = trained_file(NETWORKS[row.method], self.base.family, [self.base.hash])
            about.append(self._hash(path) if path else "")
        # as the class was called when the pictures that lie on disks were drawn
        text = repr(about).replace(MergeContender.__name__, "Row", 1)
        digest = hashlib.sha256(text.encode()).hexdigest()
        return self.folder / f"{digest[:32]}.npz"

    def _hash(self, path: Path) -> str:
        if path not in self._hashes:
            self._hashes[path] = hashlib.sha256(path.read_bytes()).hexdigest()
        return self._hashes[path]


def make(base: Base, task: Task, where: Path) -> None:
    row, cell, count, steps, noise = task
    with rounded(base):  # every row alike
        drawn = draw(row, cell, base, count, steps, noise)
    held = io.BytesIO()
    np.savez_compressed(
        held, pictures=drawn.pictures, seconds=np.array([drawn.merging, drawn.drawing])
    )
    write_atomically(where, [held.getvalue()], force=True)


def load_cached(path: Path, count: int) -> Drawn | None:
    """None for what is missing or damaged: it is drawn again."""
    try:
        with np.load(path, allow_pickle=False) as held:
            pictures, (merging, drawing) = held["pictures"], held["seconds"].tolist()
    except Exception:  # numpy and zipfile raise many kinds on damaged files
        return None
    good = pictures.dtype == np.uint8 and pictures.ndim == 4 and len(pictures) == count
    return Drawn(pictures, merging, drawing) if good else None


def _begin(base: Base) -> None:
    global _base
    _base = base
    torch.set_num_threads(1)


def _make(task: Task, where: Path) -> None:
    make(_base, task, where)
