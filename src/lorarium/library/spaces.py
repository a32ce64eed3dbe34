"""Named vector spaces: what turns an adapter, pictures or words into vectors that compare.

A space is a table of its own for each family, filled from the sketches in the library, so a new
one costs a pass over the sketches and touches nothing else. Everything here can be made again.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from lorarium.adapter import Array
from lorarium.descriptors.sketch import SKETCH_VERSION, Sketch, fold
from lorarium.errors import LorariumError
from lorarium.library.store import Store

Item = TypeVar("Item")
FILES = "files"
AT_ONCE = 256  # sketches that are read together; one is 45 KB
TOGETHER = 128  # that are encoded at once
BATCH = 1000
MOST = 1024  # coordinates of a stored vector
APPROXIMATE = 2_000_000  # rows from which on an index answers: below, signs find more and faster
FINE = 20  # nearest by the stored vectors that are compared once more in full


@dataclass(frozen=True)
class VectorSpace:
    """`adapter` gives a vector of any length, or None where it has nothing to say.

    With `pictures` or `words` a library can be searched by them: they give vectors of the same
    space. Raise `version` when vectors change; `families` limits it, None stands for all. Of a
    vector longer than `stored` a shorter one is stored, by adding up its pieces when it `folds` as
    sketches do; the nearest by that are compared in full, from their sketches. `thresholds` is the
    cosine that all but one in twenty true matches reach, by kind of query, where that is known.
    `together` is `adapter` of several at once, (n, d), where that is faster.
    """

    name: str
    version: str
    adapter: Callable[[Sketch], Array | None]
    pictures: Callable[[Sequence[Path]], Array] | None = None
    words: Callable[[str], Array] | None = None
    families: frozenset[str] | None = None
    stored: int = MOST
    folds: bool = False
    thresholds: Mapping[str, float] = field(default_factory=dict, hash=False)
    together: Callable[[Sequence[Sketch]], Array] | None = None

    def knows(self, family: str) -> bool:
        return self.families is None or family in self.families

    def table(self, family: str) -> str:
        return f"{self.name}.{self.version}.{re.sub(r'[^A-Za-z0-9-]', '_', family)}"

    def full(self, sketch: Sketch) -> Array | None:
        """The unit vector of an adapter, None where there is none."""
        vector = self.adapter(sketch)
        return None if vector is None else unit(vector)

    def fulls(self, sketches: Sequence[Sketch]) -> list[Array | None]:
        """The same of several adapters."""
        if self.together is None:
            return [self.full(sketch) for sketch in sketches]
        return [unit(vector) for vector in self.together(sketches)]

    def short(self, vector: Array) -> Array | None:
        """The unit vector that is stored; cosines are kept up to noise of 1 / √stored."""
        return unit(self._shortened(vector))

    def shorts(self, sketches: Sequence[Sketch]) -> list[Array | None]:
        """What is stored of several adapters, None where there is nothing."""
        if self.together is not None:
            return [unit(vector) for vector in self._shortened(self.together(sketches))]
        return [None if full is None else self.short(full) for full in self.fulls(sketches)]

    def _shortened(self, vectors: Array) -> Array:
        """One vector or several, (..., d) -> (..., at most `stored`)."""
        size = vectors.shape[-1]
        if size <= self.stored:
            return vectors
        if self.folds:
            return fold(vectors, self.stored)
        return vectors.astype(np.float32) @ _projection(size, self.stored)


def unit(vector: Array) -> Array | None:
    """Float32 of length one; None for zero and for what is not finite."""
    size = float(np.linalg.norm(vector))
    if not np.isfinite(size) or size == 0:
        return None
    return (vector / size).astype(np.float32)


@functools.lru_cache(4)
def _projection(size: int, stored: int) -> Array:
    return np.random.default_rng([size, stored]).standard_normal((size, stored), np.float32)


def _of_sketch(name: str, adapter: Callable[[Sketch], Array], stored: int) -> VectorSpace:
    return VectorSpace(name, str(SKETCH_VERSION), adapter, stored=stored, folds=True)


BUILT_IN = {
    "product": _of_sketch("product", lambda s: s.product, MOST // 2),
    "output": _of_sketch("output", lambda s: s.output, MOST),
    "input": _of_sketch("input", lambda s: s.input, MOST // 2),
}
PROBE = "probe"
# of the spaces that know the family of a query, the first is the one to search by adapter; an
# adopted base's has the base's name besides
PREFERRED = ("style", PROBE, "output")


def for_adapters(
    encoders: Mapping[str, VectorSpace], family: str, tables: Collection[str]
) -> VectorSpace:
    """The first preferred space that is filled already, or else that knows the family."""
    able = [
        space
        for preferred in PREFERRED
        for name, space in encoders.items()
        if (name == preferred or name.startswith(f"{preferred}-")) and space.knows(family)
    ]
    if not able:
        raise LorariumError(f"no vector space knows the family {family}")
    return next((encoder for encoder in able if encoder.table(family) in tables), able[0])


def for_kinds(
    encoders: Mapping[str, VectorSpace], kinds: set[str], family: str
) -> VectorSpace | None:
    """The first space in which everything of these kinds has a place."""
    for encoder in encoders.values():
        able = all(kind == "adapter" or getattr(encoder, kind) is not None for kind in kinds)
        if able and encoder.knows(family):
            return encoder
    return None


def read_sketches(store: Store, places: Mapping[str, int]) -> Iterator[tuple[str, Sketch]]:
    """The sketches of contents at their places in the table of files, a few at a time; those
    without a usable one are left out."""
    for some in batches(places, AT_ONCE):
        column = store.at(FILES, [places[id] for id in some], ["sketch"])["sketch"]
        for id, data in zip(some, column, strict=True):
            sketch = decode_sketch(data.as_py())
            if sketch is not None:
                yield id, sketch


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    left = iter(items)
    while some := list(islice(left, size)):
        yield some


def decode_sketch(data: bytes | None) -> Sketch | None:
    """A stored sketch; None for none, and for one of another version: its file is to be read."""
    try:
        return None if data is None else Sketch.from_bytes(data)
    except LorariumError:
        return None
