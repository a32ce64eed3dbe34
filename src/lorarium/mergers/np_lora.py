"""NP-LoRA (arXiv 2511.11051): the subjects leave the style's row space before they are added.

ΔW = ΔW_style + Σ ΔW_subject (I - μ/(1+μ) V Vᵀ), V a basis of the row space of ΔW_style. μ = 0 is
the sum, μ = inf the hard projection.
"""

from __future__ import annotations

import math

from lorarium.adapter import Adapter, Delta, Module
from lorarium.algebra import damp
from lorarium.mergers.inputs import Inputs, combine, module_errors, two_different
from lorarium.mergers.options import number
from lorarium.mergers.registry import method


@method("np-lora", group="subject and style", min_inputs=2)
def merge_np_lora(
    inputs: Inputs,
    *,
    mu: float = 0.5,
) -> Adapter:
    """Subjects first, the style last: what a subject has in the style's row space is damped."""
    mu = math.inf if mu == math.inf else number("mu", mu, 0, 1e9)
    inputs.record(mu=str(mu) if mu == math.inf else mu)
    two_different(inputs)
    share = 1.0 if mu == math.inf else mu / (1 + mu)
    *subjects, style = inputs.adapters
    counts = {m for m, terms in inputs.modules.items() if terms[-1].owner == len(subjects)}

    def damped(module: Module, delta: Delta) -> Delta:
        if module not in counts or len(delta.shape) < 2:
            return delta
        with module_errors(module):
            return damp(delta, style[module], share, dtype=inputs.dtype)

    changed = [s.with_(deltas={m: damped(m, d) for m, d in s.items()}) for s in subjects]
    return combine(inputs, adapters=[*changed, style])
