"""Named vector spaces: what turns an adapter, pictures or words into vectors that compare.

A space is a table of its own for each family, filled from the sketches in the library, so a new
one costs a pass over the sketches and touches nothing else. Everything here can be made again.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from lorarium.adapter import Array
from lorarium.describe.sketch import SKETCH_VERSION, Sketch, fold
from lorarium.errors import LorariumError
from lorarium.library.store import VECTOR, Store

FILES = "files"
MOST = 1024  # coordinates of a stored vector
BATCH = 2000
APPROXIMATE = 200_000  # from so many rows on there is an index


@dataclass(frozen=True)
class Encoder:
    """`adapter` gives a vector of any length, or None where it has nothing to say.

    With `pictures` or `words` a library can be searched by them: they give vectors of the same
    space. Raise `version` when vectors change; `families` limits it, None stands for all.
    """

    name: str
    version: str
    adapter: Callable[[Sketch], Array | None]
    pictures: Callable[[Sequence[Path]], Array] | None = None
    words: Callable[[str], Array] | None = None
    families: frozenset[str] | None = None

    def knows(self, family: str) -> bool:
        return self.families is None or family in self.families

    def table(self, family: str) -> str:
        return f"{self.name}.{self.version}.{re.sub(r'[^A-Za-z0-9-]', '_', family)}"

    def vector(self, sketch: Sketch) -> Array | None:
        """The unit vector that is stored, None where there is none."""
        made = self.adapter(sketch)
        return None if made is None else unit(shortened(made))


def unit(vector: Array) -> Array | None:
    """Float32 of length one; None for zero and for what is not finite."""
    size = float(np.linalg.norm(vector))
    if not np.isfinite(size) or size == 0:
        return None
    return (vector / size).astype(np.float32)


def shortened(vector: Array) -> Array:
    """At most `MOST` coordinates, inner products kept up to noise of 1 / √MOST."""
    if vector.size <= MOST:
        return vector
    return vector.astype(np.float32) @ _projection(vector.size)


@functools.lru_cache(4)
def _projection(size: int) -> Array:
    rng = np.random.default_rng([size, MOST])
    return rng.standard_normal((size, MOST), np.float32) / np.float32(np.sqrt(MOST))


BUILT_IN = {
    encoder.name: encoder
    for encoder in (
        Encoder("product", str(SKETCH_VERSION), lambda s: fold(s.product, MOST // 2)),
        Encoder("output", str(SKETCH_VERSION), lambda s: fold(s.output, MOST)),
        Encoder("input", str(SKETCH_VERSION), lambda s: fold(s.input, MOST // 2)),
    )
}
# of the spaces that know the family of a query, the first is the one to search by adapter
PREFERRED = ("style", "aligned", "output")


def for_adapters(encoders: Mapping[str, Encoder], family: str) -> Encoder:
    for name in PREFERRED:
        if name in encoders and encoders[name].knows(family):
            return encoders[name]
    raise LorariumError(f"no vector space knows the family {family}")


def for_kinds(encoders: Mapping[str, Encoder], kinds: set[str], family: str) -> Encoder | None:
    """The first space in which everything of these kinds has a place."""
    for encoder in encoders.values():
        able = all(kind == "adapter" or getattr(encoder, kind) is not None for kind in kinds)
        if able and encoder.knows(family):
            return encoder
    return None


def fill(store: Store, encoders: Mapping[str, Encoder], done: Callable[[int], None]) -> None:
    """Make every space hold exactly the adapters of the library."""
    if FILES not in store.names():
        return
    rows = store.read(FILES, ["id", "family", "described"]).to_pydict()
    wanted: dict[str, set[str]] = {}
    for id, family, described in zip(*rows.values(), strict=True):
        if described:
            wanted.setdefault(family, set()).add(id)
    names = store.names()
    current = {e.table(family) for e in encoders.values() for family in wanted}
    for name in names - {FILES}:
        same = encoders.get(name.partition(".")[0])
        if same and name not in current:
            store.drop(name)
    for family, ids in wanted.items():
        for encoder in encoders.values():
            if encoder.knows(family):
                _fill_one(store, encoder, family, ids, names, done)


def _fill_one(
    store: Store,
    encoder: Encoder,
    family: str,
    ids: set[str],
    names: set[str],
    done: Callable[[int], None],
) -> None:
    name = encoder.table(family)
    have = set(store.read(name, ["id"])["id"].to_pylist()) if name in names else set()
    store.remove(name, "id", sorted(have - ids))
    missing = sorted(ids - have)
    for start in range(0, len(missing), BATCH):
        some = missing[start : start + BATCH]
        found: list[str] = []
        vectors: list[Array] = []
        for id, sketch in read_sketches(store, some):
            vector = encoder.vector(sketch)
            if vector is not None:
                found.append(id)
                vectors.append(vector)
        if found:
            store.put(name, "id", vector_table(found, np.stack(vectors)))
        done(len(some))
    if (missing or have - ids) and name in store.names():
        if store.count(name) >= APPROXIMATE:
            store.make_index(name)
        store.tidy(name)


def read_sketches(store: Store, ids: Sequence[str]) -> Iterator[tuple[str, Sketch]]:
    """The sketches of some contents, each once; those without a usable one are left out."""
    seen: set[str] = set()
    for start in range(0, len(ids), BATCH):
        rows = store.pick(FILES, "id", list(ids[start : start + BATCH]), ["id", "sketch"])
        for id, data in zip(rows["id"].to_pylist(), rows["sketch"], strict=True):
            if id in seen or not data.is_valid:
                continue
            seen.add(id)
            try:
                yield id, Sketch.from_bytes(data.as_py())
            except LorariumError:  # of another version: its file is going to be read again
                continue


def vector_table(ids: Sequence[str], vectors: Array) -> pa.Table:
    """Vectors (n, d) by id; half precision is far finer than the sketches behind them."""
    flat = pa.array(np.ascontiguousarray(vectors, np.float16).reshape(-1))
    lists = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    return pa.table({"id": pa.array(ids, pa.string()), VECTOR: lists})
