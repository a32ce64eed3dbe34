"""An Adapter -> a file or a PEFT folder in a dialect, read back and compared before we say so."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lorarium import __version__
from lorarium.adapter import Adapter, Array, Bias, Delta, Dora, LowRank, Module
from lorarium.errors import LorariumError

from . import container, peft, positional
from .dialects import DIALECTS, Dialect
from .families import FAMILIES, Family
from .reading import read
from .report import ModuleFate, WriteReport
from .scale import alpha_for, cast, fold, scaled_bias
from .slots import take
from .units import Unit, restricted, units, unplaced
from .verify import difference

DType = str | np.dtype | type
# true of the file that was read, not of the one being written
_STALE = ("lora_adapter_metadata", "sshs_model_hash", "sshs_legacy_hash", "modelspec.hash_sha256")


@dataclass
class _Draft:
    """A file in the making: tensors per file, and what became of each module."""

    widen: bool = True
    lone: bool = False
    tensors: dict[str, dict[str, Array]] = field(default_factory=dict)
    fates: dict[str, ModuleFate] = field(default_factory=dict)
    written: dict[Module, Delta] = field(default_factory=dict)
    scales: dict[str, dict[str, tuple[int, float]]] = field(default_factory=dict)
    doras: set[str] = field(default_factory=set)
    biases: set[str] = field(default_factory=set)
    header: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def refuse(self, modules: Iterable[Module], reason: str) -> None:
        for module in modules:
            self.fates[str(module)] = ModuleFate(str(module), "refused", reason)


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
    if dtype is not None:
        adapter, rounded = _cast(adapter, np_dtype(dtype))
    else:
        rounded = set()
    draft = _Draft(widen=dtype is None, lone=len(adapter.parts()) == 1)
    known, unnamed = units(adapter, family, chosen) if family else unplaced(adapter, chosen)
    for module, reason in unnamed:
        draft.refuse([module], reason)
    for unit in _expressible(known, chosen, family, draft):
        _emit(unit, unit.dialect or chosen, family, adapter, draft, rounded)
    if chosen.id == "cloneofsimo":
        _place_positions(known, family, draft)
    _carry(adapter, chosen, draft)
    if not any(draft.tensors.values()):
        reasons = sorted({fate.reason for fate in draft.fates.values()})
        raise LorariumError(
            f"nothing in it can be written as {chosen.id}: {'; '.join(reasons[:3]) or 'empty'}",
            where=str(target),
        )
    _save(target, chosen, family, adapter, draft)
    return _account(target, chosen, adapter, draft)


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


def _expressible(
    known: list[Unit], dialect: Dialect, family: Family | None, draft: _Draft
) -> list[Unit]:
    """Units the dialect has words for; the others are refused by name."""
    kept = []
    peft_like = dialect.tails is None
    mixed = {part for part in {u.part for u in known} if peft_like and _mixed(known, part)}
    for unit in known:
        own = unit.dialect or dialect
        reason = ""
        if unit.kind not in own.kinds or (unit.kind == "bias" and peft_like):
            reason = f"{own.id} cannot express {_WORDS[unit.kind]}"
        elif unit.kind == "dora" and peft_like:
            assert isinstance(unit.delta, Dora)
            if not isinstance(unit.delta.inner, LowRank) or unit.delta.inner.mid is not None:
                reason = f"{own.id} cannot express DoRA on anything but plain LoRA"
            elif unit.delta.magnitude.shape[0] == 1 and unit.delta.magnitude.size > 1:
                reason = f"{own.id} cannot express DoRA with one magnitude per input"
            elif unit.part in mixed:
                reason = f"{own.id} has DoRA for all modules of a network or for none"
        elif own.attention_only and unit.part == "denoiser" and family:
            if not restricted(family.parts["denoiser"], unit.name):
                reason = f"{own.id} names attention projections only"
        if reason:
            draft.refuse(unit.modules, reason)
            continue
        kept.append(unit)
    return [_without_bias(unit, kept, dialect, family, draft) for unit in kept]


_WORDS = {
    "lora": "LoRA",
    "tucker": "LoCon in Tucker form",
    "loha": "LoHa",
    "lokr": "LoKr",
    "full": "a full difference",
    "bias": "a bias difference of its own",
    "dora": "DoRA",
}


def _mixed(known: list[Unit], part: str) -> bool:
    return len({unit.kind == "dora" for unit in known if unit.part == part and unit.delta}) > 1


def _without_bias(
    unit: Unit, kept: list[Unit], dialect: Dialect, family: Family | None, draft: _Draft
) -> Unit:
    own = unit.dialect or dialect
    if unit.bias is None or "diff_b" in _bias_slots(own):
        return unit
    reason = ""
    if "bias" not in own.kinds:
        reason = f"{own.id} cannot express a bias difference"
    elif family is not None:
        biased = family.parts[unit.part].biased
        naked = next((u.name for u in kept if u.part == unit.part and u.name not in biased), None)
        if naked:
            reason = f"{own.id} has biases for all modules of a network, and {naked} has none"
    if not reason:
        draft.biases.add(unit.part)
        return unit
    biases = [module for module in unit.modules if module.path.endswith(".bias")]
    draft.refuse(biases, reason)
    modules = tuple(module for module in unit.modules if module not in biases)
    return Unit(unit.part, unit.name, unit.delta, None, modules, unit.exact, unit.dialect)


def _bias_slots(dialect: Dialect) -> tuple[str, ...]:
    return ("diff_b",) if dialect.alpha == "key" else ()


def _emit(
    unit: Unit,
    dialect: Dialect,
    family: Family | None,
    adapter: Adapter,
    draft: _Draft,
    rounded: set[Module],
) -> None:
    """One unit as keys."""
    exact = unit.exact
    delta, name = unit.delta, _spell(unit, dialect, family)
    stem = _prefix(unit.part, dialect, family, draft.lone) + name
    file = _file_of(unit.part, dialect, family)
    tensors = draft.tensors.setdefault(file, {})
    scale = 1.0
    if delta is not None:
        if dialect.alpha == "fold" or delta.rank is None:
            delta, kept = fold(delta, draft.widen)
            exact = exact and kept
        scale = delta.scale
        inner = delta.inner if isinstance(delta, Dora) else delta
        slots = take(inner)
        if dialect.alpha == "key" and inner.rank is not None:
            slots["alpha"] = _alpha(scale, inner.rank)
        elif dialect.alpha == "config" and inner.rank is not None:
            draft.scales.setdefault(file, {})[name] = (inner.rank, scale)
        if isinstance(delta, Dora):
            draft.doras.add(file)
            slots |= _magnitude(delta, dialect)
        tensors |= {f"{stem}.{dialect.tail(slot, unit.part)}": a for slot, a in slots.items()}
    if "diff_b" in _bias_slots(dialect):
        if unit.bias is not None:
            bias, kept = scaled_bias(unit.bias, 1.0, draft.widen)
            exact = exact and kept
            tensors[f"{stem}.diff_b"] = bias
    elif unit.part in draft.biases and delta is not None:
        bias, kept = _up_bias(unit.bias, delta, scale, draft.widen)
        exact = exact and kept
        tensors[f"{stem}.lora_B.bias"] = bias
    for module in unit.modules:
        draft.written[module] = adapter[module]
        whole = exact and module not in rounded
        reason = "" if whole else "rounded to the dtype" if exact else "the scale rounds one factor"
        draft.fates[str(module)] = ModuleFate(str(module), "exact" if whole else "rounded", reason)


def _prefix(part: str, dialect: Dialect, family: Family | None, lone: bool) -> str:
    """A lone network in a PEFT file needs no name of its own, and PEFT would not know it."""
    if lone and dialect.id == "peft-bare" and part in ("denoiser", "text_encoder"):
        dialect = DIALECTS["peft"]
    return dialect.prefix(part, family)


def _spell(unit: Unit, dialect: Dialect, family: Family | None) -> str:
    if dialect.flat:
        return unit.name.replace(".", "_")
    encoder = family.encoders.get(unit.part) if family else None
    if dialect.id == "peft" and encoder and encoder.net in _FLATTENED:
        return unit.name.removeprefix("text_model.")
    if dialect.attention_only and unit.part == "denoiser":
        head, _, last = unit.name.removesuffix(".0").rpartition(".")
        return f"{head}.processor.{last}_lora"
    return unit.name


# transformers 5 builds these without the outer `text_model.` that files have always had
_FLATTENED = ("clip-l", "clip-h")


def _up_bias(bias: Bias | None, delta: Delta, scale: float, widen: bool) -> tuple[Array, bool]:
    if bias is None:
        inner = delta.inner if isinstance(delta, Dora) else delta
        return np.zeros(delta.shape[0], next(iter(take(inner).values())).dtype), True
    return scaled_bias(bias, scale, widen)


def _alpha(scale: float, rank: int) -> Array:
    alpha = alpha_for(scale, rank)
    single = float(np.float32(alpha)) == alpha
    return np.array(alpha, dtype=np.float32 if single else np.float64)


def _magnitude(delta: Dora, dialect: Dialect) -> dict[str, Array]:
    if dialect.alpha == "key":
        return {"dora_scale": delta.magnitude}
    out, kernel = delta.shape[0], delta.shape[2:]
    shape = (1, out, *(1 for _ in kernel)) if kernel else (out,)
    return {"magnitude": delta.magnitude.reshape(shape)}


def _file_of(part: str, dialect: Dialect, family: Family | None) -> str:
    """The folder of a part in a PEFT tree; "" where all parts share one file."""
    if dialect.id != "peft":
        return ""
    return (family.denoiser if family else "transformer") if part == "denoiser" else part


def _place_positions(known: list[Unit], family: Family | None, draft: _Draft) -> None:
    """Positional keys need the whole list of modules; anything else is refused."""
    tensors, draft.tensors[""] = draft.tensors.get("", {}), {}
    for part in sorted({unit.part for unit in known}):
        paths = {unit.name: unit for unit in known if unit.part == part}
        with_ff = any(path.endswith("ff.net.0.proj") for path in paths)
        wanted = positional.order(family.id, part, with_ff) if family else ()
        if not wanted or any(path not in paths for path in wanted):
            reason = "positions need every module that its trainer would have met"
            draft.refuse([m for unit in paths.values() for m in unit.modules], reason)
            for unit in paths.values():
                for module in unit.modules:
                    draft.written.pop(module, None)
            continue
        ranks = {}
        for position, path in enumerate(wanted):
            down = tensors[f"{path}.lora_A.weight"]
            ranks[position] = down.shape[0]
            stem = f"{positional.HEADER[part]}:{position}"
            draft.tensors[""] |= {
                f"{stem}:down": down,
                f"{stem}:up": tensors[f"{path}.lora_B.weight"],
            }
        for path, unit in paths.items():
            if path not in wanted:
                draft.refuse(unit.modules, "has no position")
                for module in unit.modules:
                    draft.written.pop(module, None)
        draft.header |= positional.header(part, ranks, with_ff)


def _carry(adapter: Adapter, dialect: Dialect, draft: _Draft) -> None:
    """Opaque keys go along to where they mean the same; elsewhere they are refused by name."""
    same = adapter.dialect == dialect.id and dialect.id != "peft"
    for key, array in adapter.opaque.items():
        if same or key.startswith(dialect.opaque or ("\0",)):
            draft.tensors.setdefault("", {})[key] = array
            draft.fates[key] = ModuleFate(key, "carried")
        else:
            reason = f"not understood, and {dialect.id} has no place for it"
            draft.fates[key] = ModuleFate(key, "refused", reason)


def _metadata(adapter: Adapter, dialect: Dialect, draft: _Draft) -> dict[str, str]:
    kept = {name: text for name, text in adapter.metadata.items() if name not in _STALE}
    if adapter.dialect == "cloneofsimo":
        kept = {
            name: text
            for name, text in kept.items()
            if name.partition(":")[0] not in positional.HEADER.values() and text != "<embed>"
        } | {key: "<embed>" for key in draft.tensors.get("", {}) if key in adapter.opaque}
    kept |= {"format": "pt", "lorarium.version": __version__, "lorarium.dialect": dialect.id}
    return kept | draft.header


def _save(
    target: Path, dialect: Dialect, family: Family | None, adapter: Adapter, draft: _Draft
) -> None:
    metadata = _metadata(adapter, dialect, draft)
    if dialect.id != "peft":
        if target.is_dir():
            raise LorariumError("is a folder, a file name is needed", where=str(target))
        container.save(target, draft.tensors[""], metadata)
        return
    files = {name: tensors for name, tensors in draft.tensors.items() if tensors}
    beside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        for name, tensors in files.items():
            folder = beside / name if len(files) > 1 else beside
            folder.mkdir(parents=True)
            container.save(folder / peft.WEIGHTS[0], tensors, metadata)
            config = _config(name, draft)
            (folder / peft.CONFIG).write_text(json.dumps(config, indent=2) + "\n", "utf-8")
        _move(beside, target)
    except OSError as error:
        raise LorariumError(f"cannot be written: {error.strerror}", where=str(target)) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _move(beside: Path, target: Path) -> None:
    """The finished folder takes its place; only an old PEFT folder gives way to it."""
    if target.is_dir():
        strangers = [
            item for item in target.rglob("*") if item.is_file() and item.name not in _OURS
        ]
        if strangers:
            raise LorariumError(
                f"the folder holds other files ({strangers[0].name})", where=str(target)
            )
        shutil.rmtree(target)
    os.replace(beside, target)


_OURS = (peft.CONFIG, *peft.WEIGHTS)


def _config(file: str, draft: _Draft) -> dict[str, object]:
    """PEFT's JSON: the commonest rank and alpha, the others as anchored patterns."""
    scales = draft.scales[file]
    anchor = "" if file.startswith("text_encoder") else "^"
    alphas = {name: alpha_for(scale, rank) for name, (rank, scale) in scales.items()}
    ranks = {name: rank for name, (rank, _) in scales.items()}
    rank, alpha = _commonest(ranks.values()), _commonest(alphas.values())
    targets: list[str] | str = sorted(scales)
    if _suffixes(scales):
        # PEFT takes a listed name as the end of any name; a pattern is exact.
        targets = "|".join(f"({name})" for name in sorted(scales)).replace(".", r"\.")
    part = "denoiser" if file in ("unet", "transformer") else file
    return {
        "peft_type": "LORA",
        "auto_mapping": None,
        "base_model_name_or_path": None,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "r": int(rank),
        "lora_alpha": int(alpha) if alpha == int(alpha) else alpha,
        "lora_dropout": 0.0,
        "rank_pattern": {anchor + n: r for n, r in sorted(ranks.items()) if r != rank},
        "alpha_pattern": {anchor + n: a for n, a in sorted(alphas.items()) if a != alpha},
        "target_modules": targets,
        "modules_to_save": None,
        "task_type": None,
        "use_dora": file in draft.doras,
        "use_rslora": False,
        "lora_bias": part in draft.biases,
    }


