"""What descent is told by of a file's sketch, for as many files at once as one answer looks at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from lorarium.adapter import Array
from lorarium.descriptors.sketch import product_and_input
from lorarium.errors import LorariumError
from lorarium.library.recent import Recent
from lorarium.library.snapshot import Snapshot


class MemberSketch(NamedTuple):
    """ΔW's sketch as a direction and its length, and the bytes of the one on the input side."""

    unit: Array  # (4096,) float32; zero where nothing is changed
    norm: float
    start: Array  # (4096,) int8, of any length

    def cosine(self, other: MemberSketch) -> float:
        return float(self.unit @ other.unit)

    def start_cosine(self, other: MemberSketch) -> float:
        """On the input side: near 1 for adapters that began at one initialisation."""
        a, b = self.start.astype(np.float32), other.start.astype(np.float32)
        size = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
        return float(a @ b) / size if size else 0.0


def member_sketch(data: bytes) -> MemberSketch:
    product, start = product_and_input(data)
    norm = float(np.linalg.norm(product))
    return MemberSketch((product / (norm or 1)).astype(np.float32), norm, start)


class MemberSketches:
    """Those of a library by content; `most` are held, whatever the size of the library."""

    def __init__(self, snapshot: Snapshot, most: int) -> None:
        self.snapshot = snapshot
        self._held: Recent[str, MemberSketch] = Recent(most)

    def load(self, ids: Iterable[str]) -> set[str]:
        """Read what is missing of these, together; returns those that have a usable sketch."""
        usable = {id for id in dict.fromkeys(ids) if self._is_held(id)}
        for id, data in self.snapshot.sketch_bytes([id for id in ids if id not in usable]):
            try:
                self._held[id] = member_sketch(data)
            except LorariumError:  # of another version: its file is to be read again
                continue
            usable.add(id)
        return usable

    def _is_held(self, id: str) -> bool:
        if id in self._held:
            self._held.move_to_end(id)
            return True
        return False

    def __getitem__(self, id: str) -> MemberSketch:
        if id not in self._held:
            self.load([id])
        return self._held[id]
