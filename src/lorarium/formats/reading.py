"""A file or a PEFT folder -> an Adapter, with an account of every key."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lorarium.adapter import PARTS, Adapter, Array, Delta, Dora, LowRank, Module
from lorarium.errors import LorariumError, listed, quoted
from lorarium.files import is_folder, is_regular
from lorarium.remote import RemotePath, as_place, list_files, local_copy

from . import carried, container, experts, header, peft, positional, rows
from .detect import FITTING, detect
from .families import FAMILIES, Family
from .grammar import Parsed, parse
from .placing import Group, Place, fits
from .report import FamilyGuess, KeyFate, Report, kinds
from .slots import Bias, build

# a module's name in the file -> its scale as a function of rank, None when nothing is known
Scales = Callable[[str, str], Callable[[int], float] | None]

OWN = ("micro-1", "micro-2")  # families of embedded bases


@dataclass(frozen=True)
class Source:
    """Tensors as they were on disk, with what a PEFT config beside them says."""

    path: str
    tensors: Mapping[str, Array]
    metadata: Mapping[str, str]
    scales: Scales
    dialect: str | None = None
    warnings: tuple[str, ...] = ()


def read(path: str | os.PathLike[str], family: str | None = None) -> Adapter:
    """The adapter in a file, a PEFT folder or a remote file, in any known dialect.

    `family` overrules what the tensors say. Example: `read("style.safetensors").parts()`.
    """
    return read_report(path, family)[0]


def read_report(path: str | os.PathLike[str], family: str | None = None) -> tuple[Adapter, Report]:
    """The adapter, and what became of every key of the file."""
    if family is not None and family not in FAMILIES:
        raise LorariumError(f"unknown family {family!r}", hint=f"one of {', '.join(FAMILIES)}")
    return interpret(open_source(as_place(path)), family)


def open_source(path: Path | RemotePath) -> Source:
    if isinstance(path, RemotePath):
        return _open_remote(path)
    if is_folder(path):
        return _open_folder(path)
    raw = container.load(path)
    if raw.container != "safetensors" and (listed := positional.from_list(raw.tensors)):
        raw = replace(raw, tensors=listed[0], metadata={**raw.metadata, **listed[1]})
    if path.name in peft.WEIGHTS and is_regular(path.parent / peft.CONFIG):
        return as_source(raw, peft.read_config(path.parent))
    return as_source(raw)


def as_source(raw: container.RawFile, config: peft.Config | None = None) -> Source:
    """Tensors with the scales of the config beside them, or else of one in their header."""
    where = str(raw.path)
    if config is not None:
        scales = _config_scales({"": config})
        return Source(where, raw.tensors, raw.metadata, scales, "peft", config.warnings)
    configs = peft.header_configs(raw.metadata, where)
    warnings = tuple(warning for config in configs.values() for warning in config.warnings)
    return Source(where, raw.tensors, raw.metadata, _config_scales(configs), None, warnings)


def _open_remote(path: RemotePath) -> Source:
    """All of a remote file, or of the one tensor file in a repository or folder."""
    first, *more = (version.path for version in list_files(path, header.LORA_SUFFIXES))
    if more:
        names = listed([quoted(other.name) for other in (first, *more)])
        raise LorariumError(f"it holds {names}", where=str(path), hint="name one of them")
    along = (peft.CONFIG,) if first.name in peft.WEIGHTS else ()
    with local_copy(first, along=along) as copy:
        return replace(open_source(copy), path=str(first))


def _open_folder(folder: Path) -> Source:
    """One PEFT folder, or a folder of them named for the networks they belong to."""
    if (folder / peft.CONFIG).is_file():
        return open_source(peft.find_weights(folder))
    named = [name for name in FOLDERS if (folder / name / peft.CONFIG).is_file()]
    if not named:
        raise LorariumError(
            f"is a folder without {peft.CONFIG}", where=str(folder), hint="name a file in it"
        )
    tensors: dict[str, Array] = {}
    metadata: dict[str, str] = {}
    configs: dict[str, peft.Config] = {}
    for name in named:
        configs[name] = peft.read_config(folder / name)
        raw = container.load(peft.find_weights(folder / name))
        metadata |= raw.metadata
        tensors |= {f"{name}.{key}": array for key, array in raw.tensors.items()}
    warnings = tuple(warning for config in configs.values() for warning in config.warnings)
    return Source(str(folder), tensors, metadata, _config_scales(configs), "peft", warnings)


FOLDERS = (
    *("unet", "transformer", "transformer_2", "prior", "text_conditioner"),
    *("text_encoder", "text_encoder_2", "text_encoder_3"),
)


def _config_scales(configs: Mapping[str, peft.Config]) -> Scales:
    def scale_of(prefix: str, name: str) -> Callable[[int], float] | None:
        config = configs.get(prefix, configs.get(""))
        return config.scale_of(name) if config else None

    return scale_of


def interpret(source: Source, family: str | None = None) -> tuple[Adapter, Report]:
    """Tensors -> adapter: group by module, find the family, build the deltas."""
    fates: dict[str, KeyFate] = {}
    groups = group_keys(source, fates)
    names = list(source.tensors)
    guess, places = detect(groups, source.metadata, names, family)
    if guess.id == "unknown" and family is None and source.metadata.get("lorarium.base") in OWN:
        # a base of our own may be of any width: what it trained says so, and its names must fit
        own = detect(groups, source.metadata, names, source.metadata["lorarium.base"])
        if sum(spot is not None for spot in own[1]) >= FITTING * len(groups):
            guess, places = own
    places = experts.assign(guess.id, places, source.metadata)
    deltas, warnings = _settle(groups, places, guess, fates)
    opaque = {key for key, fate in fates.items() if fate.fate == "carried"}
    dialect = source.dialect or _dialect(groups, places, guess)
    adapter = Adapter(
        deltas,
        guess.id,
        source.metadata,
        {key: source.tensors[key] for key in opaque},
        dialect,
    )
    warnings = [*source.warnings, *warnings, *_doubts(groups, places, guess, source, dialect)]
    keys = tuple(fates[key] for key in sorted(source.tensors))
    return adapter, Report(source.path, dialect, guess, keys, kinds(adapter), tuple(warnings))


def group_keys(source: Source, fates: dict[str, KeyFate]) -> list[Group]:
    """Keys by module; those whose suffix is not ours are carried, with their stray alphas."""
    keys: dict[str, dict[str, str]] = {}
    parsed: dict[str, Parsed] = {}
    foreign: set[str] = set()
    for key in sorted(source.tensors):
        found = parse(key)
        if found is None:
            kind = carried.kind_of(key, source.tensors[key])
            reason = f"of {carried.TITLES[kind]}" if kind else "not a tensor of a LoRA kind"
            fates[key] = KeyFate(key, "carried", reason=reason)
            foreign.add(key.rpartition(".")[0])
            continue
        slots = keys.setdefault(found.stem, {})
        if found.slot in slots:
            fates[key] = KeyFate(
                key, "refused", reason=f"says the same as {slots[found.slot]} in another spelling"
            )
            continue
        slots[found.slot] = key
        if found.stem not in parsed or found.slot != "alpha":
            parsed[found.stem] = found
    groups = []
    for stem, slots in keys.items():
        if set(slots) == {"alpha"}:
            reason = "its module has other kinds of tensors" if stem in foreign else "a lone alpha"
            fates[slots["alpha"]] = KeyFate(slots["alpha"], "carried", reason=reason)
            continue
        arrays = {slot: source.tensors[key] for slot, key in slots.items()}
        built = build(arrays, _scale(source, parsed[stem]))
        for slot, reason in (built.refused or {}).items():
            fates[slots[slot]] = KeyFate(slots[slot], "refused", reason=reason)
        if built.delta is not None or built.bias is not None:
            groups.append(Group(stem, parsed[stem], slots, built))
    return groups


def _scale(source: Source, parsed: Parsed) -> Callable[[int], float] | None:
    prefix, _, rest = parsed.stem.partition(".")
    if prefix not in FOLDERS:
        prefix, rest = "", parsed.stem
    return source.scales(prefix, rest.removeprefix("base_model.model."))


def _settle(
    groups: Sequence[Group],
    places: Sequence[Place | None],
    guess: FamilyGuess,
    fates: dict[str, KeyFate],
) -> tuple[dict[Module, Delta], list[str]]:
    """Deltas at their modules; two spellings of one module are refused unless they agree."""
    found: dict[Module, tuple[Delta, Group]] = {}
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
        pieces = _unknown_module(group) if place is None else _modules(group, place)
        for module, delta in pieces:
            if module in found:
                quarrels.add(module)
                other = found[module][1].stem
                same = _equal(found[module][0], delta)
                _mark(group, fates, "refused", module, f"{module} is also spelled {other}")
                if not same:
                    _mark(found[module][1], fates, "refused", module, f"quarrels with {group.stem}")
                    found[module] = (found[module][0], group)
                continue
            found[module] = (delta, group)
        _mark(group, fates, "mapped", pieces[0][0] if pieces else None, "")
    warnings = [f"{module} is spelled twice" for module in sorted(quarrels)]
    kept = {
        module: delta
        for module, (delta, group) in found.items()
        if fates[next(iter(group.keys.values()))].fate == "mapped"
        or any(fates[key].fate == "mapped" for key in group.keys.values())
    }
    return kept, warnings


def _mark(
    group: Group, fates: dict[str, KeyFate], fate: str, module: Module | None, reason: str
) -> None:
    refused = group.built.refused or {}
    for slot, key in group.keys.items():
        if slot in refused or (fate == "mapped" and key in fates):
            continue
        fates[key] = KeyFate(key, fate, module, reason)  # type: ignore[arg-type]


def _modules(group: Group, place: Place) -> list[tuple[Module, Delta]]:
    """The modules of our tables that a group changes."""
    pieces: list[tuple[Module, Delta]] = []
    for delta, suffix in ((group.built.delta, ""), (group.built.bias, ".bias")):
        if delta is None:
            continue
        parts = _divide(delta, place, group.stem)
        if parts is None:
            # A kind that cannot be cut stays whole, under the fused weight's own name.
            pieces.append((Module(place.part, place.native.name + suffix), delta))
            continue
        pieces += [(Module(place.part, path + suffix), part) for path, part in parts]
    return pieces


def _divide(delta: Delta, place: Place, tag: str) -> list[tuple[str, Delta]] | None:
    native = place.native
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


def _dialect(groups: Sequence[Group], places: Sequence[Place | None], guess: FamilyGuess) -> str:
    """The dialect of most modules of the denoiser, or of the encoders when there is none."""
    counts: dict[str, int] = {}
    groups = [g for g in groups if g.parsed.net in ("", "denoiser")] or groups
    for group in groups:
        name = group.parsed.dialect
        counts[name] = counts.get(name, 0) + 1
    usual = max(sorted(counts), key=lambda name: counts[name]) if counts else "unknown"
    if usual != "kohya" or guess.id not in FAMILIES:
        return usual
    native = _spelled_natively(places, FAMILIES[guess.id])
    if native in (None, FAMILIES[guess.id].kohya_native):
        return usual
    return "kohya-ldm" if native else "kohya-diffusers"


def _spelled_natively(places: Sequence[Place | None], family: Family) -> bool | None:
    """Whether most names are the original checkpoint's, None when those are the same as ours."""
    votes = 0
    table = family.parts["denoiser"]
    for spot in places:
        if spot is None or not spot.part.startswith("denoiser"):
            continue
        if spot.native.name not in spot.native.paths:
            votes += 1
        elif spot.native.name in table.native_of:
            votes -= table.native_of[spot.native.name].name != spot.native.name
    return votes > 0 if votes else None


