"""An adapter in one line, for whoever prints it."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from lorarium.adapter import Adapter, kind_name
from lorarium.algebra.inner import drop_magnitude, norm
from lorarium.errors import one_line


def adapter_line(adapter: Adapter) -> str:
    """`sd1, 264 modules, lora, rank 8, norm 3.52`."""
    ranks = [delta.rank for delta in adapter.values() if delta.rank is not None]
    kinds = Counter(kind_name(delta) for delta in adapter.values())
    facts = [adapter.family, f"{len(adapter)} modules", "+".join(kinds)]
    if ranks:
        low, high = min(ranks), max(ranks)
        facts.append(f"rank {low}" if low == high else f"rank {low} to {high}")
    if adapter.opaque:
        facts.append(f"{len(adapter.opaque)} other tensors")
    with np.errstate(all="ignore"):
        facts.append(f"norm {math.hypot(*(norm(d) for d in drop_magnitude(adapter).values())):.3g}")
    return one_line(", ".join(filter(None, facts)))
