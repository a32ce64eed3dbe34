"""Named vector spaces: what turns an adapter, pictures or words into vectors that compare.

A space is a table of its own for each family, filled from the sketches in the library, so a new
one costs a pass over the sketches and touches nothing else. Everything here can be made again.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lorarium.adapter import Array
from lorarium.descriptors.sketch import SKETCH_VERSION, Sketch, fold
from lorarium.errors import LorariumError
from lorarium.library.store import Store

FILES = "files"
BATCH = 2000
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

    def knows(self, family: str) -> bool:
        return self.families is None or family in self.families

    def table(self, family: str) -> str:
        return f"{self.name}.{self.version}.{re.sub(r'[^A-Za-z0-9-]', '_', family)}"

    def full(self, sketch: Sketch) -> Array | None:
        """The unit vector of an adapter, None where there is none."""
        vector = self.adapter(sketch)
        return None if vector is None else unit(vector)

    def short(self, vector: Array) -> Array | None:
        """The unit vector that is stored; cosines are kept up to noise of 1 / √stored."""
        if vector.size <= self.stored:
            return unit(vector)
        if self.folds:
            return unit(fold(vector, self.stored))
        return unit(vector.astype(np.float32) @ _projection(vector.size, self.stored))


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
# of the spaces that know the family of a query, the first is the one to search by adapter
PREFERRED = ("style", "probe", "output")


def for_adapters(
    encoders: Mapping[str, VectorSpace], family: str, tables: Collection[str]
) -> VectorSpace:
    """The first preferred space that is filled already, or else that knows the family."""
    able = [encoders[n] for n in PREFERRED if n in encoders and encoders[n].knows(family)]
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


def read_sketches(store: Store, ids: Sequence[str]) -> Iterator[tuple[str, Sketch]]:
    """The sketches of some contents, each once; those without a usable one are left out."""
    rows = store.pick(FILES, "id", list(ids), ["id", "sketch"])
    seen: set[str] = set()
    for id, data in zip(rows["id"].to_pylist(), rows["sketch"], strict=True):
        sketch = None if id in seen else decode_sketch(data.as_py())
        if sketch is not None:
            seen.add(id)
            yield id, sketch


def decode_sketch(data: bytes | None) -> Sketch | None:
    """A stored sketch; None for none, and for one of another version: its file is to be read."""
    try:
        return None if data is None else Sketch.from_bytes(data)
    except LorariumError:
        return None