def _suffixes(names: Iterable[str]) -> bool:
    known = set(names)
    return any(
        ".".join(pieces[start:]) in known
        for pieces in (name.split(".") for name in known)
        for start in range(1, len(pieces))
    )


def _commonest(values: Iterable[float]) -> float:
    counts: dict[float, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return max(counts, key=lambda value: (counts[value], -value))


def _account(target: Path, dialect: Dialect, adapter: Adapter, draft: _Draft) -> WriteReport:
    """Read the file back and compare every module with what was meant."""
    family = adapter.family if adapter.family in FAMILIES else None
    back: Mapping[Module, Delta] = read(target, family).deltas
    worst, missing, strayed = 0.0, [], 0
    for module, meant in draft.written.items():
        found = back.get(module)
        if found is None:
            if _nothing(meant):
                continue
            missing.append(str(module))
            continue
        error = difference(meant, found)
        worst = max(worst, error)
        strayed += error > _allowed(draft.fates[str(module)], meant)
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


def _allowed(fate: ModuleFate, delta: Delta) -> float:
    """Nothing where we said exact; a few units in the last place where we said rounded."""
    if fate.fate == "exact":
        return 0.0
    import ml_dtypes

    arrays = take(delta.inner if isinstance(delta, Dora) else delta).values()
    return 4 * max(float(ml_dtypes.finfo(array.dtype).eps) for array in arrays)


def _nothing(delta: Delta) -> bool:
    if isinstance(delta, LowRank):
        return not np.any(delta.up != 0)
    return isinstance(delta, Bias) and not np.any(delta.bias != 0)
