"""The small numbers of a sketch: norm, counts, ranks, and where the energy lies.

They say how an adapter was trained rather than what on. Energies are shares of ‖ΔW‖²; the
effective rank of a change is ‖ΔW‖⁴ / ‖ΔW ΔWᵀ‖², the participation ratio of its squared singular
values, averaged with the energy as weight.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np

from lorarium.adapter import Adapter, Array, Module, kind_name
from lorarium.descriptors.project import Projected
from lorarium.descriptors.select import SORTS, block_of, blocks, sort_of

BLOCKS = 64  # places for blocks; the last one takes what is over
KINDS = ("lora", "locon", "loha", "lokr", "full", "bias", "dora")
GENERAL = (
    "norm",
    "modules",
    "opaque",
    *(f"kind {kind}" for kind in KINDS),
    "denoiser modules",
    "text modules",
    "text energy",
    "least rank",
    "median rank",
    "highest rank",
    "effective rank",
)
SIZE = len(GENERAL) + 3 * len(SORTS) + 2 * BLOCKS


@cache
def fact_names(family: str) -> tuple[str, ...]:
    """What each number of `Sketch.facts` is for a family; places without a block are empty."""
    named = [f"block {name}" for name in blocks(family)[:BLOCKS]]
    padded = named + [""] * (BLOCKS - len(named))
    return (
        *GENERAL,
        *(f"{fact} {sort}" for fact in ("energy", "effective rank", "modules") for sort in SORTS),
        *(f"energy {name}" if name else "" for name in padded),
        *(f"effective rank {name}" if name else "" for name in padded),
    )


@lru_cache(maxsize=2**16)
def _block(module: Module, family: str) -> int:
    names = blocks(family)
    name = block_of(module)
    place = names.index(name) if name in names else len(names)
    return min(place, BLOCKS - 1)


def facts(adapter: Adapter, projections: Sequence[Projected]) -> Array:
    """float32 (SIZE,): everything 0 for an adapter that changes nothing."""
    modules = [module for part in projections for module in part.modules]
    square = np.concatenate([part.square for part in projections] or [np.zeros(0)])
    fourth = np.concatenate([part.fourth for part in projections] or [np.zeros(0)])
    ranks = np.array([part.rank for part in projections for _ in part.modules], np.intp)
    energy = square / (square.sum() or 1)
    spread = np.divide(square**2, fourth, out=np.zeros_like(square), where=fourth > 0)
    matrix = spread > 0
    text = np.array([module.part.startswith("text_encoder") for module in modules], bool)
    sorts = np.array([SORTS.index(sort_of(module)) for module in modules], np.intp)
    places = np.array([_block(module, adapter.family) for module in modules], np.intp)

    def by(groups: Array, count: int) -> tuple[Array, Array, Array]:
        """Energy, effective rank and number of modules of each group."""
        total = np.bincount(groups, energy, count)
        weight = np.bincount(groups, energy * matrix, count)
        ranked = np.bincount(groups, energy * spread, count)
        mean = np.divide(ranked, weight, out=np.zeros(count), where=weight > 0)
        return total, mean, np.bincount(groups, minlength=count)

    kinds = [kind_name(delta) for _, delta in adapter.items()]
    stored = np.sort(ranks[ranks > 0])
    overall = by(np.zeros(len(modules), np.intp), 1)
    sort_energy, sort_rank, sort_count = by(sorts, len(SORTS))
    block_energy, block_rank, _ = by(places, BLOCKS)
    general = [
        math.sqrt(square.sum()),
        len(modules),
        len(adapter.opaque),
        *(kinds.count(kind) for kind in KINDS),
        int((~text).sum()),
        int(text.sum()),
        energy[text].sum(),
        *((stored[0], stored[len(stored) // 2], stored[-1]) if len(stored) else (0, 0, 0)),
        overall[1][0],
    ]
    parts = (general, sort_energy, sort_rank, sort_count, block_energy, block_rank)
    return np.concatenate(parts).astype(np.float32)
