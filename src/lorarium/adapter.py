"""An adapter in memory: an immutable mapping from (part, module path) to one weight change.

`B` is (out, r), `A` is (r, in) and the change is `scale * B A`; a convolution keeps its kernel
axes on `A` (r, in, kh, kw) and `B` is (out, r, 1, 1). Arrays keep the dtype of their file.

A change that is built is sound: its arrays are real numbers, none is empty, they multiply, and its
scale is a finite float32; anything else is a `LorariumError` here and nowhere later. Single numbers
may be NaN or infinite: that is a finding about a file, not a reason to refuse it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple

from lorarium.errors import LorariumError
from lorarium.soundness import (
    Array,
    dims,
    is_matrix,
    matrix_shape,
    need_numbers,
    need_weight,
    product_shape,
    tucker_fits,
)

PARTS = (
    "denoiser",
    "denoiser_2",
    "denoiser_unknown_expert",
    "text_encoder",
    "text_encoder_2",
    "text_encoder_3",
)


class Module(NamedTuple):
    """Address of a weight: `path` is our dotted name; a bias change lives at `<path>.bias`."""

    part: str
    path: str

    def __str__(self) -> str:
        return f"{self.part}:{self.path}"


@dataclass(frozen=True, eq=False)
class LowRank:
    """scale * up @ down, or with `mid` (r, r, kh, kw) the Tucker form up * mid * down.

    `fused` names the group of modules that were one fused matrix in the file (its q, k, v, say);
    members of a group share one `down` object and `fused_rows` is where this part's rows stood.
    """

    up: Array
    down: Array
    mid: Array | None = None
    scale: float = 1.0
    fused: str | None = None
    fused_rows: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        up, down, mid = self.up, self.down, self.mid
        need_numbers(self, ("up", "down"))
        both = f"up {dims(up)} and down {dims(down)}"
        if up.ndim < 2 or down.ndim < 2 or up.ndim not in (2, down.ndim):
            raise LorariumError(f"{both} are not a pair of matrices")
        if mid is None:
            fits = up.shape[1] == down.shape[0]
        else:
            fits = tucker_fits(mid, up.shape[1], down.shape[0]) and is_matrix(down)
        if not fits or not is_matrix(up):
            middle = "" if mid is None else f" with mid {dims(mid)}"
            raise LorariumError(f"{both}{middle} do not multiply")
        need_weight(self)

    @property
    def rank(self) -> int:
        return int(self.up.shape[1])

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the weight it changes."""
        if self.mid is not None:
            return (self.up.shape[0], self.down.shape[1], *self.mid.shape[2:])
        return (self.up.shape[0], *self.down.shape[1:])


@dataclass(frozen=True, eq=False)
class Hadamard:
    """LoHa: scale * (w1_a w1_b) ∘ (w2_a w2_b); with t1, t2 both factors are Tucker forms."""

    w1_a: Array
    w1_b: Array
    w2_a: Array
    w2_b: Array
    t1: Array | None = None
    t2: Array | None = None
    scale: float = 1.0

    def __post_init__(self) -> None:
        need_numbers(self, ("w1_a", "w1_b", "w2_a", "w2_b"))
        if (self.t1 is None) != (self.t2 is None):
            raise LorariumError("one of its two Tucker cores is missing")
        first = product_shape("w1", self.w1_a, self.w1_b, self.t1)
        second = product_shape("w2", self.w2_a, self.w2_b, self.t2)
        if first != second:
            raise LorariumError(
                f"its factors {dims(first)} and {dims(second)} are of different shapes"
            )
        need_weight(self)

    @property
    def rank(self) -> int:
        return int(self.w1_b.shape[0])

    @property
    def shape(self) -> tuple[int, ...]:
        if self.t1 is not None:
            return (self.w1_a.shape[1], self.w1_b.shape[1], *self.t1.shape[2:])
        return (self.w1_a.shape[0], *self.w1_b.shape[1:])


@dataclass(frozen=True, eq=False)
class Kronecker:
    """LoKr: scale * w1 ⊗ w2, each whole (`w1`) or in factors (`w1_a w1_b`, Tucker with `t2`)."""

    w1: Array | None = None
    w1_a: Array | None = None
    w1_b: Array | None = None
    w2: Array | None = None
    w2_a: Array | None = None
    w2_b: Array | None = None
    t2: Array | None = None
    scale: float = 1.0

    def __post_init__(self) -> None:
        need_numbers(self, ())
        sides = (
            ("w1", self.w1, self.w1_a, self.w1_b, None),
            ("w2", self.w2, self.w2_a, self.w2_b, self.t2),
        )
        for name, matrix, a, b, core in sides:
            if matrix is None:
                if a is None or b is None:
                    raise LorariumError(f"{name} is missing, whole or as {name}_a and {name}_b")
                shape = product_shape(name, a, b, core)
            elif a is not None or b is not None or core is not None:
                raise LorariumError(f"{name} is there whole and in factors")
            else:
                shape = matrix.shape
            if len(shape) < 2 or (name == "w1" and math.prod(shape[2:]) != 1):
                raise LorariumError(f"{name} {dims(shape)} is not a matrix")
        need_weight(self)

    @property
    def rank(self) -> int | None:
        """The factor rank, None when both factors are whole."""
        for b in (self.w1_b, self.w2_b):
            if b is not None:
                return int(b.shape[0])
        return None

    @property
    def shape(self) -> tuple[int, ...]:
        rows1, cols1 = matrix_shape(self.w1, self.w1_a, self.w1_b, None)[:2]
        second = matrix_shape(self.w2, self.w2_a, self.w2_b, self.t2)
        return (rows1 * second[0], cols1 * second[1], *second[2:])


