"""An Adapter -> a file or a PEFT folder in a dialect, read back and compared before we say so."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from lorarium import __version__
from lorarium.adapter import Adapter, Delta, Module
from lorarium.errors import LorariumError, unverified

from . import container, positional
from .carrying import carry
from .dialects import DIALECTS, Dialect
from .emit import Draft, emit, place_positions
from .express import expressible
from .families import FAMILIES, Family
from .peft_folder import save_folder
from .reading import read
from .report import ModuleFate, WriteReport
from .scale import cast
from .target import AnyPath, check_adapter_target
from .units import units, unplaced
from .verify import Comparison, compare, energy_share

DType = str | np.dtype | type
# true of the file that was read, not of the one being written
_STALE = ("lora_adapter_metadata", "sshs_model_hash", "sshs_legacy_hash", "modelspec.hash_sha256")


def write(
    adapter: Adapter,
    path: AnyPath,
    dialect: str | None = None,
    dtype: DType | None = None,
    *,
    force: bool = False,
    inputs: Iterable[AnyPath] = (),
    keep_nonfinite: bool = False,
) -> WriteReport:
    """Write an adapter; `dialect` defaults to the one it was read in, `dtype` to its own.

    Nothing is dropped without a line in the report. `peft` makes a folder (a file when the path
    ends in .safetensors). The file is read back before it takes its name: a module that is not
    what was meant, or holds NaN or infinite values, is an `UnverifiedError` and nothing is
    written. `keep_nonfinite` is for copies of what a file says: what is broken there may stay so.
    An existing target is refused. `force` writes all the same, and over what is there; a target
    that is one of the `inputs` is then kept as NAME.bak.
    Example: `write(adapter, "style.safetensors", "kohya").verified`.
    """
    target, inputs = Path(path), tuple(inputs)
    chosen = _choose(adapter, target, dialect)
    check_adapter_target(target, chosen.id, inputs=inputs, force=force)
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
    _carry(adapter, chosen, family, draft)
    if not any(draft.tensors.values()):
        reasons = sorted({fate.reason for fate in draft.fates.values()})
        raise LorariumError(
            f"nothing in it can be written as {chosen.id}: {'; '.join(reasons[:3]) or 'empty'}",
            where=str(target),
        )
    comparison = Comparison()

    def check(beside: Path) -> None:
        nonlocal comparison
        known_family = meant.family if meant.family in FAMILIES else None
        try:
            back = read(beside, known_family)
        except LorariumError as error:
            what = f"would not be readable: {error.what}"
            raise LorariumError(what, where=str(target)) from None
        comparison = compare(meant, back.deltas, draft.written, draft.fates, keep_nonfinite)
        if comparison.faults and not force:
            hint = "a wider number type holds more; --force writes it all the same"
            raise unverified(comparison.faults, where=str(target), hint=hint)

    metadata = _metadata(adapter, chosen, draft)
    if chosen.id == "peft":
        save_folder(target, metadata, draft, check, force=force, inputs=inputs)
    else:
        tensors = draft.tensors[""]
        container.save(target, tensors, metadata, check=check, force=force, inputs=inputs)
    return _report(target, chosen, meant, draft, comparison)


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


def _carry(adapter: Adapter, dialect: Dialect, family: Family | None, draft: Draft) -> None:
    """Opaque keys go along to where they have a name; elsewhere they are refused by name."""
    for key, name, reason in carry(adapter, dialect, family):
        if name:
            draft.tensors.setdefault("", {})[name] = adapter.opaque[key]
            draft.fates[key] = ModuleFate(key, "carried")
        else:
            draft.fates[key] = ModuleFate(key, "refused", reason)


def _metadata(adapter: Adapter, dialect: Dialect, draft: Draft) -> dict[str, str]:
    metadata = {name: text for name, text in adapter.metadata.items() if name not in _STALE}
    if adapter.dialect == "cloneofsimo":
        metadata = {
            name: text
            for name, text in metadata.items()
            if name.partition(":")[0] not in positional.HEADER.values() and text != "<embed>"
        } | {key: "<embed>" for key in draft.tensors.get("", {}) if key in adapter.opaque}
    metadata |= {"format": "pt", "lorarium.version": __version__, "lorarium.dialect": dialect.id}
    return metadata | draft.header


def _report(
    target: Path, dialect: Dialect, adapter: Adapter, draft: Draft, comparison: Comparison
) -> WriteReport:
    fates = tuple(draft.fates[name] for name in sorted(draft.fates))
    refused = {fate.name for fate in fates if fate.fate == "refused"}
    return WriteReport(
        str(target),
        dialect.id,
        adapter.family,
        fates,
        sum(map(len, draft.tensors.values())),
        comparison.faults,
        comparison.worst_error,
        energy_share(adapter, refused) if refused else 0.0,
        (*draft.warnings, *comparison.warnings),
    )
