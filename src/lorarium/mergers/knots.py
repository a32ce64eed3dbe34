"""KnOTS (Stoica et al. 2025, arXiv 2410.19735): TIES in the space that the changes share.

The SVD of the changes side by side, [ΔW_1 ... ΔW_N] = U diag(S) [V_1ᵀ ... V_Nᵀ], comes from their
factors; TIES merges the thin diag(S) V_kᵀ, and U times that is an ordinary adapter.
"""

from __future__ import annotations

from collections.abc import Sequence

from lorarium.adapter import Adapter, Delta, Module
from lorarium.algebra import dense_delta, joint_svd, narrowed, stored_factors
from lorarium.mergers.elect import ELECTIONS, elected, largest
from lorarium.mergers.inputs import Inputs, Term, finish, module_errors, with_deltas
from lorarium.mergers.options import choice, number
from lorarium.mergers.registry import method


@method("knots", group="entries")
def merge_knots(
    inputs: Inputs,
    *,
    density: float = 0.5,
    election: str = "total",
) -> Adapter:
    """TIES on the right factors of the SVD of all changes side by side."""
    density = number("density", density, 0, 1, above=True)
    inputs.record(density=density, election=choice("election", election, ELECTIONS))
    deltas: dict[Module, Delta] = {}
    for module, terms in inputs.modules.items():
        with module_errors(module):
            merged = _one(inputs, module, terms, density, election)
        if merged.rank != 0:
            deltas[module] = merged
    return finish(inputs, with_deltas(inputs, deltas))


def _one(
    inputs: Inputs, module: Module, terms: Sequence[Term], density: float, election: str
) -> Delta:
    weights = [term.weight for term in terms]
    first = max((term.delta for term in terms), key=lambda d: len(d.shape))
    stored = inputs.stored(module)
    if len(first.shape) < 2:
        merged = elected([largest(dense_delta(t.delta), density) for t in terms], weights, election)
        return type(first)(narrowed(merged, stored))  # type: ignore[call-arg, arg-type]
    U, S, V = joint_svd([term.delta for term in terms])
    right = elected([largest((v * S).T, density) for v in V], weights, election)
    return stored_factors(U, right, first.shape, stored)
