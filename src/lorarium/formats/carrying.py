"""Tensors of kinds that are not taken apart, on their way into another dialect."""

from __future__ import annotations

from collections.abc import Iterator

from lorarium.adapter import Adapter

from . import carried
from .dialects import Dialect
from .families import Family
from .grammar import parse
from .placing import place_by_name

_FLAT = ("lora_", "lycoris_")


def carry(
    adapter: Adapter, dialect: Dialect, family: Family | None
) -> Iterator[tuple[str, str, str]]:
    """Each key of these, its name in the dialect ("" where it has none) and then why."""
    kinds = carried.kinds_of(adapter.opaque)
    same = adapter.dialect == dialect.id and dialect.id != "peft"
    for key, kind in kinds.items():
        name, reason = (key, "") if same else _renamed(key, kind, dialect, family)
        yield key, name, reason


def _renamed(key: str, kind: str, dialect: Dialect, family: Family | None) -> tuple[str, str]:
    what = f"{dialect.id} has no place for"
    if not kind or kind == "embedding":
        if key.startswith(dialect.opaque or ("\0",)):
            return key, ""
        title = carried.TITLES.get(kind)
        return "", f"{what} {title}" if title else f"not understood, and {what} it"
    if kind not in dialect.carries:
        return "", f"{what} {carried.TITLES[kind]}"
    stem, tail = carried.own(key)
    parsed = parse(f"{stem}.alpha") if family else None
    spot = place_by_name(family, parsed) if family and parsed else None
    if family and parsed and tail in carried.SCALES:
        if dialect.uses_native(family) and not (parsed.flat or dialect.flat):
            # of BFL's control files; ComfyUI says of a name that is no weight what to set it to
            return f"{dialect.prefix('denoiser', family)}{parsed.name}.{tail}.set_weight", ""
        return "", f"{what} {carried.TITLES[kind]}"
    if family is None or spot is None:
        # a norm, say, which is no module of a table: ComfyUI reads kohya's names beside its own
        if key.startswith((*dialect.opaque, *_FLAT)):
            return key, ""
        return "", f"no module of {family.id if family else 'an unknown base'} has this name"
    table, native = family.parts[spot.part], spot.native
    name = native.name
    if dialect.uses_native(family) and spot.part.startswith("denoiser"):
        home = table.native_of.get(name, native)
        if home.paths != native.paths or (home is not native and home.swapped):
            return "", f"{dialect.id} has it within {home.name} only"
        name = home.name
    elif native.swapped or len(native.paths) > 1:
        return "", f"{dialect.id} has no {name} in one"
    else:
        name = native.paths[0]
    spelled = name.replace(".", "_") if dialect.flat else name
    return f"{dialect.prefix(spot.part, family)}{spelled}.{tail}", ""
