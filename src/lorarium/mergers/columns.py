"""Coefficients by column: A' = [A_1 diag m_1; A_2 diag m_2], B' = [B_1 B_2]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lorarium.adapter import Adapter, Array, Delta, Module
from lorarium.algebra import scale_columns
from lorarium.mergers.inputs import Inputs, combine, module_errors

Gains = Mapping[Module, Sequence[Array | None]]  # (in,) for each adapter; None stands for ones


def weigh_columns(inputs: Inputs, gains: Gains) -> Adapter:
    """The weighted sum with each adapter's columns scaled, in factors."""

    def scaled(k: int, module: Module, delta: Delta) -> Delta:
        m = gains[module][k] if module in gains else None
        if m is None or module not in inputs.modules:
            return delta
        with module_errors(module):
            return scale_columns(delta, m, dtype=inputs.dtype)

    changed = [
        adapter.with_(deltas={m: scaled(k, m, d) for m, d in adapter.items()})
        for k, adapter in enumerate(inputs.adapters)
    ]
    return combine(inputs, adapters=changed)
