"""Checkpoints of base models, mapped from their files: where each module stands in them.

One safetensors file, or a diffusers folder (its unet or transformer, in one file or in shards),
under the original names or diffusers'. Tensors are looked at one by one, never all at once.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lorarium.adapter import Array, Module
from lorarium.errors import LorariumError, quoted
from lorarium.files import is_folder

from .container import check_with_library, view
from .families import FAMILIES, Family, Native, table
from .families.index import candidates
from .header import TensorInfo, load_header, open_regular
from .placing import fits
from .rows import heights

# a prefix that only single-file checkpoints have -> part
_PREFIXES = {
    "model.diffusion_model.": "denoiser",
    "diffusion_model.": "denoiser",
    "cond_stage_model.transformer.": "text_encoder",
    "cond_stage_model.model.": "text_encoder",
    "conditioner.embedders.0.transformer.": "text_encoder",
    "conditioner.embedders.0.model.": "text_encoder_2",
    "conditioner.embedders.1.model.": "text_encoder_2",
}
# spellings of a weight beside `.weight` -> what is left of the name
_PACKED = {"in_proj_weight": "in_proj", "in_proj_bias": "in_proj"}
# beside an 8-bit weight these hold what it must be multiplied by
_SCALES = (".scale_weight", ".weight_scale", ".weight.absmax")


class Spot(NamedTuple):
    """Rows `start:stop` of the tensor `key` are the rows of a module's weight from `at` on.

    `swapped`: the two halves of these rows stand in the other order; `transposed`: the tensor is
    (in, out).
    """

    key: str
    start: int
    stop: int
    at: int = 0
    swapped: bool = False
    transposed: bool = False

    def rows(self, tensor: Array) -> Array:
        """These rows as a view of the tensor, in the order in which the file has them."""
        return (tensor.T if self.transposed else tensor)[self.start : self.stop]

    def ordered(self, rows: Array) -> Array:
        """From the order of the file to ours, and back."""
        if not self.swapped:
            return rows
        return np.concatenate([rows[len(rows) // 2 :], rows[: len(rows) // 2]])


Spots = Mapping[Module, tuple[Spot, ...]]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The tensors of a base model by key, none of them read, and its modules.

    `spots` has every module of our tables, `fused` the original weights under their own names
    (several modules in one). `families` are those that fit equally well; the first is assumed.
    """

    path: Path
    files: tuple[Path, ...]
    tensors: Mapping[str, TensorInfo]
    buffers: Mapping[str, mmap.mmap]
    metadata: Mapping[str, str]
    families: tuple[str, ...]
    spots: Spots
    fused: Spots

    @property
    def family(self) -> str:
        return self.families[0]

    @property
    def dialect(self) -> str:
        """Where its modules are best written: the usual words, but parts of fused ones apart."""
        natives = FAMILIES[self.family].parts["denoiser"].natives.values()
        return "diffusers" if any(len(native.paths) > 1 for native in natives) else "kohya"

    def seen_as(self, family: str) -> Checkpoint:
        """The same, as another of `families`."""
        spots, fused = _spots(FAMILIES[family], self.tensors)
        families = (family, *(other for other in self.families if other != family))
        return replace(self, families=families, spots=spots, fused=fused)

    def find(self, module: Module) -> tuple[Spot, ...]:
        """Where a module stands; nothing when the checkpoint lacks it."""
        return self.spots.get(module) or self.fused.get(module, ())

    def beyond(self) -> list[str]:
        """Keys that belong to no module: norms, embeddings, the VAE."""
        known = {spot.key for spots in self.spots.values() for spot in spots}
        return [key for key in self.tensors if key not in known]

    def shape(self, module: Module) -> tuple[int, ...]:
        spots = self.find(module)
        shape = self.tensors[spots[0].key].shape
        tail = shape[:1] if spots[0].transposed else shape[1:]
        return (sum(spot.stop - spot.start for spot in spots), *tail)

    def tensor(self, key: str) -> Array:
        """One tensor as the file has it, read-only."""
        return view(self.buffers[key], self.tensors[key])

    def wide(self, key: str) -> Array:
        """A copy of one weight to compute with: float32, float64 where the file has that."""
        info, stem = self.tensors[key], key.removesuffix(".weight")
        scaled = any(stem + tail in self.tensors for tail in _SCALES)
        if scaled or info.dtype[0] not in "FB" or info.dtype == "BOOL":
            what = f"{quoted(key)} is quantised ({info.dtype}), so its true values are not here"
            hint = "use the checkpoint in fp16, bf16 or fp32"
            raise LorariumError(what, where=str(self.path), hint=hint)
        return self.tensor(key).astype(np.float64 if info.dtype == "F64" else np.float32)

    def weight(self, module: Module) -> Array:
        """The whole weight of a module to compute with, its rows in our order."""
        pieces = [spot.ordered(spot.rows(self.wide(spot.key))) for spot in self.find(module)]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def open_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Map a checkpoint and find its modules; only headers are read."""
    path = Path(path)
    tensors: dict[str, TensorInfo] = {}
    buffers: dict[str, mmap.mmap] = {}
    metadata: dict[str, str] = {}
    files = tuple(_files(path))
    for file in files:
        header = load_header(file)
        check_with_library(file)
        with open_regular(file) as stream:
            buffer = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        if twice := tensors.keys() & header.tensors.keys():
            raise LorariumError(f"{quoted(min(twice))} is in two files", where=str(path))
        # in the order of the payload, so that a file is read from front to back
        tensors |= dict(sorted(header.tensors.items(), key=lambda item: item[1].start))
        buffers |= dict.fromkeys(header.tensors, buffer)
        metadata |= header.metadata
    families = families_of(tensors)
    if not families:
        raise LorariumError(
            "no tensor has the name of a weight of a known base model",
            where=str(path),
            hint="give a checkpoint or a diffusers folder, not a LoRA or a VAE",
        )
    spots, fused = _spots(FAMILIES[families[0]], tensors)
    return Checkpoint(path, files, tensors, buffers, metadata, families, spots, fused)


def _files(path: Path) -> list[Path]:
    if not is_folder(path):
        return [path]
    inside = [path / name for name in ("unet", "transformer") if (path / name).is_dir()]
    folder = inside[0] if inside else path
    candidates = sorted(folder.glob("diffusion_pytorch_model*.safetensors"))
    plain = [file for file in candidates if file.name == "diffusion_pytorch_model.safetensors"]
    if plain:
        return plain
    sets: dict[str, list[Path]] = {}  # shards of one variant belong together
    for file in candidates:
        sets.setdefault(file.name.partition("-0")[0].removesuffix(".safetensors"), []).append(file)
    if len(sets) != 1:
        what = f"has {len(sets) or 'no'} files diffusion_pytorch_model*.safetensors to choose from"
        raise LorariumError(what, where=str(folder), hint="name one safetensors file")
    files = next(iter(sets.values()))
    total = files[0].stem.rpartition("-of-")[2]
    if total.isdecimal() and int(total) != len(files):
        what = f"{len(files)} of {int(total)} shards are here"
        raise LorariumError(what, where=str(folder), hint="download the others")
    return files


class _Place(NamedTuple):
    """What a key stands for in a family."""

    part: str
    native: Native
    bias: bool
    transposed: bool


def _place(family: Family, key: str, info: TensorInfo) -> _Place | None:
    for prefix, part in _prefixes(family):
        if part not in family.parts or not key.startswith(prefix):
            continue
        name, dot, last = key[len(prefix) :].rpartition(".")
        bare = not dot and last == "text_projection"  # OpenCLIP's, a plain (in, out) matrix
        if last in _PACKED or bare:
            name = f"{name}.{_PACKED[last]}" if last in _PACKED else last
        elif last not in ("weight", "bias"):
            continue
        native = family.parts[part].dotted.get(name)
        bias = last.endswith("bias")
        if native is not None and (len(info.shape) == 1 if bias else len(info.shape) > 1):
            return _Place(part, native, bias, bare)
    return None


def _prefixes(family: Family) -> list[tuple[str, str]]:
    encoders = family.encoders.items()
    return [
        *_PREFIXES.items(),
        *((f"text_encoders.{encoder.comfy}.transformer.", part) for part, encoder in encoders),
        *((f"{part}.", part) for part in family.parts),
        (f"{family.denoiser}.", "denoiser"),
        ("", "denoiser"),
    ]


def families_of(tensors: Mapping[str, TensorInfo]) -> tuple[str, ...]:
    """The families that explain most tensors and lack fewest; shapes count when most fit."""
    scores = {}
    for family in _named(tensors):
        named = fitting = 0
        paths: set[str] = set()
        for key, info in tensors.items():
            place = _place(family, key, info)
            if place is not None:
                here = info.shape[::-1] if place.transposed else info.shape
                named += 1
                wanted = family.shapes_of(place.part, place.native)
                fitting += any(fits(here, shape) for shape in wanted)
                paths.update(place.native.paths if place.part == "denoiser" else ())
        lacking = min(len(table(net).shapes.keys() - paths) for net in family.nets)
        scores[family.id] = (fitting if 2 * fitting > named else 0, named, -lacking)
    best = max(scores.values(), default=(0, 0, 0))
    return tuple(id for id, score in scores.items() if score == best) if best[1] else ()


def _named(tensors: Iterable[str]) -> list[Family]:
    """Families that have some names of these, whatever network they say they are of."""
    names = []
    for key in tensors:
        for prefix in _ANY_PREFIX:
            key = key.removeprefix(prefix)
        name, _, last = key.rpartition(".")
        if last in ("weight", "bias"):
            names.append(name)
    return candidates(names, _SOME)


# a checkpoint has networks and norms beside those of our tables
_SOME = 0.1
_ANY_PREFIX = (*_PREFIXES, "unet.", "transformer.", "text_encoder.", "text_encoder_2.")


def _spots(family: Family, tensors: Mapping[str, TensorInfo]) -> tuple[Spots, Spots]:
    """The spots of our modules, and of the original weights under their own names."""
    ours: dict[Module, tuple[Spot, ...]] = {}
    natives: dict[Module, tuple[Spot, ...]] = {}
    for key, info in tensors.items():
        place = _place(family, key, info)
        if place is None:
            continue
        part, native, bias, transposed = place
        total = info.shape[1] if transposed else info.shape[0]
        each = heights(total, native.heights)
        if each is None or (native.swapped and total % 2):
            continue
        tail = ".bias" if bias else ""
        start = 0
        for path, rows in zip(native.paths, each, strict=True):
            spot = Spot(key, start, start + rows, 0, native.swapped, transposed)
            ours.setdefault(Module(part, path + tail), (spot,))
            start += rows
        if native.name not in native.paths:
            spot = Spot(key, 0, total, 0, False, transposed)
            natives.setdefault(Module(part, native.name + tail), (spot,))
    for part in family.parts:
        for native in family.parts[part].natives.values():
            for tail in ("", ".bias"):
                pieces = [ours.get(Module(part, path + tail)) for path in native.paths]
                if all(pieces):
                    stacked = _stacked(native, [piece[0] for piece in pieces if piece])
                    natives.setdefault(Module(part, native.name + tail), stacked)
    return ours, natives


def _stacked(native: Native, pieces: Iterable[Spot]) -> tuple[Spot, ...]:
    """An original weight where a checkpoint has its modules apart."""
    spots: list[Spot] = []
    at = 0
    for spot in pieces:
        spots.append(spot._replace(at=at, swapped=spot.swapped != native.swapped))
        at += spot.stop - spot.start
    return tuple(spots)
