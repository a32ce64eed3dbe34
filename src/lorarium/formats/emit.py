"""One weight of an adapter as the keys and tensors a dialect spells it with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from lorarium.adapter import Adapter, Array, Bias, Delta, Dora, Module

from . import positional
from .dialects import DIALECTS, Dialect
from .families import Family
from .report import ModuleFate
from .scale import alpha_for, fold, scaled_bias
from .slots import take
from .units import Unit


@dataclass
class Draft:
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


def emit(
    unit: Unit,
    dialect: Dialect,
    family: Family | None,
    adapter: Adapter,
    draft: Draft,
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
            delta, lossless = fold(delta, draft.widen)
            exact = exact and lossless
        scale = delta.scale
        inner = delta.inner if isinstance(delta, Dora) else delta
        slots = take(inner)
        if dialect.alpha != "fold" and inner.rank is not None:
            # not every number is some alpha over the rank, to its last place
            exact = exact and alpha_for(scale, inner.rank) / inner.rank == scale
        if dialect.alpha == "key" and inner.rank is not None:
            slots["alpha"] = _alpha(scale, inner.rank)
        elif dialect.alpha == "config" and inner.rank is not None:
            draft.scales.setdefault(file, {})[name] = (inner.rank, scale)
        if isinstance(delta, Dora):
            draft.doras.add(file)
            slots |= _magnitude(delta, dialect)
        tensors |= {f"{stem}.{dialect.tail(slot, unit.part)}": a for slot, a in slots.items()}
    if "diff_b" in bias_slots(dialect):
        if unit.bias is not None:
            bias, lossless = scaled_bias(unit.bias, 1.0, draft.widen)
            exact = exact and lossless
            tensors[f"{stem}.diff_b"] = bias
    elif unit.part in draft.biases and delta is not None:
        bias, lossless = _up_bias(unit.bias, delta, scale, draft.widen)
        exact = exact and lossless
        tensors[f"{stem}.lora_B.bias"] = bias
    for module in unit.modules:
        draft.written[module] = adapter[module]
        unchanged = exact and module not in rounded
        reason = (
            "" if unchanged else "rounded to the dtype" if exact else "the scale rounds one factor"
        )
        draft.fates[str(module)] = ModuleFate(
            str(module), "exact" if unchanged else "rounded", reason
        )


def bias_slots(dialect: Dialect) -> tuple[str, ...]:
    return ("diff_b",) if dialect.alpha == "key" else ()


def _prefix(part: str, dialect: Dialect, family: Family | None, lone: bool) -> str:
    """A lone network in a PEFT file needs no name of its own, and PEFT would not know it."""
    if lone and dialect.id == "peft-bare" and part in ("denoiser", "text_encoder"):
        dialect = DIALECTS["peft"]
    return dialect.prefix(part, family)


# transformers 5 builds these without the outer `text_model.` that files have always had
_FLATTENED = ("clip-l", "clip-h")


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
    net = family.denoiser if family else "transformer"
    return {"denoiser": net, "denoiser_2": f"{net}_2"}.get(part, part)


def place_positions(known: list[Unit], family: Family | None, draft: Draft) -> None:
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
