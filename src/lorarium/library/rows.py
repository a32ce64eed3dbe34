"""One file -> one row of the library: the work that every process and every machine does."""

from __future__ import annotations

import hashlib
import importlib.util
import math
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from lorarium.adapter import Adapter
from lorarium.adopted import adopted_bases
from lorarium.algebra import drop_magnitude, fingerprint, norm
from lorarium.algebra.inner import exact_sum
from lorarium.descriptors.effect import ASSET as ACTIVATIONS
from lorarium.descriptors.sketch import SKETCH_VERSION, sketch
from lorarium.errors import LorariumError, file_error
from lorarium.files import is_regular, read_bytes
from lorarium.formats import peft
from lorarium.formats.container import RawFile, load
from lorarium.formats.header import LORA_SUFFIXES, TORCH_SUFFIXES
from lorarium.formats.inspection.hashes import hash_file
from lorarium.formats.inspection.health import check
from lorarium.formats.inspection.metadata import tag_shares, training, trigger_words
from lorarium.formats.inspection.sidecars import Sidecar, find_sidecars
from lorarium.formats.reading import interpret, source_of
from lorarium.library.scan import Entry, Signature, signature
from lorarium.remote import RemotePath, as_place, local_copy

ROW_VERSION = 2  # raise it when rows should be read again
TRIES = 3  # for a file that changes under our eyes
MOST_WORDS = 20
# columns that are never absent, also for a file that cannot be read
TEXTS = (
    *("payload_sha256", "fingerprint", "family", "dialect", "kind", "dtype"),
    *("title", "author", "base", "tool", "about"),
)
LISTS = ("kinds", "parts", "names", "tags", "words", "health")
MOST_ABOUT = 4000  # characters
WRITTEN = ("description", "usage_hint", "comment", "notes", "text")  # in headers and beside them


def readers() -> dict[str, str]:
    """By suffix: which version of our code reads a file; rows of another one are read again."""
    known = [b.base_hash[:8] for b in adopted_bases() if b.file(ACTIVATIONS.stem).is_file()]
    here = ".".join([str(ROW_VERSION), str(SKETCH_VERSION), *sorted(known)])
    torch = "" if importlib.util.find_spec("torch") else " without torch"
    return {s: here + (torch if s in TORCH_SUFFIXES else "") for s in LORA_SUFFIXES}


def read_row(entry: Entry, reader: str) -> dict[str, Any]:
    """Everything the library keeps about a file; what is wrong with the file is its `error`."""
    path = as_place(entry.path)
    row = _frame(entry, reader)
    try:
        entry.path.encode()
    except UnicodeEncodeError:
        return row | {"error": "its name is not valid text; rename it"}
    if isinstance(path, RemotePath):
        return row | _guarded(lambda: _read_remote(path))
    for _ in range(TRIES):
        before = signature(path)
        facts = _guarded(lambda: _read(path))
        if before is not None and signature(path) == before:
            return row | before._asdict() | facts
    # no signature matches this one, so that the next run looks again
    unknown = Signature(0, 0, 0, 0, "")
    return row | unknown._asdict() | {"error": "it changed while it was read; index again"}


