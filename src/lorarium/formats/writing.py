"""An Adapter -> a file or a PEFT folder in a dialect, read back and compared before we say so."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lorarium import __version__
from lorarium.adapter import Adapter, Bias, Delta, Dora, LowRank, Module
from lorarium.errors import LorariumError

from . import carried, container, positional
from .dialects import DIALECTS, Dialect
from .emit import Draft, emit, place_positions
from .express import expressible
from .families import FAMILIES
from .peft_folder import save_folder
from .reading import read
from .report import ModuleFate, WriteReport
from .scale import cast
from .slots import take
from .units import units, unplaced
from .verify import difference

DType = str | np.dtype | type
# true of the file that was read, not of the one being written
_STALE = ("lora_adapter_metadata", "sshs_model_hash", "sshs_legacy_hash", "modelspec.hash_sha256")


def write(
    adapter: Adapter,
    path: str | os.PathLike[str],
    dialect: str | None = None,
    dtype: DType | None = None,
) -> WriteReport:
    """Write an adapter; `dialect` defaults to the one it was read in, `dtype` to its own.

    Nothing is dropped without a line in the report. `peft` makes a folder (a file when the path
    ends in .safetensors). Example: `write(adapter, "style.safetensors", "kohya").verified`.
    """
    target = Path(path)
    chosen = _choose(adapter, target, dialect)
    family = FAMILIES.get(adapter.family)
    meant, rounded = adapter, set[Module]()
    if dtype is not None:
        adapter, rounded = _cast(adapter, np_dtype(dtype))
    draft = Draft(widen=dtype is None, lone=len(adapter.parts()) == 1)
    known, unnamed = units(adapter, family, chosen) if family else unplaced(adapter, chosen)
    for module, reason in unnamed:
        draft.refuse([module], reason)
    for unit in expressible(known, chosen, family, draft):
        emit(unit, unit.dialect or chosen, family, adapter, draft, rounded)
    if chosen.id == "cloneofsimo":
        place_positions(known, family, draft)
    if chosen.id.startswith("diffusers") and ("flux1", "text_encoder_2") in {
        (adapter.family, unit.part) for unit in known
    }:
        draft.warnings.append("diffusers itself does not load the T5 part of FLUX adapters")
    _carry(adapter, chosen, draft)
    if not any(draft.tensors.values()):
        reasons = sorted({fate.reason for fate in draft.fates.values()})
        raise LorariumError(
            f"nothing in it can be written as {chosen.id}: {'; '.join(reasons[:3]) or 'empty'}",
            where=str(target),
        )
    _save(target, chosen, adapter, draft)
    return _account(target, chosen, meant, draft)


def _choose(adapter: Adapter, target: Path, dialect: str | None) -> Dialect:
    name = dialect or adapter.dialect
    if dialect is None and name not in DIALECTS:
        name = "kohya" if adapter.family in FAMILIES else "bare"
    if name == "peft" and target.suffix == ".safetensors":
        name = "peft-bare"
    if name not in DIALECTS:
        raise LorariumError(f"unknown dialect {name!r}", hint=f"one of {', '.join(DIALECTS)}")
    return DIALECTS[name]


def np_dtype(name: DType) -> np.dtype:
    """A dtype by the names people use: fp16, bf16, fp32, fp8_e4m3..."""
    if not isinstance(name, str):
        return np.dtype(name)
    import ml_dtypes

    names: dict[str, np.dtype] = {
        "fp64": np.dtype(np.float64),
        "fp32": np.dtype(np.float32),
        "fp16": np.dtype(np.float16),
        "bf16": np.dtype(ml_dtypes.bfloat16),
        "fp8_e4m3": np.dtype(ml_dtypes.float8_e4m3fn),
        "fp8_e5m2": np.dtype(ml_dtypes.float8_e5m2),
    }
    aliases = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16", "float64": "fp64"}
    key = aliases.get(name.lower(), name.lower())
    if key not in names:
        raise LorariumError(f"unknown dtype {name!r}", hint=f"one of {', '.join(names)}")
    return names[key]


def _cast(adapter: Adapter, dtype: np.dtype) -> tuple[Adapter, set[Module]]:
    deltas: dict[Module, Delta] = {}
    rounded: set[Module] = set()
    for module, delta in adapter.items():
        deltas[module], exact = cast(delta, dtype)
        if not exact:
            rounded.add(module)
    return adapter.with_(deltas=deltas), rounded


def _carry(adapter: Adapter, dialect: Dialect, draft: Draft) -> None:
    """Opaque keys go along to where they mean the same; elsewhere they are refused by name."""
    same = adapter.dialect == dialect.id and dialect.id != "peft"
    for key, array in adapter.opaque.items():
        if same or key.startswith(dialect.opaque or ("\0",)):
            draft.tensors.setdefault("", {})[key] = array
            draft.fates[key] = ModuleFate(key, "carried")
        else:
            kind = carried.kind_of(key, array)
            what = f"{dialect.id} has no place for"
            reason = f"{what} {carried.TITLES[kind]}" if kind else f"not understood, and {what} it"
            draft.fates[key] = ModuleFate(key, "refused", reason)


def _metadata(adapter: Adapter, dialect: Dialect, draft: Draft) -> dict[str, str]:
    kept = {name: text for name, text in adapter.metadata.items() if name not in _STALE}
    if adapter.dialect == "cloneofsimo":
        kept = {
            name: text
            for name, text in kept.items()
            if name.partition(":")[0] not in positional.HEADER.values() and text != "<embed>"
        } | {key: "<embed>" for key in draft.tensors.get("", {}) if key in adapter.opaque}
    kept |= {"format": "pt", "lorarium.version": __version__, "lorarium.dialect": dialect.id}
    return kept | draft.header


def _save(target: Path, dialect: Dialect, adapter: Adapter, draft: Draft) -> None:
    metadata = _metadata(adapter, dialect, draft)
    if dialect.id == "peft":
        save_folder(target, metadata, draft)
    elif target.is_dir():
        raise LorariumError("is a folder, a file name is needed", where=str(target))
    else:
        container.save(target, draft.tensors[""], metadata)


def _account(target: Path, dialect: Dialect, adapter: Adapter, draft: Draft) -> WriteReport:
    """Read the file back and compare every module with what was meant."""
    family = adapter.family if adapter.family in FAMILIES else None
    back: Mapping[Module, Delta] = read(target, family).deltas
    worst, missing, strayed = 0.0, [], 0
    for module in draft.written:
        meant = adapter[module]
        found = back.get(module)
        if found is None:
            if _nothing(meant):
                continue
            missing.append(str(module))
            continue
        error = difference(meant, found)
        worst = max(worst, error)
        strayed += error > _allowed(draft.fates[str(module)], meant, found)
    if missing:
        raise LorariumError(
            f"{len(missing)} modules did not come back after writing, first {missing[0]}",
            where=str(target),
        )
    fates = tuple(draft.fates[name] for name in sorted(draft.fates))
    return WriteReport(
        str(target),
        dialect.id,
        adapter.family,
        fates,
        sum(map(len, draft.tensors.values())),
        verified=not strayed,
        worst_error=worst,
        warnings=tuple(draft.warnings),
    )


def _allowed(fate: ModuleFate, *deltas: Delta) -> float:
    """Nothing where we said exact; a few units in the last place where we said rounded."""
    if fate.fate == "exact":
        return 0.0
    import ml_dtypes

    dtypes = {
        array.dtype
        for delta in deltas
        for array in take(delta.inner if isinstance(delta, Dora) else delta).values()
    }
    return 4 * max(float(ml_dtypes.finfo(dtype).eps) for dtype in dtypes)


def _nothing(delta: Delta) -> bool:
    if isinstance(delta, LowRank):
        return not np.any(delta.up != 0)
    return isinstance(delta, Bias) and not np.any(delta.bias != 0)
