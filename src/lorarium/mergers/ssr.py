"""SSR-Merge (arXiv 2606.10617, ICML 2026): route each adapter's signal to its own output.

With A = [A_1; ...; A_K], B = [B_1 ... B_K] and Z_k = A X_k for what a layer sees while adapter k
draws its prompt, the router R = Q (G/N + λI)⁻¹, G = Σ Z_k Z_kᵀ, Q = Σ P_k Z_k Z_kᵀ / N, where P_k
keeps the rows of adapter k, makes B R A. R = I is the sum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lorarium.adapter import Adapter, Array, Delta, Module
from lorarium.algebra import add, factors_of, stored_factors
from lorarium.errors import LorariumError
from lorarium.mergers.inputs import Inputs, Term, finish, with_deltas
from lorarium.mergers.on_base import prompts_of, resolve_base
from lorarium.mergers.options import number, require_int
from lorarium.mergers.registry import method


@method("ssr", group="on the base", min_inputs=2)
def merge_ssr(
    inputs: Inputs,
    *,
    base: Any = None,
    prompts: str | Sequence[str] | None = None,
    ridge: float = 1e-4,
    steps: int = 1,
    seed: int = 0,
    device: str = "cpu",
) -> Adapter:
    """Route each adapter's signal by what the base's layers see of its prompt (needs the base).

    `prompts` is one for each adapter; files that Lorarium trained bring their own.
    """
    inputs.record(
        ridge=number("ridge", ridge, 0, 1e6),
        steps=require_int("steps", steps),
        seed=require_int("seed", seed, 0),
    )
    adapter_prompts = prompts_of(inputs, prompts)
    model = resolve_base(inputs, base, device)
    parts = [inputs.weighted(k) for k in range(len(inputs.adapters))]
    pairs = {
        module: [factors_of(parts[term.owner][module]) for term in terms]
        for module, terms in inputs.modules.items()
        if len(terms) > 1 and len(_shape(terms)) > 1
    }
    seen = _seen(inputs, model, parts, adapter_prompts, pairs, steps, seed)
    # a module of one adapter needs no router, a vector has no factors
    rest = [p.with_(deltas={m: d for m, d in p.items() if m not in pairs}) for p in parts]
    deltas: dict[Module, Delta] = dict(add(rest).deltas)
    for module, factors in pairs.items():
        R = router(seen[module], [A.shape[0] for _, A in factors], ridge)
        B = np.concatenate([B for B, _ in factors], axis=1) @ R
        A = np.concatenate([A for _, A in factors])
        shape = _shape(inputs.modules[module])
        deltas[module] = stored_factors(B, A, shape, inputs.stored(module))
    return finish(inputs, with_deltas(inputs, deltas))


def _seen(
    inputs: Inputs,
    model: Any,
    parts: Sequence[Adapter],
    adapter_prompts: Sequence[Sequence[str]],
    pairs: Mapping[Module, Sequence[tuple[Array, Array]]],
    steps: int,
    seed: int,
) -> dict[Module, list[tuple[Array, int]]]:
    """The moments of every module while each of its adapters draws."""
    from lorarium.bases.activations import moments

    stacked = {module: np.concatenate([A for _, A in factors]) for module, factors in pairs.items()}
    seen: dict[Module, list[tuple[Array, int]]] = {module: [] for module in pairs}
    for k, (part, prompts) in enumerate(zip(parts, adapter_prompts, strict=True)):
        mine = [m for m in pairs if any(term.owner == k for term in inputs.modules[m])]
        through = {module: stacked[module] for module in mine}
        measured = moments(model, part, prompts[:1], through, steps=steps, seed=seed)
        for module in mine:
            seen[module].append(measured[module])
    return seen


def _shape(terms: Sequence[Term]) -> tuple[int, ...]:
    return max((term.delta.shape for term in terms), key=len)


def router(moments: Sequence[tuple[Array, int]], ranks: Sequence[int], ridge: float) -> Array:
    """R from Z_k Z_kᵀ and the number of tokens of each adapter, whose rows come in order."""
    count = sum(tokens for _, tokens in moments)
    if not count:  # the base never used this layer
        return np.eye(sum(ranks))
    G = np.sum([moment for moment, _ in moments], axis=0) / count
    edges = np.cumsum([0, *ranks])
    Q = np.zeros_like(G)
    for (moment, _), low, high in zip(moments, edges, edges[1:], strict=False):
        Q[low:high] = moment[low:high] / count
    system = G + ridge * np.eye(len(G))
    try:
        return np.linalg.solve(system.T, Q.T).T
    except np.linalg.LinAlgError:
        raise LorariumError(
            "the signals cannot be told apart", hint="use a ridge above 0"
        ) from None