def _doubts(
    groups: Sequence[Group],
    places: Sequence[Place | None],
    guess: FamilyGuess,
    source: Source,
    dialect: str,
) -> list[str]:
    doubts = []
    if guess.hint and guess.id in FAMILIES and guess.hint != guess.id:
        if guess.hint in guess.alternatives:
            pass
        else:
            doubts.append(f"metadata says {guess.hint}, but the tensors say {guess.id}")
    odd = [
        (place.native.paths[0], group.shape, place.shape)
        for group, place in zip(groups, places, strict=True)
        if place is not None and not fits(group.shape, place.shape)
    ]
    if odd:
        path, have, want = odd[0]
        doubts.append(
            f"{len(odd)} of {len(groups)} modules have other shapes than {guess.id}: "
            f"{path} is {_dims(have)}, expected {_dims(want)}"
        )
    if dialect == "peft-bare" and not any("alpha" in group.keys for group in groups):
        ours = source.metadata.get("lorarium.dialect") == dialect
        if not ours and not source.scales("", ""):
            doubts.append(
                "a PEFT file without its adapter_config.json: the scale is unknown and taken as 1, "
                "the true effect may be several times stronger"
            )
    return doubts


def _dims(shape: Sequence[int] | None) -> str:
    return "x".join(map(str, shape or ()))
