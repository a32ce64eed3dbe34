"""A file or a PEFT folder -> an Adapter, with an account of every key."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lorarium.adapter import Adapter, Array
from lorarium.errors import LorariumError, listed, quoted
from lorarium.files import is_folder, is_regular
from lorarium.formats.families.embedded import EMBEDDED
from lorarium.remote import RemotePath, as_place, list_files, local_copy

from . import carried, container, experts, header, peft, positional
from .detect import FITTING, detect
from .families import FAMILIES, Family
from .grammar import Parsed, parse
from .placing import Group, Place, fits
from .report import FamilyGuess, KeyFate, Report, kinds
from .settling import settle
from .slots import build

# a module's name in the file -> its scale as a function of rank, None when nothing is known
Scales = Callable[[str, str], Callable[[int], float] | None]


@dataclass(frozen=True)
class Source:
    """Tensors as they were on disk, with what a PEFT config beside them says."""

    path: str
    tensors: Mapping[str, Array]
    metadata: Mapping[str, str]
    scales: Scales
    dialect: str | None = None
    warnings: tuple[str, ...] = ()


def read(path: str | os.PathLike[str] | RemotePath, family: str | None = None) -> Adapter:
    """The adapter in a file, a PEFT folder or a remote file, in any known dialect.

    `family` overrules what the tensors say. Example: `read("style.safetensors").parts()`.
    """
    return read_report(path, family)[0]


def read_report(
    path: str | os.PathLike[str] | RemotePath, family: str | None = None
) -> tuple[Adapter, Report]:
    """The adapter, and what became of every key of the file."""
    if family is not None and family not in FAMILIES:
        raise LorariumError(f"unknown family {family!r}", hint=f"one of {', '.join(FAMILIES)}")
    return interpret(open_source(as_place(path)), family)


def open_source(path: Path | RemotePath) -> Source:
    if isinstance(path, RemotePath):
        return _open_remote(path)
    if is_folder(path):
        return _open_folder(path)
    return source_of(container.load(path))


def source_of(raw: container.RawFile) -> Source:
    """A file that was loaded, with the PEFT config beside it where it has one."""
    path = Path(str(raw.path))
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
        metadata = {**raw.metadata, **_stated({"": config})}
        return Source(where, raw.tensors, metadata, scales, "peft", config.warnings)
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
    metadata |= _stated(configs)
    return Source(str(folder), tensors, metadata, _config_scales(configs), "peft", warnings)


def _stated(configs: Mapping[str, peft.Config]) -> dict[str, str]:
    """What the configs say of rotations, which are read when there is a base to turn."""
    rotation_configs = {
        name: dict(config.rotation) for name, config in configs.items() if config.rotation
    }
    if not rotation_configs:
        return {}
    from .rotations import HEADER  # few files turn a base, and their algebra takes a moment

    return {HEADER: json.dumps(rotation_configs)}


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
    if (
        guess.id == "unknown"
        and family is None
        and source.metadata.get("lorarium.base") in EMBEDDED
    ):
        # a base of our own may be of any width: what it trained says so, and its names must fit
        own = detect(groups, source.metadata, names, source.metadata["lorarium.base"])
        if sum(spot is not None for spot in own[1]) >= FITTING * len(groups):
            guess, places = own
    places = experts.assign(guess.id, places, source.metadata)
    deltas, warnings = settle(groups, places, guess, fates)
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
        parsed_key = parse(key)
        if parsed_key is None:
            kind = carried.kind_of(key, source.tensors[key])
            reason = f"of {carried.TITLES[kind]}" if kind else "not a tensor of a LoRA kind"
            fates[key] = KeyFate(key, "carried", reason=reason)
            foreign.add(key.rpartition(".")[0])
            continue
        slots = keys.setdefault(parsed_key.stem, {})
        if parsed_key.slot in slots:
            fates[key] = KeyFate(
                key,
                "refused",
                reason=f"says the same as {slots[parsed_key.slot]} in another spelling",
            )
            continue
        slots[parsed_key.slot] = key
        if parsed_key.stem not in parsed or parsed_key.slot != "alpha":
            parsed[parsed_key.stem] = parsed_key
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
