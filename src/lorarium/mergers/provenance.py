"""What a written adapter says about where it came from, under `lorarium.*` keys."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lorarium import __version__
from lorarium.adapter import Adapter
from lorarium.algebra import fingerprint

# Keys that describe the very bytes of one file: wrong as soon as a tensor changes.
OF_THE_BYTES = ("sshs_model_hash", "sshs_legacy_hash", "modelspec.hash_sha256")


def stamp(
    result: Adapter, inputs: Sequence[Adapter], method: str, options: Mapping[str, Any]
) -> Adapter:
    """`result` with the metadata that all inputs agree on, and how it was made from them."""
    metadata = dict(inputs[0].metadata)
    for other in inputs[1:]:
        metadata = {k: v for k, v in metadata.items() if other.metadata.get(k) == v}
    if not same_tensors(result, inputs[0]):
        metadata = {k: v for k, v in metadata.items() if k not in OF_THE_BYTES}
    unique = {id(adapter): adapter for adapter in inputs}
    with ThreadPoolExecutor() as pool:  # hashing lets other threads run
        prints = dict(zip(unique, pool.map(fingerprint, unique.values()), strict=True))
    given = {k: v for k, v in options.items() if v is not None}
    metadata |= {
        "lorarium.version": __version__,
        "lorarium.method": method,
        "lorarium.options": json.dumps(given, sort_keys=True),
        "lorarium.inputs": json.dumps([prints[id(adapter)] for adapter in inputs]),
    }
    return result.with_(metadata=metadata)


def same_tensors(a: Adapter, b: Adapter) -> bool:
    """Whether the two hold the same delta and tensor objects under the same names."""
    return (
        a.deltas.keys() == b.deltas.keys()
        and all(a.deltas[m] is b.deltas[m] for m in a)
        and a.opaque.keys() == b.opaque.keys()
        and all(a.opaque[k] is b.opaque[k] for k in a.opaque)
    )
