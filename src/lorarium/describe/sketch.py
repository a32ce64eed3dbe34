"""Sketches: what an adapter is, in at most 32 KiB that stay comparable for ever.

Three vectors of fixed random projections stand for three kernels between weight changes D, D':
`product` <D, D'> (linear in D: copies, relatives, merges), `output` <D Dᵀ, D' D'ᵀ> (content) and
`input` <Dᵀ D, D'ᵀ D'> (initialisation: trainer and seed). All are blind to how D is factored, to
its rank and to its kind. Modules that only one of two adapters has count as zeros.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, fields

import numpy as np

from lorarium.adapter import Adapter, Array
from lorarium.describe.facts import SIZE as FACTS
from lorarium.describe.facts import fact_names, facts
from lorarium.describe.probes import PROBES, address, windows
from lorarium.describe.project import project
from lorarium.errors import LorariumError, quoted

SKETCH_VERSION = 1
# The error of an inner product of unit vectors is about 1/√size. What 32 KiB hold goes first to
# `product`, in full precision because sums of sketches are solved for, then to content; for
# `input` a coarse reading is enough, as adapters of one trainer and seed are close to 1.
PRODUCT, OUTPUT, INPUT = 4096, 4096, 2048
MAX_BYTES = 2**15
_HEAD = struct.Struct("<4sHHIIII")  # magic, version, length of the family, sizes
_MAGIC = b"lsk\0"
_TYPES = {"product": "<f4", "output": "<f2", "input": "<f2", "facts": "<f4"}
_UPPER = np.flatnonzero(np.triu(np.ones((PROBES, PROBES), bool), 1))


@dataclass(frozen=True, eq=False)
class Sketch:
    """`output` and `input` are unit vectors (zero where nothing is changed) rounded to half
    precision, so that their inner product is a cosine; `facts` are named by `fact`."""

    family: str
    product: Array  # (4096,) float32
    output: Array  # (4096,) float32
    input: Array  # (2048,) float32
    facts: Array  # float32

    def __post_init__(self) -> None:
        for name in _TYPES:
            vector = np.array(getattr(self, name), np.float32)
            vector.flags.writeable = False
            object.__setattr__(self, name, vector)

    def fact(self, name: str) -> float:
        """One fact, as `facts.fact_names` spells it: `norm`, `effective rank`, `energy q`..."""
        names = fact_names(self.family)
        if not name or name not in names:
            raise LorariumError(f"no fact {quoted(name)}", hint="see describe.fact_names(family)")
        return float(self.facts[names.index(name)])

    def to_bytes(self) -> bytes:
        """At most 32 KiB, from which `from_bytes` makes the very same sketch."""
        family = self.family.encode()
        sizes = [len(getattr(self, name)) for name in _TYPES]
        head = _HEAD.pack(_MAGIC, SKETCH_VERSION, len(family), *sizes)
        arrays = [getattr(self, name).astype(kind).tobytes() for name, kind in _TYPES.items()]
        return b"".join([head, family, *arrays])

    @classmethod
    def from_bytes(cls, data: bytes) -> Sketch:
        """The sketch in these bytes; refused when of another version or damaged."""
        if len(data) < _HEAD.size or data[:4] != _MAGIC:
            raise LorariumError("these bytes are no sketch")
        _, version, length, *sizes = _HEAD.unpack_from(data)
        if version != SKETCH_VERSION:
            hint = "update lorarium" if version > SKETCH_VERSION else "sketch the adapter again"
            raise LorariumError(f"this sketch is of version {version}", hint=hint)
        start = _HEAD.size + length
        widths = [np.dtype(kind).itemsize for kind in _TYPES.values()]
        expected = start + sum(n * w for n, w in zip(sizes, widths, strict=True))
        if len(data) != expected or sizes != [PRODUCT, OUTPUT, INPUT, FACTS]:
            raise LorariumError("this sketch is damaged", hint="sketch the adapter again")
        arrays = {}
        for (name, kind), size, width in zip(_TYPES.items(), sizes, widths, strict=True):
            arrays[name] = np.frombuffer(data, kind, size, start).astype(np.float32)
            start += size * width
        family = data[_HEAD.size : _HEAD.size + length].decode(errors="replace")
        return cls(family, **arrays)


def sketch(adapter: Adapter) -> Sketch:
    """The sketch of an adapter: any rank, any kind; DoRA by the change inside it.

    >>> sketch(read("ink.safetensors")).fact("effective rank")  # doctest: +SKIP
    """
    found = list(project(adapter))
    product = np.zeros(PRODUCT)
    grams = {"output": np.zeros(OUTPUT), "input": np.zeros(INPUT)}
    for part in found:
        places = [address(module) for module in part.modules]
        grids = part.grid.reshape(len(places), -1)
        _add(product, grids, [place.slots[0] for place in places])
        if part.output is None or part.input is None:
            continue
        starts, slots = [p.output for p in places], [p.slots[1] for p in places]
        _add(grams["output"], _unit_upper(part.output, starts), slots)
        starts, slots = [p.input for p in places], [p.slots[2] for p in places]
        _add(grams["input"], _unit_upper(part.input, starts), slots)
    units = {name: _half(total) for name, total in grams.items()}
    return Sketch(adapter.family, product / PROBES, **units, facts=facts(adapter, found))


def product_inner(a: Sketch, b: Sketch) -> float:
    """About <ΔW_a, ΔW_b>."""
    return _dot(a, b, "product")


def product_cosine(a: Sketch, b: Sketch) -> float:
    """About the cosine of the weight changes: near 1 for copies; 0 when one changes nothing."""
    size = float(np.linalg.norm(a.product) * np.linalg.norm(b.product))
    return _dot(a, b, "product") / size if size else 0.0


def output_similarity(a: Sketch, b: Sketch) -> float:
    """About the mean over modules of <D Dᵀ, D' D'ᵀ>, each normalised: likeness of content."""
    return _dot(a, b, "output")


def input_similarity(a: Sketch, b: Sketch) -> float:
    """The same of Dᵀ D: near 1 for adapters that began at one initialisation."""
    return _dot(a, b, "input")


def fold(vectors: Array, size: int) -> Array:
    """Sketch vectors (..., n) made shorter, n a multiple of `size`: still a sketch of the same
    kernel, with an error of about 1/√size. For the first pass of a search."""
    n = vectors.shape[-1]
    if size < 1 or n % size:
        raise LorariumError(f"{n} numbers do not fold into {size}", hint="take a power of two")
    return vectors.reshape(*vectors.shape[:-1], n // size, size).sum(-2)


def _dot(a: Sketch, b: Sketch, name: str) -> float:
    if a.family != b.family:
        raise LorariumError(f"sketches of two base models, {a.family} and {b.family}")
    return float(np.dot(getattr(a, name), getattr(b, name)))


def _add(total: Array, rows: Array, slots: list[int]) -> None:
    """Rows (k, c) added up in `total` seen as slots of c places, each into its own slot."""
    table = total.reshape(-1, rows.shape[1])
    chosen = np.asarray(slots) % len(table)
    where = np.zeros((len(table), len(rows)), rows.dtype)
    where[chosen, np.arange(len(rows))] = 1
    table += where @ rows


def _unit_upper(gram: Array, starts: list[int]) -> Array:
    """Entries above the diagonal (two different probes: unbiased) as signed unit rows (k, 512)."""
    rows = np.zeros((len(gram), PROBES * PROBES // 2), gram.dtype)
    upper = gram.reshape(len(gram), -1).take(_UPPER, axis=1)
    size = np.linalg.norm(upper, axis=1, keepdims=True)
    np.divide(upper, size, out=upper, where=size > 0)
    rows[:, : len(_UPPER)] = upper * windows(starts, len(_UPPER))
    return rows


def _half(vector: Array) -> Array:
    """A unit vector of numbers that half precision holds."""
    size = np.linalg.norm(vector)
    return (vector / size if size else vector).astype(np.float16)


assert tuple(f.name for f in fields(Sketch)) == ("family", *_TYPES)