def _guarded(read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What was read of a file, or what is wrong with it."""
    try:
        return read()
    except LorariumError as problem:
        return {"error": problem.what}
    except (MemoryError, OSError) as problem:
        return {"error": f"cannot be read ({problem or type(problem).__name__})"}
    except Exception as problem:
        return {"error": file_error(problem).what}


def died_row(entry: Entry, reader: str) -> dict[str, Any]:
    """The row of a file whose reading ended the process that did it."""
    why = "reading it ended the process (out of memory, or cut short while it was read)"
    return _frame(entry, reader) | {"error": why}


def _frame(entry: Entry, reader: str) -> dict[str, Any]:
    return {
        "key": entry.key,
        "path": os.fsencode(str(as_place(entry.path))).decode("utf-8", "backslashreplace"),
        "id": "",
        **entry.signature._asdict(),
        "reader": reader,
        **dict.fromkeys(TEXTS, ""),
        **{name: [] for name in LISTS},
        "described": False,
    }


def _read_remote(path: RemotePath) -> dict[str, Any]:
    """All of it once; a change meanwhile is an error of the reader, and one since the list was
    made shows in the next list."""
    along = (peft.CONFIG,) if path.name in peft.WEIGHTS else ()
    with local_copy(path, along=along) as copy:
        return _read(copy)


def _read(path: Path) -> dict[str, Any]:
    raw = load(path)
    hashes = hash_file(path, raw.payload_start, raw.metadata)
    adapter, report = interpret(source_of(raw))
    facts = training(raw.metadata)
    sidecars = find_sidecars(path)
    with np.errstate(all="ignore"):  # what is not finite is a finding, not a warning
        sizes = {module: norm(delta) for module, delta in drop_magnitude(adapter).items()}
        square = exact_sum(size * size for size in sizes.values())
        findings = check(raw, adapter, report, sizes, facts, hashes, sidecars)
        healthy = bool(len(adapter)) and math.isfinite(square) and square > 0
        adapter_sketch = sketch(adapter) if healthy else None
        mark = fingerprint(adapter) if len(adapter) else ""
    usable = adapter_sketch is not None and all(
        np.isfinite(part).all()
        for part in (adapter_sketch.product, adapter_sketch.output, adapter_sketch.input)
    )
    ranks = [delta.rank for _, delta in adapter.items() if delta.rank is not None]
    config = path.parent / peft.CONFIG if path.name in peft.WEIGHTS else None
    family = report.family.id
    nothing = ("empty", "unknown-naming")
    useless = ("not-diffusion",) if family == "not-diffusion" else nothing
    return {
        "id": _identity(hashes.sha256, config),
        "payload_sha256": hashes.payload_sha256,
        "fingerprint": mark,
        "family": family,
        "dialect": report.dialect,
        "kind": max(report.kinds, key=lambda k: report.kinds[k], default=""),
        "kinds": list(report.kinds),
        "parts": list(adapter.parts()),
        "modules": len(adapter),
        "rank": median(ranks) if ranks else None,
        "parameters": sum(array.size for array in raw.tensors.values() if array.ndim),
        "dtype": _main_dtype(raw),
        "norm": math.sqrt(square) if math.isfinite(square) and len(adapter) else None,
        "title": str(facts.get("title", "")),
        "names": _beside(sidecars, "name"),
        "author": str(facts.get("author", "") or next(iter(_beside(sidecars, "author")), "")),
        "base": str(facts.get("base", "")),
        "tool": str(facts.get("tool", "")),
        "steps": facts.get("steps"),
        "tags": _tags(raw.metadata, facts, sidecars),
        "words": _words(raw.metadata, sidecars),
        "about": _about(facts, sidecars),
        "health": [finding.code for finding in findings],
        "described": usable,
        "sketch": adapter_sketch.to_bytes() if adapter_sketch is not None and usable else None,
        "error": next((f.message for f in findings if f.code in useless), ""),
    }


def _identity(sha256: str, config: Path | None) -> str:
    """Of the file, and of the configuration that says how strong it is."""
    if config is None or not is_regular(config):
        return sha256
    content = read_bytes(config, "the PEFT config")
    return hashlib.sha256(bytes.fromhex(sha256) + content).hexdigest()


def _main_dtype(raw: RawFile) -> str:
    bytes_of: Counter[str] = Counter()
    for array in raw.tensors.values():
        if array.ndim:
            bytes_of[array.dtype.name] += array.nbytes
    return bytes_of.most_common(1)[0][0] if bytes_of else ""


def _tags(
    metadata: Mapping[str, str], facts: Mapping[str, Any], sidecars: Sequence[Sidecar]
) -> list[str]:
    stated = [*map(str, facts.get("tags", ())), *_all_beside(sidecars, "tags")]
    shares = [tag for tag, _ in tag_shares(metadata)]
    return list(dict.fromkeys([*stated, *shares]))[:MOST_WORDS]


def _words(metadata: Mapping[str, str], sidecars: Sequence[Sidecar]) -> list[str]:
    in_metadata = [word.text for word in trigger_words(metadata)]
    return list(dict.fromkeys([*in_metadata, *_all_beside(sidecars, "words")]))[:MOST_WORDS]


def _about(facts: Mapping[str, Any], sidecars: Sequence[Sidecar]) -> str:
    """Everything written, each text once, those of the header first."""
    tables = [facts, *(sidecar.facts for sidecar in sidecars)]
    texts = [str(table[name]) for name in WRITTEN for table in tables if name in table]
    return " / ".join(dict.fromkeys(texts))[:MOST_ABOUT]


def _beside(sidecars: Sequence[Sidecar], name: str) -> list[str]:
    return list(dict.fromkeys(str(s.facts[name]) for s in sidecars if name in s.facts))


def _all_beside(sidecars: Sequence[Sidecar], name: str) -> list[str]:
    return [str(word) for sidecar in sidecars for word in sidecar.facts.get(name, ())]


def adapter_row(adapter: Adapter) -> dict[str, Any]:
    """The part of a row that an adapter in memory has, for queries that are no file."""
    ranks = [delta.rank for _, delta in adapter.items() if delta.rank is not None]
    return {
        "id": "",
        "path": "",
        "fingerprint": fingerprint(adapter),
        "family": adapter.family,
        "dialect": adapter.dialect,
        "modules": len(adapter),
        "rank": median(ranks) if ranks else None,
        "norm": norm(drop_magnitude(adapter)),
        "sketch": sketch(adapter).to_bytes(),
    }