@dataclass(frozen=True, eq=False)
class Dense:
    """A full difference of a weight (`.diff`)."""

    weight: Array
    scale: float = 1.0

    def __post_init__(self) -> None:
        need_numbers(self, ("weight",))
        need_weight(self, held=True)

    @property
    def rank(self) -> int | None:
        return None

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.weight.shape)


@dataclass(frozen=True, eq=False)
class Bias:
    """A difference of a bias vector (`.diff_b`, PEFT `lora_B.bias`)."""

    bias: Array
    scale: float = 1.0

    def __post_init__(self) -> None:
        need_numbers(self, ("bias",))
        if self.bias.ndim != 1:
            raise LorariumError(f"a bias of shape {dims(self.bias)} is not a vector")
        need_weight(self, held=True)

    @property
    def rank(self) -> int | None:
        return None

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.bias.shape)


@dataclass(frozen=True, eq=False)
class Dora:
    """magnitude * (W + inner) / ‖W + inner‖: not linear in the weights, so it wraps a delta."""

    inner: Linear
    magnitude: Array

    def __post_init__(self) -> None:
        if not isinstance(self.inner, LowRank | Hadamard | Kronecker | Dense):
            raise LorariumError("a magnitude belongs to the change of a matrix")
        need_numbers(self, ("magnitude",))
        shape, magnitude = self.inner.shape, self.magnitude
        by_output = magnitude.shape[:1] == shape[:1] and magnitude.size == shape[0]
        by_input = magnitude.shape[:2] == (1, magnitude.size) and (
            math.prod(shape[1:]) % magnitude.size == 0
        )
        if len(shape) < 2 or not (by_output or by_input):
            raise LorariumError(f"a magnitude {dims(magnitude)} does not fit {dims(shape)}")

    @property
    def scale(self) -> float:
        return self.inner.scale

    @property
    def rank(self) -> int | None:
        return self.inner.rank

    @property
    def shape(self) -> tuple[int, ...]:
        return self.inner.shape


Linear = LowRank | Hadamard | Kronecker | Dense | Bias
Delta = Linear | Dora


def kind_name(delta: Delta) -> str:
    """`lora`, `locon`, `loha`, `lokr`, `full`, `bias` or `dora`."""
    if isinstance(delta, LowRank):
        return "locon" if len(delta.shape) > 2 else "lora"
    names = {Hadamard: "loha", Kronecker: "lokr", Dense: "full", Bias: "bias", Dora: "dora"}
    return names[type(delta)]


@dataclass(frozen=True, eq=False)
class Adapter(Mapping[Module, Delta]):
    """Weight changes by module, opaque tensors by their raw key, and the file's metadata.

    `family` is a family id (`sd1`, `flux1`, `micro-1`, `unknown`...); `dialect` is how the file
    spelled its keys, kept so that it can be written back in the same words.
    """

    deltas: Mapping[Module, Delta]
    family: str = "unknown"
    metadata: Mapping[str, str] = field(default_factory=dict)
    opaque: Mapping[str, Array] = field(default_factory=dict)
    dialect: str = "unknown"

    def __post_init__(self) -> None:
        ordered = {Module(*key): self.deltas[key] for key in sorted(self.deltas)}
        object.__setattr__(self, "deltas", MappingProxyType(ordered))
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))
        object.__setattr__(self, "opaque", MappingProxyType(dict(sorted(self.opaque.items()))))

    def __reduce__(self) -> tuple[object, ...]:  # read-only views do not pickle
        maps = dict(self.deltas), self.family, dict(self.metadata), dict(self.opaque)
        return Adapter, (*maps, self.dialect)

    # two adapters are equal when they are one object; `algebra.fingerprint` compares what they do
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __len__(self) -> int:
        return len(self.deltas)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.deltas)

    def __getitem__(self, module: tuple[str, str]) -> Delta:
        return self.deltas[Module(*module)]

    def __repr__(self) -> str:
        from lorarium.algebra.printed import adapter_line  # only when somebody looks

        return f"Adapter({adapter_line(self)})"

    def parts(self) -> dict[str, int]:
        """How many modules each part has."""
        counts: dict[str, int] = {}
        for module in self.deltas:
            counts[module.part] = counts.get(module.part, 0) + 1
        return counts

    def with_(self, **changes: object) -> Adapter:
        """A copy with some fields replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]
