"""What an adapter changes, module by module of our tables, whatever kind wrote it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lorarium.adapter import Adapter, Dense, Dora, Linear, Module
from lorarium.algebra.forms import matrix_form, rows
from lorarium.descriptors.select import choose
from lorarium.formats.families import FAMILIES, Native
from lorarium.formats.rows import heights, split, swap


def changes(adapter: Adapter) -> Iterator[tuple[Module, Linear]]:
    """Each module and its change: DoRA by the change inside it; a fused matrix that its kind could
    not cut (LoKr on q, k and v in one) as full pieces, so that it meets those of other files."""
    parts = FAMILIES[adapter.family].parts if adapter.family in FAMILIES else {}
    for module, delta in adapter.items():
        change = delta.inner if isinstance(delta, Dora) else delta
        table = parts.get(module.part)
        native = None
        if table is not None and module.path not in table.shapes:
            native = table.natives.get(module.path)
        if native is None:
            yield module, change
        else:
            for path, piece in _pieces(native, change):
                yield Module(module.part, path), piece


def matrices(adapter: Adapter, selection: str = "all") -> dict[Module, Linear]:
    """The changes of a selection of modules that are matrices, not vectors."""
    by_module = {module: change for module, change in changes(adapter) if len(change.shape) > 1}
    return {module: by_module[module] for module in choose(by_module, selection, adapter.family)}


def _pieces(native: Native, change: Linear) -> Iterator[tuple[str, Linear]]:
    out = change.shape[0]
    counts = heights(out, (1, 1) if native.swapped else native.heights)
    if counts is None:  # not the shape of this weight: it meets no other anyway
        yield native.name, change
        return
    swapped = swap(change) if native.swapped else None
    cut = [swapped] if swapped is not None else split(change, counts, native.name)
    if cut is not None and len(cut) == len(native.paths):
        yield from zip(native.paths, cut, strict=True)  # type: ignore[arg-type]
        return
    ends = np.cumsum(counts)
    spans = [(int(end) - count, int(end)) for count, end in zip(counts, ends, strict=True)]
    matrix = matrix_form(change)
    if native.swapped:
        yield native.paths[0], Dense(np.concatenate([rows(matrix, *s) for s in spans[::-1]]))
        return
    for path, span in zip(native.paths, spans, strict=True):
        yield path, Dense(rows(matrix, *span), matrix.scale)
