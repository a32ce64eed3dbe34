"""An adapter in memory: an immutable mapping from (part, module path) to one weight change.

`B` is (out, r), `A` is (r, in) and the change is `scale * B A`; a convolution keeps its kernel
axes on `A` (r, in, kh, kw) and `B` is (out, r, 1, 1). Arrays keep the dtype of their file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

Array = np.ndarray

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

    @property
    def rank(self) -> int | None:
        """The factor rank, None when both factors are whole."""
        for b in (self.w1_b, self.w2_b):
            if b is not None:
                return int(b.shape[0])
        return None

    @property
    def shape(self) -> tuple[int, ...]:
        rows1, cols1 = _matrix_shape(self.w1, self.w1_a, self.w1_b, None)[:2]
        second = _matrix_shape(self.w2, self.w2_a, self.w2_b, self.t2)
        return (rows1 * second[0], cols1 * second[1], *second[2:])


def _matrix_shape(
    whole: Array | None, a: Array | None, b: Array | None, tucker: Array | None
) -> tuple[int, ...]:
    if whole is not None:
        return tuple(whole.shape)
    assert a is not None and b is not None
    if tucker is not None:
        return (a.shape[1], b.shape[1], *tucker.shape[2:])
    return (a.shape[0], *b.shape[1:])


@dataclass(frozen=True, eq=False)
class Dense:
    """A full difference of a weight (`.diff`)."""

    weight: Array
    scale: float = 1.0

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
class Adapter:
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

    def __len__(self) -> int:
        return len(self.deltas)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.deltas)

    def __getitem__(self, module: tuple[str, str]) -> Delta:
        return self.deltas[Module(*module)]

    def items(self) -> Iterator[tuple[Module, Delta]]:
        return iter(self.deltas.items())

    def parts(self) -> dict[str, int]:
        """How many modules each part has."""
        counts: dict[str, int] = {}
        for module in self.deltas:
            counts[module.part] = counts.get(module.part, 0) + 1
        return counts

    def with_(self, **changes: object) -> Adapter:
        """A copy with some fields replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]
