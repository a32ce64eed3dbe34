"""Optimal truncation of a whole adapter to a rank, an energy share or a size in bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from lorarium.adapter import Adapter, Array, Delta, Dense, Dora, LowRank, Module, kind_name
from lorarium.algebra.allocate import ranks_for_energy, ranks_for_size
from lorarium.algebra.canonical import Canonical, balanced, canonical_stream, spectra
from lorarium.algebra.dtypes import DTypeLike, factor_dtype
from lorarium.algebra.forms import arrays, matrix_shape
from lorarium.algebra.sums import cast, tidy_fused
from lorarium.errors import LorariumError

HEADER_BYTES = 400  # allowed per module for its alpha and its entries in the header


@dataclass(frozen=True)
class Layer:
    """What truncation did to one layer; a fused matrix (q, k, v in one) is one layer."""

    modules: tuple[Module, ...]
    rank_before: int | None
    rank: int | None
    norm: float
    error: float
    kept: str = ""  # its kind, where factors would be no smaller and it stays as it is
    numbers: tuple[int, int] = (0, 0)  # that it takes, and that factors of the rank would take

    @property
    def relative(self) -> float:
        return self.error / self.norm if self.norm else 0.0


@dataclass(frozen=True)
class Report:
    """Frobenius norms and truncation errors, by layer and in total."""

    layers: tuple[Layer, ...]
    untouched: tuple[Module, ...]

    @property
    def norm(self) -> float:
        return math.hypot(*(layer.norm for layer in self.layers))

    @property
    def error(self) -> float:
        return math.hypot(*(layer.error for layer in self.layers))

    @property
    def relative(self) -> float:
        return self.error / self.norm if self.norm else 0.0

    @property
    def kept(self) -> float:
        """Share of the energy, of Σσ², that is left."""
        return max(0.0, 1.0 - self.relative**2)


@dataclass(frozen=True, eq=False)
class _Unit:
    """What is truncated as one matrix: a module, or all parts of a fused one."""

    modules: tuple[Module, ...]
    delta: Delta
    parts: tuple[LowRank, ...] = ()  # of a fused matrix, in the order of its rows
    magnitude: Array | None = None  # of a DoRA

    @property
    def component(self) -> int:
        """Numbers that one component of its SVD takes."""
        return sum(matrix_shape(self.delta))

    def entries(self) -> int:
        return sum(a.size for a in arrays(self.delta))


def recompress(
    adapter: Adapter,
    *,
    rank: int | None = None,
    energy: float | None = None,
    size: int | None = None,
    per_layer: bool | None = None,
    dtype: DTypeLike | Mapping[Module, DTypeLike] = None,
) -> tuple[Adapter, Report]:
    """The nearest adapter (Frobenius) of a rank, with a share of the energy, or of a size in bytes.

    `per_layer` lets ranks differ between layers, spent where a byte keeps most energy; it is on
    for `energy` and `size` and off for `rank` (with `rank` it spends the bytes of that rank).
    Parts are budgeted apart. A layer already as small (often LoKr) is kept bit for bit, a full
    difference of low rank is lowered to it exactly; biases, norms and opaque tensors are kept; of
    a DoRA the change inside is truncated and its magnitude kept.
    `dtype` is one for all modules or one for each; without it each keeps its own.
    """
    if sum(x is not None for x in (rank, energy, size)) != 1:
        raise LorariumError("give one of rank, energy and size")
    if rank is not None and rank < 1:
        raise LorariumError(f"rank {rank} is below 1")
    per_layer = rank is None if per_layer is None else per_layer
    dtypes = dtype if isinstance(dtype, Mapping) else dict.fromkeys(adapter, dtype)
    units, untouched = _units(adapter)
    by_name = {unit.modules[0]: unit for unit in units}
    inner = adapter.with_(deltas={name: unit.delta for name, unit in by_name.items()})
    if rank is not None and not per_layer:
        ranks = dict.fromkeys(by_name, rank)
    else:
        ranks = _allocate(adapter, units, inner, rank, energy, size, per_layer, dtypes)
    deltas: dict[Module, Delta] = {}
    layers = {}
    for name, svd in canonical_stream(inner, dense=True):
        layers[name], changed = _truncate(by_name[name], svd, ranks[name], dtypes[name])
        deltas.update(changed)
    for module, delta in adapter.items():
        if module not in deltas:
            deltas[module] = _stored(module, delta, dtypes[module])
    report = Report(tuple(layers[name] for name in by_name), untouched)
    return adapter.with_(deltas=tidy_fused(deltas)), report


def _truncate(
    unit: _Unit, svd: Canonical, rank: int, dtype: DTypeLike
) -> tuple[Layer, dict[Module, Delta]]:
    S = svd.S.astype(np.float64)
    norm = float(np.linalg.norm(S))
    before = unit.delta.rank
    rank = min(rank, _rank_of(unit.delta, svd))
    numbers = unit.entries(), rank * unit.component
    if numbers[1] >= numbers[0]:
        kind = kind_name(unit.delta)
        return Layer(unit.modules, before, before, norm, 0.0, kind, numbers), {}
    small = balanced(svd.cut(rank), unit.delta, dtype)
    layer = Layer(
        unit.modules, before, small.rank, norm, float(np.linalg.norm(S[rank:])), "", numbers
    )
    if unit.magnitude is not None:
        return layer, {unit.modules[0]: Dora(small, _cast(unit.magnitude, dtype))}
    if not unit.parts:
        return layer, {unit.modules[0]: small}
    row = 0
    parts: dict[Module, Delta] = {}
    for module, part in zip(unit.modules, unit.parts, strict=True):
        up = small.up[row : row + part.up.shape[0]]
        parts[module] = replace(small, up=up, fused=part.fused, fused_rows=part.fused_rows)
        row += part.up.shape[0]
    return layer, parts


def _rank_of(delta: Delta, svd: Canonical) -> int:
    """Components that are more than rounding: a full difference may have few, and is lowered to
    them exactly."""
    count = svd.S.shape[-1]
    if not isinstance(delta, Dense) or not count:
        return count
    noise = float(svd.S[0]) * max(matrix_shape(delta)) * float(np.finfo(svd.S.dtype).eps) / 8
    return max(1, int((svd.S > noise).sum()))


def _units(adapter: Adapter) -> tuple[list[_Unit], tuple[Module, ...]]:
    units: list[_Unit] = []
    groups: dict[tuple, dict[Module, LowRank]] = {}
    untouched = []
    for module, delta in adapter.items():
        if len(delta.shape) < 2:
            untouched.append(module)
        elif isinstance(delta, Dora):
            units.append(_Unit((module,), delta.inner, magnitude=delta.magnitude))
        elif isinstance(delta, LowRank) and delta.fused is not None and delta.mid is None:
            key = (module.part, delta.fused, id(delta.down), delta.scale)
            groups.setdefault(key, {})[module] = delta
        else:
            units.append(_Unit((module,), delta))
    units += [_fuse(group) for group in groups.values()]
    return sorted(units, key=lambda unit: unit.modules[0]), tuple(untouched)


def _fuse(group: dict[Module, LowRank]) -> _Unit:
    modules = sorted(group, key=lambda m: (group[m].fused_rows or (0, 0), m))
    parts = tuple(group[m] for m in modules)
    if len(parts) == 1:
        return _Unit((modules[0],), parts[0], parts)
    return _Unit(tuple(modules), replace(parts[0], up=np.concatenate([p.up for p in parts])), parts)


def _allocate(
    adapter: Adapter,
    units: list[_Unit],
    inner: Adapter,
    rank: int | None,
    energy: float | None,
    size: int | None,
    per_layer: bool,
    dtypes: Mapping[Module, DTypeLike],
) -> dict[Module, int]:
    values = spectra(inner, dense=True)
    by_part: dict[str, list[_Unit]] = {}
    for unit in units:
        by_part.setdefault(unit.modules[0].part, []).append(unit)
    budgets = _budgets(adapter, by_part, size, dtypes) if size is not None else {}
    ranks: dict[Module, int] = {}
    for part, members in by_part.items():
        names = [unit.modules[0] for unit in members]
        costs = [unit.component * _itemsize(unit, dtypes) for unit in members]
        S = [values[name] for name in names]
        if energy is not None:
            part_ranks = ranks_for_energy(S, costs, energy, per_layer)
        else:
            budget = budgets[part] if rank is None else rank * sum(costs)
            part_ranks = ranks_for_size(S, costs, budget, per_layer)
        ranks.update(zip(names, part_ranks, strict=True))
    return ranks


def _budgets(
    adapter: Adapter, by_part: dict[str, list[_Unit]], size: int, dtypes: Mapping[Module, DTypeLike]
) -> dict[str, int]:
    """Bytes for the factors of each part: one component per layer, the rest in proportion."""
    everything = [u for members in by_part.values() for u in members]
    truncated = {m for unit in everything for m in unit.modules}
    fixed = HEADER_BYTES * (len(adapter) + 1) + sum(a.nbytes for a in adapter.opaque.values())
    fixed += sum(len(k.encode()) + len(v.encode()) + 8 for k, v in adapter.metadata.items())
    fixed += sum(a.nbytes for m, d in adapter.items() if m not in truncated for a in arrays(d))
    fixed += sum(u.magnitude.nbytes for u in everything if u.magnitude is not None)
    min_bytes = {
        p: sum(u.component * _itemsize(u, dtypes) for u in us) for p, us in by_part.items()
    }
    have = {p: sum(u.entries() * _itemsize(u, dtypes) for u in us) for p, us in by_part.items()}
    left = size - fixed - sum(min_bytes.values())
    if left < 0:
        raise LorariumError(
            f"{size} bytes are too few for rank 1 in each layer",
            hint=f"the smallest possible is {size - left} bytes",
        )
    weight = {p: max(0, have[p] - min_bytes[p]) for p in by_part}
    total = max(1, sum(weight.values()))
    return {p: min_bytes[p] + left * weight[p] // total for p in by_part}


def _itemsize(unit: _Unit, dtypes: Mapping[Module, DTypeLike]) -> int:
    dtype = dtypes[unit.modules[0]]
    return np.dtype(dtype or factor_dtype(a.dtype for a in arrays(unit.delta))).itemsize


def _stored(module: Module, delta: Delta, dtype: DTypeLike) -> Delta:
    try:
        return delta if dtype is None else cast(delta, dtype)
    except LorariumError as error:
        raise type(error)(error.what, where=str(module), hint=error.hint) from None


def _cast(array: Array, dtype: DTypeLike) -> Array:
    return array if dtype is None else array.astype(dtype)
