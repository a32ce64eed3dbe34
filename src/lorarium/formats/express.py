"""What a dialect has words for: the rest is refused by name, with the reason."""

from __future__ import annotations

from lorarium.adapter import Dora, LowRank

from . import experts
from .dialects import Dialect
from .emit import Draft, bias_slots
from .families import Family
from .units import Unit, restricted


def expressible(
    known: list[Unit], dialect: Dialect, family: Family | None, draft: Draft
) -> list[Unit]:
    """Units the dialect has words for; the others are refused by name."""
    known = _one_denoiser(known, dialect, draft)
    units = []
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
            elif not _by_output(unit.delta):
                reason = f"{own.id} cannot express DoRA with one magnitude per input"
            elif unit.part in mixed:
                reason = f"{own.id} has DoRA for all modules of a network or for none"
        elif peft_like and family and _depthwise(unit, family):
            reason = "PEFT has no LoRA of a depthwise convolution"
        elif own.attention_only and unit.part == "denoiser" and family:
            if not restricted(family.parts["denoiser"], unit.name):
                reason = f"{own.id} names attention projections only"
        if reason:
            draft.refuse(unit.modules, reason)
            continue
        units.append(unit)
    return [_without_bias(unit, units, dialect, family, draft) for unit in units]


def _one_denoiser(known: list[Unit], dialect: Dialect, draft: Draft) -> list[Unit]:
    """A file that can hold one expert says which; of two it holds the first."""
    second = [unit for unit in known if unit.part == "denoiser_2"]
    if not second or dialect.two_denoisers:
        return known
    if not any(unit.part == "denoiser" for unit in known):
        draft.header[experts.HEADER] = "low"
        return known
    for unit in second:
        draft.refuse(unit.modules, f"a {dialect.id} file holds one expert, and this has two")
    return [unit for unit in known if unit.part != "denoiser_2"]


_WORDS = {
    "lora": "LoRA",
    "tucker": "LoCon in Tucker form",
    "loha": "LoHa",
    "lokr": "LoKr",
    "full": "a full difference",
    "bias": "a bias difference of its own",
    "dora": "DoRA",
}


def _by_output(delta: Dora) -> bool:
    out = delta.shape[0]
    return delta.magnitude.size == out and delta.magnitude.shape[0] == out


def _depthwise(unit: Unit, family: Family) -> bool:
    shape = family.parts[unit.part].shapes.get(unit.name, ())
    return len(shape) > 2 and shape[1] == 1 < shape[0]


def _mixed(known: list[Unit], part: str) -> bool:
    return len({unit.kind == "dora" for unit in known if unit.part == part and unit.delta}) > 1


def _without_bias(
    unit: Unit, units: list[Unit], dialect: Dialect, family: Family | None, draft: Draft
) -> Unit:
    own = unit.dialect or dialect
    if unit.bias is None or "diff_b" in bias_slots(own):
        return unit
    reason = ""
    if "bias" not in own.kinds:
        reason = f"{own.id} cannot express a bias difference"
    elif family is not None:
        biased = family.parts[unit.part].biased
        naked = next((u.name for u in units if u.part == unit.part and u.name not in biased), None)
        if naked:
            reason = f"{own.id} has biases for all modules of a network, and {naked} has none"
    if not reason:
        draft.biases.add(unit.part)
        return unit
    biases = [module for module in unit.modules if module.path.endswith(".bias")]
    draft.refuse(biases, reason)
    modules = tuple(module for module in unit.modules if module not in biases)
    return Unit(unit.part, unit.name, unit.delta, None, modules, unit.exact, unit.dialect)
