"""What is in a LoRA file, and whether it is healthy: everything that `lorarium inspect` shows."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from lorarium.adapter import Adapter, LowRank, Module
from lorarium.algebra import drop_magnitude, effective_rank, fingerprint, norm, spectra
from lorarium.algebra.inner import exact_sum
from lorarium.errors import LorariumError, file_error, one_line, without_secrets
from lorarium.files import is_folder, is_inside
from lorarium.formats import peft, read_report
from lorarium.formats.container import RawFile, load
from lorarium.formats.header import LORA_SUFFIXES
from lorarium.formats.inspection.hashes import Hashes, hash_file
from lorarium.formats.inspection.health import Finding, check, check_header
from lorarium.formats.inspection.metadata import TriggerWord, tag_shares, training, trigger_words
from lorarium.formats.inspection.sidecars import Sidecar, find_sidecars
from lorarium.formats.partial import BytesRead, glance, remote_config
from lorarium.formats.reading import as_source, interpret
from lorarium.formats.report import FamilyGuess, Report
from lorarium.notebook import html_table
from lorarium.remote import RemotePath, as_place, list_files, local_copy, open_remote

SHOWN_TAGS = 20
SAMPLED = 128  # modules whose spectrum is looked at; a full one of rank 64 takes a second


@dataclass(frozen=True, repr=False)
class Inspection:
    """One file: `error` is the sentence for a file that could not be read, then nothing else is.

    Of a remote file `read` says how much came over the wire; where that is its header alone,
    nothing is here that needs the weights.
    """

    path: str
    error: str = ""
    family: FamilyGuess | None = None
    dialect: str = ""
    kind: Mapping[str, int] = field(default_factory=dict)
    parts: Mapping[str, int] = field(default_factory=dict)
    ranks: tuple[int, ...] = ()
    alphas: tuple[float, ...] = ()
    parameters: int = 0
    dtype: str = ""
    norm: float | None = None
    effective_rank: float | None = None
    energy: Mapping[str, float] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    words: tuple[TriggerWord, ...] = ()
    health: tuple[Finding, ...] = ()
    hashes: Hashes | None = None
    sidecars: tuple[Sidecar, ...] = ()
    fingerprint: str | None = None
    container: str = ""
    size: int = 0
    read: BytesRead | None = None

    @property
    def ok(self) -> bool:
        return not self.error

    def _facts(self) -> dict[str, str]:
        if not self.ok or self.family is None:
            return {"file": self.path, "error": self.error}
        low, high = min(self.ranks, default=0), max(self.ranks, default=0)
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.kind.items())
        facts = {
            "file": self.path,
            "family": self.family.id,
            "dialect": self.dialect,
            "modules": kinds,
            "rank": f"{low}" if low == high else f"{low} to {high}",
            "type": self.dtype,
            "norm": "" if self.norm is None else f"{self.norm:.4g}",
            "answers to": ", ".join(word.text for word in self.words[:6]),
            "health": ", ".join(finding.code for finding in self.health) or "healthy",
        }
        return {name: value for name, value in facts.items() if value}

    def __repr__(self) -> str:
        facts = self._facts()
        words = "; ".join(f"{name} {value}" for name, value in facts.items() if name != "file")
        return one_line(f"Inspection({self.path}: {words})")

    def _repr_html_(self) -> str:
        return html_table(self._facts().items())

    def to_json(self) -> dict[str, Any]:
        """The published form; a file that could not be read has `null` everywhere."""
        ranks = self.ranks
        document = {
            "family": self.family.to_json() if self.family else None,
            "dialect": self.dialect,
            "kind": dict(self.kind),
            "parts": dict(self.parts),
            "rank": {
                "min": min(ranks, default=None),
                "max": max(ranks, default=None),
                "median": median(ranks) if ranks else None,
            },
            "parameters": self.parameters,
            "dtype": self.dtype,
            "norm": self.norm,
            "effective_rank": self.effective_rank,
            "energy": dict(self.energy),
            "metadata": dict(self.metadata),
            "training": {
                **self.training,
                "trigger_words": [
                    {"text": word.text, "source": word.source, "share": word.share}
                    for word in self.words
                ],
            },
            "health": [finding.to_json() for finding in self.health],
            "payload_sha256": self.hashes.payload_sha256 if self.hashes else None,
            "fingerprint": self.fingerprint,
            "hashes": self.hashes.to_json() if self.hashes else None,
            "sidecars": [
                {"path": side.path.name, "kind": side.kind, "source": side.source, **side.facts}
                for side in self.sidecars
            ],
            "container": self.container,
            "size": self.size,
            "read": self.read and {"bytes": self.read.bytes, "share": round(self.read.share, 6)},
        }
        if not self.ok:
            document = dict.fromkeys(document)
        return {"path": self.path, "ok": self.ok, "error": self.error or None, **document}


def inspect_file(path: str | os.PathLike[str] | RemotePath, *, full: bool = False) -> Inspection:
    """Read a file and say what it is; one that cannot be read raises `LorariumError`.

    Of a remote file the header is read alone, unless `full`.

    >>> inspect_file("ink.safetensors").family.id  # doctest: +SKIP
    'sd1'
    """
    place = as_place(path)
    if isinstance(place, RemotePath):
        return _inspect_copy(place) if full else _inspect_header(place)
    return _inspect_local(place)


def _inspect_copy(path: RemotePath) -> Inspection:
    file = open_remote(path)
    along = (peft.CONFIG,) if path.name in peft.WEIGHTS else ()
    with local_copy(path, file, along=along) as copy:
        inspection = _inspect_local(copy)
    return replace(inspection, path=str(path), read=BytesRead(file.bytes_read, file.size))


def _inspect_header(path: RemotePath) -> Inspection:
    file = open_remote(path)
    raw, alphas_known = glance(file, path)
    adapter, report = interpret(as_source(raw, remote_config(path)))
    facts = training(raw.metadata)
    stated = facts if alphas_known else {k: v for k, v in facts.items() if k != "alpha"}
    health = check_header(adapter, report, stated)
    if tags := tag_shares(raw.metadata):
        facts["tags"] = [{"text": tag, "share": share} for tag, share in tags[:SHOWN_TAGS]]
    return Inspection(
        **_of_header(raw, adapter, report, facts),
        path=str(path),
        alphas=_alphas(adapter) if alphas_known else (),
        words=tuple(trigger_words(raw.metadata)),
        health=health,
        read=BytesRead(file.bytes_read, file.size),
    )


def _of_header(
    raw: RawFile, adapter: Adapter, report: Report, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """What names, shapes and metadata tell."""
    return {
        "family": report.family,
        "dialect": report.dialect,
        "kind": report.kinds,
        "parts": adapter.parts(),
        "ranks": tuple(delta.rank for _, delta in adapter.items() if delta.rank is not None),
        "parameters": sum(array.size for array in raw.tensors.values() if array.ndim),
        "dtype": _dtype(raw),
        "metadata": raw.metadata,
        "training": facts,
        "container": raw.container,
        "size": raw.size,
    }


def _inspect_local(path: Path) -> Inspection:
    raw = load(path)
    adapter, report = read_report(path)
    facts = training(raw.metadata)
    sidecars = find_sidecars(path)
    with ThreadPoolExecutor(1) as beside:  # hashing leaves the interpreter free
        later = beside.submit(_identity, path, raw, adapter)
        with np.errstate(all="ignore"):  # what is not finite is a finding, not a warning
            sizes = {module: norm(delta) for module, delta in drop_magnitude(adapter).items()}
            spread = _effective_rank(adapter, sizes)
        hashes, mark = later.result()
    squares = {module: size * size for module, size in sizes.items()}
    square = exact_sum(squares.values())
    if tags := tag_shares(raw.metadata):
        facts["tags"] = [{"text": tag, "share": share} for tag, share in tags[:SHOWN_TAGS]]
    return Inspection(
        **_of_header(raw, adapter, report, facts),
        path=str(path),
        alphas=_alphas(adapter),
        norm=_finite(math.sqrt(square)) if len(adapter) else None,
        effective_rank=spread,
        energy=_energy(squares, square),
        words=tuple(_words(raw.metadata, sidecars)),
        health=check(raw, adapter, report, sizes, facts, hashes, sidecars),
        hashes=hashes,
        sidecars=sidecars,
        fingerprint=mark,
    )


def _identity(path: Path, raw: RawFile, adapter: Adapter) -> tuple[Hashes, str | None]:
    hashes = hash_file(path, raw.payload_start, raw.metadata)
    with np.errstate(all="ignore"):
        return hashes, fingerprint(adapter) if len(adapter) else None


def inspect_files(paths: list[str], *, full: bool = False) -> Iterator[Inspection]:
    """Each file, and each tensor file below a folder; a bad one is reported and the rest go on."""
    for path in paths:
        try:
            files = tensor_files(as_place(path))
        except Exception as error:
            where = without_secrets(path)
            yield Inspection(path=where, error=str(file_error(error, where)))
            continue
        for file in files:
            try:
                inspection = inspect_file(file, full=full)
            except Exception as error:
                inspection = Inspection(path=str(file), error=str(file_error(error, str(file))))
            yield inspection


def tensor_files(path: Path | RemotePath) -> Sequence[Path | RemotePath]:
    """A file itself; of a folder the tensor files below it, sorted, links out of it left out."""
    if isinstance(path, RemotePath):
        named = path.scheme != "s3" and path.suffix.lower() in LORA_SUFFIXES
        return [path] if named else [v.path for v in list_files(path, LORA_SUFFIXES)]
    if not is_folder(path):
        return [path]
    files = []
    inside = path.resolve()
    for folder, _, names in os.walk(path):
        for name in sorted(names):
            file = Path(folder, name)
            if file.suffix.lower() in LORA_SUFFIXES and is_inside(file, inside):
                files.append(file)
    if not files:
        hint = "expected " + ", ".join(sorted(LORA_SUFFIXES))
        raise LorariumError("there is no tensor file in this folder", where=str(path), hint=hint)
    return sorted(files)


def block_of(module: Module) -> str:
    """The block a module belongs to, as energy is summed: `down_blocks.1`, `text_encoder`..."""
    if module.part.startswith("text_encoder"):
        return module.part
    first, _, rest = module.path.partition(".")
    index = rest.partition(".")[0]
    block = f"{first}.{index}" if index.isdigit() else first
    return block if module.part == "denoiser" else f"{module.part}:{block}"


def _effective_rank(adapter: Adapter, sizes: Mapping[Module, float]) -> float | None:
    """Median over the low-rank modules, at most `SAMPLED` of them, evenly spread."""
    usable = {
        module: delta
        for module, delta in drop_magnitude(adapter).items()
        if isinstance(delta, LowRank) and math.isfinite(sizes[module]) and sizes[module]
    }
    step = max(1, math.ceil(len(usable) / SAMPLED))
    sample = Adapter({module: usable[module] for module in list(usable)[::step]})
    ranks = [effective_rank(values) for values in spectra(sample).values()]
    return _finite(median(ranks)) if ranks else None


def _energy(squares: Mapping[Module, float], total: float) -> dict[str, float]:
    """Share of ‖ΔW‖² by block."""
    if not total or not math.isfinite(total):
        return {}
    blocks: dict[str, float] = {}
    for module, square in squares.items():
        block = block_of(module)
        blocks[block] = blocks.get(block, 0.0) + square / total
    ordered = sorted(blocks, key=lambda name: (name.startswith("text"), *_natural(name)))
    return {name: round(blocks[name], 6) for name in ordered}


def _natural(name: str) -> tuple[str, int]:
    stem, _, index = name.rpartition(".")
    return (stem, int(index)) if index.isdigit() else (name, 0)


def _alphas(adapter: Adapter) -> tuple[float, ...]:
    alphas = {round(d.scale * d.rank, 6) for _, d in adapter.items() if d.rank is not None}
    return tuple(sorted(alphas))


def _dtype(raw: RawFile) -> str:
    """The dtypes of the arrays, the one with most bytes first."""
    held: dict[str, int] = {}
    for array in raw.tensors.values():
        if array.ndim:
            held[array.dtype.name] = held.get(array.dtype.name, 0) + array.nbytes
    return "+".join(sorted(held, key=lambda name: -held[name]))


def _words(metadata: Mapping[str, str], sidecars: tuple[Sidecar, ...]) -> Iterator[TriggerWord]:
    seen = set()
    for word in trigger_words(metadata):
        seen.add(word.text)
        yield word
    for sidecar in sidecars:
        for text in sidecar.facts.get("words", ()):
            if text not in seen:
                seen.add(text)
                yield TriggerWord(text, one_line(sidecar.path.name, 80))


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
