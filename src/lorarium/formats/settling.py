"""Groups of keys at their places -> weight changes by module, each module once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lorarium.adapter import PARTS, Delta, Dora, LowRank, Module

from . import rows
from .families import Native
from .placing import Group, Place
from .report import FamilyGuess, KeyFate
from .slots import Bias


def settle(
    groups: Sequence[Group],
    places: Sequence[Place | None],
    guess: FamilyGuess,
    fates: dict[str, KeyFate],
) -> tuple[dict[Module, Delta], list[str]]:
    """Deltas at their modules; two spellings of one module are refused unless they agree."""
    entries: dict[Module, tuple[Delta, Group]] = {}
    quarrels: set[Module] = set()
    for group, place in zip(groups, places, strict=True):
        if place is None and (guess.id != "unknown" or group.parsed.position is not None):
            reason = (
                guess.evidence[0]
                if guess.id == "not-diffusion"
                else f"no module of {guess.id} has this name"
            )
            _mark(group, fates, "carried", None, reason)
            continue
        pieces = _unknown_module(group) if place is None else modules_of(group, place)
        for module, delta in pieces:
            if module in entries:
                quarrels.add(module)
                other = entries[module][1].stem
                same = _equal(entries[module][0], delta)
                _mark(group, fates, "refused", module, f"{module} is also spelled {other}")
                if not same:
                    _mark(
                        entries[module][1], fates, "refused", module, f"quarrels with {group.stem}"
                    )
                    entries[module] = (entries[module][0], group)
                continue
            entries[module] = (delta, group)
        _mark(group, fates, "mapped", pieces[0][0] if pieces else None, "")
    warnings = [f"{module} is spelled twice" for module in sorted(quarrels)]
    deltas = {
        module: delta
        for module, (delta, group) in entries.items()
        if fates[next(iter(group.keys.values()))].fate == "mapped"
        or any(fates[key].fate == "mapped" for key in group.keys.values())
    }
    return deltas, warnings


def _mark(
    group: Group, fates: dict[str, KeyFate], fate: str, module: Module | None, reason: str
) -> None:
    refused = group.built.refused or {}
    for slot, key in group.keys.items():
        if slot in refused or (fate == "mapped" and key in fates):
            continue
        fates[key] = KeyFate(key, fate, module, reason)  # type: ignore[arg-type]


def modules_of(group: Group, place: Place) -> list[tuple[Module, Delta]]:
    """The modules of our tables that a group changes."""
    pieces: list[tuple[Module, Delta]] = []
    for delta, suffix in ((group.built.delta, ""), (group.built.bias, ".bias")):
        if delta is None:
            continue
        parts = divide(delta, place.native, group.stem)
        if parts is None:
            # A kind that cannot be cut stays whole, under the fused weight's own name.
            pieces.append((Module(place.part, place.native.name + suffix), delta))
            continue
        pieces += [(Module(place.part, path + suffix), part) for path, part in parts]
    return pieces


def divide(delta: Delta, native: Native, tag: str) -> list[tuple[str, Delta]] | None:
    """A change of an original weight as those of the modules in it; None where it cannot be cut."""
    if native.swapped:
        swapped = rows.swap(delta)
        return None if swapped is None else [(native.paths[0], swapped)]
    if len(native.paths) == 1:
        return [(native.paths[0], delta)]
    counts = rows.heights(delta.shape[0], native.heights)
    parts = rows.split(delta, counts, tag) if counts else None
    if parts is None:
        return None
    living = [not _zero(part) for part in parts]
    if not any(living):
        living = [True] * len(parts)
    return [
        (path, part) for path, part, alive in zip(native.paths, parts, living, strict=True) if alive
    ]


def _zero(delta: Delta) -> bool:
    inner = delta.inner if isinstance(delta, Dora) else delta
    if isinstance(delta, Dora) or not isinstance(inner, LowRank):
        return isinstance(inner, Bias) and not np.any(inner.bias != 0)
    return not np.any(inner.up[0] != 0) and not np.any(inner.up != 0)


_NETS = {"te": "text_encoder", "te1": "text_encoder", "te2": "text_encoder_2"}
_NETS |= {"te3": "text_encoder_3", "clip_l": "text_encoder", "": "denoiser"}


def _unknown_module(group: Group) -> list[tuple[Module, Delta]]:
    """Without a table, the name as the file has it is the path."""
    net = group.parsed.net
    part = net if net in PARTS else _NETS.get(net, "denoiser")
    built = ((group.built.delta, ""), (group.built.bias, ".bias"))
    return [
        (Module(part, group.parsed.name + suffix), delta)
        for delta, suffix in built
        if delta is not None
    ]


def _equal(a: Delta, b: Delta) -> bool:
    if type(a) is not type(b) or a.scale != b.scale:
        return False
    return all(
        (left is None and right is None)
        or (
            isinstance(left, np.ndarray)
            and isinstance(right, np.ndarray)
            and left.dtype == right.dtype
            and np.array_equal(left, right)
        )
        or (not isinstance(left, np.ndarray) and not isinstance(right, np.ndarray))
        for left, right in zip(vars(a).values(), vars(b).values(), strict=True)
    )
