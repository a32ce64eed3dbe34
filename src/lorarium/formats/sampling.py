"""Some modules of a file, of which no more than a share of its bytes is read.

They come in an order by chance that is the same for every file, so that two files, whatever their
dialect, have the same ones. Choosing the smallest or the largest first finds less, for equal bytes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping

from lorarium.adapter import Adapter
from lorarium.errors import LorariumError
from lorarium.remote import as_place, open_remote
from lorarium.remote.address import RemotePath

from .container import RawFile
from .families import FAMILIES
from .header import TensorInfo
from .partial import GAP, BytesRead, FileHere, glance, read_tensors, remote_config
from .reading import as_source, interpret
from .report import Report


def read_share(path: str | os.PathLike[str], share: float) -> tuple[Adapter, BytesRead]:
    """As many modules of a file, here or elsewhere, as fit into a share of its weights' bytes; one
    at least. Its header is read besides.

    >>> read_share("hf://owner/name/ink.safetensors", 0.1)  # doctest: +SKIP
    """
    if not 0 < share <= 1:
        raise LorariumError(f"a share of {share:g}", hint="above 0, up to 1")
    place = as_place(path)
    file = open_remote(place) if isinstance(place, RemotePath) else FileHere(place)
    seen, _ = glance(file, place)
    config = remote_config(place)
    _, report = interpret(as_source(seen, config))
    assert seen.header is not None
    budget = share * seen.header.payload_size
    gap = min(GAP, int(budget) // 1000)
    names = _chosen(report, seen.header.tensors, budget, gap)
    tensors = read_tensors(file, seen.header, names, gap)
    part = RawFile(place, tensors, seen.metadata, seen.container, seen.size, seen.header)
    # by so few modules alone the family might be another's
    family = report.family.id if report.family.id in FAMILIES else None
    adapter, _ = interpret(as_source(part, config), family)
    return adapter, BytesRead(file.bytes_read, file.size)


def _chosen(
    report: Report, tensors: Mapping[str, TensorInfo], budget: float, gap: int
) -> list[str]:
    """Keys of the modules that fit, those of one module together."""
    keys: dict[str, list[str]] = {}
    for fate in report.keys:
        if fate.fate == "mapped" and fate.module is not None:
            keys.setdefault(str(fate.module), []).append(fate.key)
    sizes = {
        module: sum(tensors[key].end - tensors[key].start for key in keys[module])
        for module in keys
    }
    chosen: list[str] = []
    for module in sorted(keys, key=_by_chance):
        if not chosen or sizes[module] + gap <= budget:
            chosen += keys[module]
            budget -= sizes[module] + gap
    return chosen


def _by_chance(name: str) -> bytes:
    return hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8).digest()
