"""One module's ΔW of each adapter at a time, for the methods that look at single entries.

What they make has no small factors; it ends in the best approximation of a rank, whose error is
measured and reported.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np

from lorarium.adapter import Adapter, Array, Bias, Delta, Dense, Module
from lorarium.algebra import (
    Layer,
    Report,
    balanced,
    dense_delta,
    dense_error,
    dense_truncated,
    lowering_cost,
    narrowed,
)
from lorarium.mergers.inputs import Inputs, Term, finish, module_errors, with_deltas

# changes (matrices or vectors), their weights, and the numbers of their adapters -> the merged one
Rule = Callable[[Sequence[Array], Sequence[float], Sequence[int], Module], Array]


def merge_each(inputs: Inputs, rule: Rule) -> Adapter:
    """Merge by entries, module by module; no more than one module's matrices are alive.

    `rank` is that of the result, by default the sum of the inputs' ranks; "full" keeps the whole
    matrix. A module that comes out as zero is left out.
    """
    deltas: dict[Module, Delta] = {}
    layers, vectors = [], []
    for module, terms in inputs.modules.items():
        with module_errors(module):
            delta, layer = _one(inputs, module, terms, rule)
        if delta is not None:
            deltas[module] = delta
            layers += [layer] if layer else []
            vectors += [] if layer else [module]
    inputs.report.truncation = Report(tuple(layers), tuple(vectors))
    return finish(inputs, with_deltas(inputs, deltas))


def _one(
    inputs: Inputs, module: Module, terms: Sequence[Term], rule: Rule
) -> tuple[Delta | None, Layer | None]:
    first = max((term.delta for term in terms), key=lambda d: len(d.shape))
    changes = [_flat(dense_delta(term.delta)) for term in terms]
    D = rule(changes, [t.weight for t in terms], [t.owner for t in terms], module)
    stored = inputs.stored(module)
    if not D.any():
        return None, None
    if D.ndim == 1:
        vector = narrowed(D, stored).reshape(first.shape)
        return (Dense(vector) if isinstance(first, Dense) else Bias(vector)), None
    if inputs.rank == "full":
        return Dense(narrowed(D, stored).reshape(first.shape)), None
    wanted = inputs.rank or sum(lowering_cost(term.delta).rank for term in terms)
    svd, norm, _ = dense_truncated(D, min(int(wanted), *D.shape))
    delta = balanced(svd, first, stored)
    return delta, Layer((module,), None, delta.rank, norm, dense_error(D, delta))


def _flat(D: Array) -> Array:
    return D.reshape(len(D), -1) if D.ndim > 1 else D


def random_of(seed: int, index: int, module: Module) -> np.random.Generator:
    """The random numbers of one adapter in one module, whatever else is merged."""
    return np.random.default_rng([seed, index, zlib.crc32(str(module).encode())])
