"""How many components each layer keeps, from its singular values and what a component costs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lorarium.adapter import Array
from lorarium.errors import LorariumError


def ranks_for_energy(
    spectra: Sequence[Array], costs: Sequence[int], share: float, per_layer: bool
) -> list[int]:
    """Ranks that keep `share` of Σ σ²: the fewest bytes over all layers, or one rank for all."""
    if not 0 < share <= 1:
        raise LorariumError(f"an energy share of {share} is not in (0, 1]")
    energies = [S.astype(np.float64) ** 2 for S in spectra]
    total = sum(float(e.sum()) for e in energies)
    if not per_layer:
        component_energies = np.zeros(max(len(e) for e in energies))
        for e in energies:
            component_energies[: len(e)] += e
        return [_first_reaching(np.cumsum(component_energies), share * total)] * len(spectra)
    order = _by_gain(energies, costs)
    ranks = [1] * len(spectra)
    have = sum(float(e[0]) for e in energies)
    for layer, component in order:
        if have >= share * total * (1 - 1e-12):
            break
        ranks[layer] = component + 1
        have += float(energies[layer][component])
    return ranks


def ranks_for_size(
    spectra: Sequence[Array], costs: Sequence[int], budget: int, per_layer: bool
) -> list[int]:
    """Ranks that keep the most energy in `budget` bytes; each layer keeps at least one."""
    if not per_layer:
        return [max(1, budget // sum(costs))] * len(spectra)
    ranks = [1] * len(spectra)
    left = budget - sum(costs)
    full: set[int] = set()
    for layer, component in _by_gain([S.astype(np.float64) ** 2 for S in spectra], costs):
        if layer in full:
            continue
        if costs[layer] > left:
            full.add(layer)
            continue
        ranks[layer] = component + 1
        left -= costs[layer]
    return ranks


def _by_gain(energies: Sequence[Array], costs: Sequence[int]) -> list[tuple[int, int]]:
    """(layer, component) beyond the first of each layer, by energy per byte, best first."""
    layer = np.concatenate([np.full(max(0, len(e) - 1), i) for i, e in enumerate(energies)])
    component = np.concatenate([np.arange(1, max(1, len(e))) for e in energies])
    gain = np.concatenate([e[1:] / cost for e, cost in zip(energies, costs, strict=True)])
    order = np.lexsort((component, layer, -gain))
    return [(int(layer[k]), int(component[k])) for k in order]


def _first_reaching(cumulative: Array, target: float) -> int:
    reached = np.searchsorted(cumulative, target * (1 - 1e-12))
    return min(len(cumulative), int(reached) + 1)
