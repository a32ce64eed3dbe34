"""An adapter's modules as the weights a dialect knows: fused where its names fuse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lorarium.adapter import Adapter, Bias, Delta, Dora, LowRank, Module

from . import rows
from .dialects import DIALECTS, Dialect
from .families import Family, Native, Table
from .scale import cast, fold
from .slots import take


@dataclass(frozen=True)
class Unit:
    """One weight as a dialect spells it: its dotted name, its change, its bias change.

    `exact` is False when bits were lost on the way here; `dialect` overrules the file's.
    """

    part: str
    name: str
    delta: Delta | None
    bias: Bias | None
    modules: tuple[Module, ...]
    exact: bool = True
    dialect: Dialect | None = None

    @property
    def kind(self) -> str:
        delta = self.delta
        if isinstance(delta, Dora):
            return "dora"
        if isinstance(delta, LowRank):
            return "lora" if delta.mid is None else "tucker"
        names = {"Hadamard": "loha", "Kronecker": "lokr", "Dense": "full", "NoneType": "bias"}
        return names[type(delta).__name__]


@dataclass(frozen=True)
class _Entry:
    delta: Delta | None
    bias: Bias | None
    modules: tuple[Module, ...]


def units(
    adapter: Adapter, family: Family, dialect: Dialect
) -> tuple[list[Unit], list[tuple[Module, str]]]:
    """The units, and the modules that have no name in the dialect with the reason."""
    entries = _entries(adapter)
    native = dialect.uses_native(family)
    named_units: list[Unit] = []
    refused: list[tuple[Module, str]] = []
    fused: dict[tuple[str, str], dict[str, _Entry]] = {}
    for (part, path), entry in entries.items():
        table = family.parts.get(part)
        if table is None:
            refused += [(module, f"{family.id} has no {part}") for module in entry.modules]
        elif path in table.shapes:
            home = table.native_of.get(path) if native and part.startswith("denoiser") else None
            if home is None:
                named_units.append(Unit(part, path, entry.delta, entry.bias, entry.modules))
            else:
                fused.setdefault((part, home.name), {})[path] = entry
        elif path in table.natives:
            if native:
                named_units.append(Unit(part, path, entry.delta, entry.bias, entry.modules))
            else:
                reason = f"{dialect.id} has no fused {path}, and this kind cannot be cut exactly"
                refused += [(module, reason) for module in entry.modules]
        else:
            refused += [(module, f"{family.id} has no such module") for module in entry.modules]
    for (part, name), members in fused.items():
        home = family.parts[part].natives[name]
        named_units += _fuse(part, home, members)
    return named_units, refused


def unplaced(adapter: Adapter, dialect: Dialect) -> tuple[list[Unit], list[tuple[Module, str]]]:
    """Units of a family without a table: names stay as they are, if the dialect keeps dots."""
    origin = DIALECTS.get(adapter.dialect)
    same = origin is not None and (origin.flat, origin.native) == (dialect.flat, dialect.native)
    dotted = not dialect.flat and dialect.native is False
    entries = _entries(adapter)
    if same or (dotted and (origin is None or (not origin.flat and origin.native is False))):
        return [
            Unit(part, path, entry.delta, entry.bias, entry.modules)
            for (part, path), entry in entries.items()
        ], []
    reason = f"no module table for family {adapter.family!r}, so {dialect.id} names are unknown"
    return [], [(module, reason) for entry in entries.values() for module in entry.modules]


def _entries(adapter: Adapter) -> dict[tuple[str, str], _Entry]:
    entries: dict[tuple[str, str], _Entry] = {}
    for module, delta in adapter.items():
        bias = delta if isinstance(delta, Bias) else None
        path = module.path.removesuffix(".bias") if bias is not None else module.path
        old = entries.get((module.part, path), _Entry(None, None, ()))
        modules = (*old.modules, module)
        if bias is not None:
            entries[module.part, path] = replace(old, bias=bias, modules=modules)
        else:
            entries[module.part, path] = replace(old, delta=delta, modules=modules)
    return entries


def _fuse(part: str, home: Native, members: dict[str, _Entry]) -> list[Unit]:
    """The members of a native weight as one unit; singly under diffusers names if they resist."""
    modules = tuple(module for entry in members.values() for module in entry.modules)
    if home.swapped:
        entry = members[home.paths[0]]
        delta = None if entry.delta is None else rows.swap(entry.delta)
        bias = None if entry.bias is None else rows.swap(entry.bias)
        if (entry.delta is None or delta) and (bias is None or isinstance(bias, Bias)):
            return [Unit(part, home.name, delta, bias, modules)]
        return _single(part, members)
    if len(home.paths) == 1:
        entry = members[home.paths[0]]
        return [Unit(part, home.name, entry.delta, entry.bias, modules)]
    delta, exact = _join([members.get(p, _NONE).delta for p in home.paths], home)
    bias, exact_bias = _join([members.get(p, _NONE).bias for p in home.paths], home)
    wanted = any(entry.delta is not None for entry in members.values())
    wanted_bias = any(entry.bias is not None for entry in members.values())
    if (wanted and delta is None) or (wanted_bias and not isinstance(bias, Bias)):
        return _single(part, members)
    assert bias is None or isinstance(bias, Bias)
    return [Unit(part, home.name, delta, bias, modules, exact and exact_bias)]


_NONE = _Entry(None, None, ())


def _single(part: str, members: dict[str, _Entry]) -> list[Unit]:
    lycoris = DIALECTS["lycoris"]
    return [
        Unit(part, path, entry.delta, entry.bias, entry.modules, dialect=lycoris)
        for path, entry in members.items()
    ]


def _join(parts: Sequence[Delta | None], home: Native) -> tuple[Delta | None, bool]:
    present = [part for part in parts if part is not None]
    if not present:
        return None, True
    units_of = {
        part.shape[0] / height
        for part, height in zip(parts, home.heights, strict=True)
        if part is not None
    }
    if len(units_of) != 1 or not (unit := units_of.pop()).is_integer():
        return None, True
    exact = True
    parts = _same_dtype(parts)
    if len({part.scale for part in present}) != 1:
        folded = [(None, True) if part is None else fold(part) for part in parts]
        parts, exact = [part for part, _ in folded], all(lossless for _, lossless in folded)
        parts = _same_dtype(parts)
    return rows.join(parts, [int(unit) * height for height in home.heights]), exact


def _same_dtype(parts: Sequence[Delta | None]) -> Sequence[Delta | None]:
    """Widened to one dtype that holds them all exactly."""
    dtypes = {
        array.dtype
        for part in parts
        if part is not None
        for array in take(part.inner if isinstance(part, Dora) else part).values()
    }
    if len(dtypes) <= 1:
        return parts
    wide = np.dtype(np.float64 if np.dtype(np.float64) in dtypes else np.float32)
    return [None if part is None else cast(part, wide)[0] for part in parts]


def restricted(table: Table, path: str) -> bool:
    """Whether a module is one of an attention's four projections."""
    tail = path.rsplit(".", 2)
    return path in table.shapes and (
        tail[-1] in ("to_q", "to_k", "to_v") or path.endswith(".to_out.0")
    )
