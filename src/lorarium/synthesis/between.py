"""Adapters between two: exact weighted sums, brought back to the rank of the larger one.

Two adapters of one generator share their down factors, so nothing is lost there: a step between
them is the same step between their conditions.
"""

from __future__ import annotations

import json

from lorarium import __version__
from lorarium.adapter import Adapter, Delta
from lorarium.algebra import add, fingerprint, recompress
from lorarium.errors import LorariumError

MOST = 1000


def between(a: Adapter, b: Adapter, count: int = 1, *, rank: int | None = None) -> list[Adapter]:
    """`count` adapters on the way from a to b, at equal steps, the ends left out.

    >>> [middle] = between(ink, oil)
    """
    if not 1 <= count <= MOST:
        raise LorariumError(f"{count} adapters between two", hint=f"ask for 1 to {MOST}")
    if a.family != b.family:
        raise LorariumError(f"nothing is between a {a.family} and a {b.family} adapter")
    hashes = {x.metadata.get("lorarium.base_hash", "") for x in (a, b)} - {""}
    if len(hashes) > 1:
        raise LorariumError("the two stand on different base weights")
    rank = rank or max(_rank(d) for x in (a, b) for _, d in x.items())
    prints = json.dumps([fingerprint(a), fingerprint(b)])
    shared = {k: v for k, v in a.metadata.items() if b.metadata.get(k) == v}
    made = []
    for i in range(1, count + 1):
        share = i / (count + 1)
        small, report = recompress(add([a, b], [1 - share, share]), rank=rank)
        about = {
            **shared,
            "lorarium.version": __version__,
            "lorarium.kind": "between",
            "lorarium.inputs": prints,
            "lorarium.options": json.dumps({"share": round(share, 6)}),
            "lorarium.error": f"{report.relative:.4g}",
            "ss_network_dim": str(rank),
            "ss_network_alpha": str(float(rank)),
        }
        made.append(small.with_(metadata=about))
    return made


def _rank(delta: Delta) -> int:
    return int(delta.rank or min(delta.shape))
