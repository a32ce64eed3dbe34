"""Sketches: what an adapter is, in at most 32 KiB that stay comparable for ever.

Three vectors of fixed random projections stand for three kernels between weight changes D, D':
`product` <D, D'> (linear in D: copies, relatives, merges), `output` <D Dᵀ, D' D'ᵀ> (content) and
`input` <Dᵀ D, D'ᵀ D'> (initialisation: trainer and seed). All are blind to how D is factored, to
its rank and to its kind. Modules that only one of two adapters has count as zeros. Where the base
is known from inside, a fourth one, `effect`, holds what the adapter adds there.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from lorarium.adapter import Adapter, Array
from lorarium.descriptors.effect import SIZE as EFFECT
from lorarium.descriptors.effect import effect
from lorarium.descriptors.facts import SIZE as FACTS
from lorarium.descriptors.facts import fact_names, facts
from lorarium.descriptors.probes import address, windows
from lorarium.descriptors.project import GRID, RIGHT, project
from lorarium.errors import LorariumError, quoted

SKETCH_VERSION = 1
# The error of an inner product is about 1/√size, to which eight bits a number add next to
# nothing. Content is told by small differences, so most of the 32 KiB are `output`'s; `product`
# finds what is nearly equal and is solved for weights: fewer but finer numbers (docs/describe.md).
PRODUCT, OUTPUT, INPUT = 4096, 16384, 4096
MAX_BYTES = 2**15  # `effect` apart
_HEAD = struct.Struct("<4sHHIIIIi")  # magic, version, length of the family, sizes, exponent
_MAGIC = b"lsk\0"
_TYPES = {"product": "<i2", "output": "i1", "input": "i1", "facts": "<f4", "effect": "i1"}


@dataclass(frozen=True, eq=False, repr=False)
class Sketch:
    """`output`, `input` and `effect` are unit vectors (zero where nothing is changed), so that an
    inner product is a cosine; `facts` are named by `fact`. The numbers are what the bytes hold."""

    family: str
    product: Array  # (4096,) float32
    output: Array  # (16384,) float32
    input: Array  # (4096,) float32
    facts: Array  # float32
    effect: Array = field(default_factory=lambda: np.zeros(0))  # (12288,) float32, or empty

    def __post_init__(self) -> None:
        for name in _TYPES:
            vector = np.array(getattr(self, name), np.float32)
            vector.flags.writeable = False
            object.__setattr__(self, name, vector)

    def __repr__(self) -> str:
        modules, norm = self.fact("modules"), self.fact("norm")
        return f"Sketch({quoted(self.family)[1:-1]}, {modules:.0f} modules, norm {norm:.3g})"

    def fact(self, name: str) -> float:
        """One fact, as `fact_names` spells it: `norm`, `effective rank`, `energy q`..."""
        names = fact_names(self.family)
        if not name or name not in names:
            raise LorariumError(f"no fact {quoted(name)}", hint="see describe.fact_names(family)")
        return float(self.facts[names.index(name)])

    def to_bytes(self) -> bytes:
        """At most 32 KiB and 12 of `effect`, from which `from_bytes` makes the very same sketch."""
        family = self.family.encode()
        product, exponent = _sixteen_bits(self.product)
        arrays = [product, _eight_bits(self.output), _eight_bits(self.input), self.facts]
        sizes = [len(array) for array in arrays]
        arrays.append(_eight_bits(self.effect))
        head = _HEAD.pack(_MAGIC, SKETCH_VERSION, len(family), *sizes, exponent)
        kinds = zip(arrays, _TYPES.values(), strict=True)
        return b"".join([head, family, *(array.astype(kind).tobytes() for array, kind in kinds)])

    @classmethod
    def from_bytes(cls, data: bytes) -> Sketch:
        """The sketch in these bytes; refused when of another version or damaged."""
        family, exponent, (product, output, input, numbers, effect) = _stored(data)
        units = _unit(output), _unit(input), numbers, _unit(effect)
        return cls(family, np.ldexp(product, exponent), *units)


def product_and_input(data: bytes) -> tuple[Array, Array]:
    """Of the sketch in these bytes `product` (float64) and `input` as it is stored, of any length;
    the rest is not decoded."""
    _, exponent, (product, _, input, *_) = _stored(data)
    return np.ldexp(product.astype(np.float64), exponent), input.copy()


def _stored(data: bytes) -> tuple[str, int, list[Array]]:
    """Family, exponent and the numbers in these bytes, checked."""
    if len(data) < _HEAD.size or data[:4] != _MAGIC:
        raise LorariumError("these bytes are no sketch")
    _, version, length, *sizes, exponent = _HEAD.unpack_from(data)
    if version != SKETCH_VERSION:
        hint = "update lorarium" if version > SKETCH_VERSION else "sketch the adapter again"
        raise LorariumError(f"this sketch is of version {version}", hint=hint)
    kinds = [np.dtype(kind) for kind in _TYPES.values()]
    starts = np.cumsum([_HEAD.size + length, *map(_bytes, sizes, kinds)]).tolist()
    sizes.append(len(data) - starts[-1])
    if sizes[:-1] != [PRODUCT, OUTPUT, INPUT, FACTS] or sizes[-1] not in (0, EFFECT):
        raise _damaged()
    arrays = [
        np.frombuffer(data, kind, size, start)
        for kind, size, start in zip(kinds, sizes, starts, strict=False)
    ]
    if not -200 < exponent <= 113 or not np.isfinite(arrays[3]).all():
        raise _damaged()
    return data[_HEAD.size : starts[0]].decode(errors="replace"), exponent, arrays


def _damaged() -> LorariumError:
    return LorariumError("this sketch is damaged", hint="sketch the adapter again")


def sketch(adapter: Adapter) -> Sketch:
    """The sketch of an adapter: any rank, any kind; DoRA by the change inside it.

    >>> sketch(read("ink.safetensors")).fact("effective rank")  # doctest: +SKIP
    """
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused below
        projections = list(project(adapter))
        numbers = facts(adapter, projections)
    if not np.isfinite(numbers).all():
        raise LorariumError("the changes are too large to sketch", hint="see `lorarium inspect`")
    product, output, input = np.zeros(PRODUCT), np.zeros(OUTPUT), np.zeros(INPUT)
    for part in projections:
        places = [address(module) for module in part.modules]
        _add(product, part.grid.reshape(len(places), -1), [p.slots[0] for p in places])
        if part.output is not None and part.input is not None:
            rows, scale = _rows(part.output, part.shape[0], [p.output for p in places])
            _add(output, rows, [p.slots[1] for p in places], scale)
            rows, scale = _rows(part.input, part.shape[1], [p.input for p in places])
            _add(input, rows, [p.slots[2] for p in places], scale)
    rounded, exponent = _sixteen_bits(product / math.sqrt(GRID * RIGHT))
    units = _unit(_eight_bits(output)), _unit(_eight_bits(input))
    effect_vector = _unit(_eight_bits(effect(adapter)))
    return Sketch(adapter.family, np.ldexp(rounded, exponent), *units, numbers, effect_vector)


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


def _add(total: Array, rows: Array, slots: list[int], scale: Array | float = 1.0) -> None:
    """Scaled rows (k, c) added up in `total`, seen as slots of a power of two, each in its own."""
    table = total.reshape(-1, 1 << (rows.shape[1] - 1).bit_length())
    chosen = np.asarray(slots) % len(table)
    where = np.zeros((len(table), len(rows)), rows.dtype)
    where[chosen, np.arange(len(rows))] = scale
    table[:, : rows.shape[1]] += where @ rows


def _rows(grams: Array, d: int, starts: list[int]) -> tuple[Array, Array]:
    """Rᵀ M R (k, p, p) of M (d, d) as signed rows whose inner products are unbiased, and one over
    the length of each.

    Two different probes of orthonormal ones give slightly less than <M, M'> where both traces are
    large, a probe and itself more; the weight of the diagonal makes up for it.
    """
    places, diagonal = _upper(grams.shape[1])
    weight = np.sqrt((len(diagonal) - 1) / (d - 1) if d > len(diagonal) else 1) * np.sqrt(0.5)
    rows = grams.reshape(len(grams), -1).take(places, axis=1)
    rows[:, diagonal] *= rows.dtype.type(weight)
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    rows *= windows(starts, rows.shape[1])
    return rows, np.divide(1, length, out=np.zeros_like(length), where=length > 0)


@cache
def _upper(p: int) -> tuple[Array, Array]:
    """Places of the entries of a (p, p) matrix on and above its diagonal; which are on it."""
    first, second = np.triu_indices(p)
    return first * p + second, np.flatnonzero(first == second)


def _sixteen_bits(vector: Array) -> tuple[Array, int]:
    """Whole numbers times a power of two, so that a second time gives the same."""
    peak = float(np.abs(vector).max(initial=0))
    exponent = math.frexp(peak / 2**15)[1] if peak else 0
    return np.rint(np.ldexp(vector, -exponent)).clip(-(2**15) + 1, 2**15 - 1), exponent


def _eight_bits(vector: Array) -> Array:
    """Whole numbers up to 127: the length is not kept."""
    peak = float(np.abs(vector).max(initial=0))
    return np.rint(vector * (127 / peak)) if peak else np.zeros(vector.shape)


def _unit(integers: Array) -> Array:
    wide = integers.astype(np.float64)
    size = np.sqrt((wide * wide).sum())
    return wide / size if size else wide


def _bytes(size: int, kind: np.dtype) -> int:
    return size * kind.itemsize
