"""NP-LoRA (arXiv 2511.11051): the subjects leave the style's row space before they are added.

ΔW = ΔW_style + Σ ΔW_subject (I - μ/(1+μ) V Vᵀ), V a basis of the row space of ΔW_style. μ = 0 is
the sum, μ = inf the hard projection.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lorarium.adapter import Adapter, Delta, Module
from lorarium.algebra import damp
from lorarium.mergers.inputs import at, combine, prepare, two_different
from lorarium.mergers.options import number


def merge_np_lora(
    adapters: Sequence[Adapter],
    weights: Sequence[float] | None = None,
    *,
    mu: float = 0.5,
    **shared: Any,
) -> Adapter:
    """Subjects first, the style last: what a subject has in the style's row space is damped."""
    mu = math.inf if mu == math.inf else number("mu", mu, 0, 1e9)
    own = {"mu": str(mu) if mu == math.inf else mu}
    inputs = prepare("np-lora", adapters, weights, own, least=2, **shared)
    two_different(inputs)
    share = 1.0 if mu == math.inf else mu / (1 + mu)
    *subjects, style = inputs.adapters
    counts = {m for m, terms in inputs.modules.items() if terms[-1].owner == len(subjects)}

    def damped(module: Module, delta: Delta) -> Delta:
        if module not in counts or len(delta.shape) < 2:
            return delta
        with at(module):
            return damp(delta, style[module], share, dtype=inputs.dtype)

    changed = [s.with_(deltas={m: damped(m, d) for m, d in s.items()}) for s in subjects]
    return combine(inputs, adapters=[*changed, style])
