"""Means of directions: what SLERP and the Karcher mean need, as coefficients of the inputs.

A mean on the unit sphere of ΔW lies in the span of its points, so all of it happens in their Gram
matrix <ΔW_i, ΔW_j>, which comes from the factors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from lorarium.adapter import Adapter, Array, Delta, Module
from lorarium.algebra import inner
from lorarium.errors import LorariumError
from lorarium.mergers.inputs import Inputs, Weight, by_module, combine, module_errors

Rule = Callable[[Array, Array], Array]  # Gram matrix of unit vectors, shares -> coefficients
OPPOSITE = 1e-6  # of π: what lies that near to the other side has no way between


def shares(inputs: Inputs) -> list[Weight]:
    """Each weight over the sum of all: numbers, or functions of the module."""
    count = range(len(inputs.adapters))

    def share(k: int, module: Module) -> float:
        total = math.fsum(inputs.weight(j, module) for j in count)
        own = inputs.weight(k, module)
        if own and abs(total) < 1e-9:
            raise LorariumError("the weights add up to 0", hint="shares need a sum other than 0")
        return own / total if own else 0.0

    if all(isinstance(rule, float) for rule in inputs.rules):
        return [share(k, Module("", "")) for k in count]
    return [lambda module, k=k: share(k, module) for k in count]  # type: ignore[misc]


def mean_of_directions(inputs: Inputs, rule: Rule) -> Adapter:
    """Per module the direction that `rule` finds, at the weighted mean of the norms."""
    if len(inputs.adapters) == 1:
        return combine(inputs, shares(inputs))
    given = shares(inputs)
    table: dict[Module, Sequence[float]] = {}
    for module, terms in inputs.modules.items():
        t = np.array([g(module) if callable(g) else g for g in given])
        if (t < 0).any():
            raise LorariumError("a share on the sphere is negative", hint="use weights above 0")
        present = [term.owner for term in terms]
        row = np.zeros(len(given))
        with module_errors(module):
            row[present] = _coefficients([term.delta for term in terms], t[present], rule)
        table[module] = list(row)
    return combine(inputs, by_module(table, len(given)))


def _coefficients(deltas: Sequence[Delta], t: Array, rule: Rule) -> Array:
    gram = np.array([[inner(a, b, dtype=np.float64) for b in deltas] for a in deltas])
    norms = np.sqrt(np.maximum(np.diag(gram), 0))
    some = norms > 0
    c = np.zeros(len(t))
    if some.any():
        unit = gram[np.ix_(some, some)] / np.outer(norms[some], norms[some])
        c[some] = (t @ norms) * rule(unit, t[some] / t[some].sum()) / norms[some]
    return c


def slerp(unit: Array, t: Array) -> Array:
    """sin((1-t)Ω) / sin Ω and sin(tΩ) / sin Ω."""
    if len(t) == 1:
        return np.ones(1)
    angle = _angle(unit[0, 1])
    if angle < 1e-6:
        return t
    return np.sin(t * angle) / np.sin(angle)


def karcher(unit: Array, t: Array) -> Array:
    """The point with the least mean squared angle to all, by steps along the mean tangent."""
    c = _normal(t, unit)
    for _ in range(200):
        angles = np.array([_angle(cosine) for cosine in unit @ c])
        pull = t * angles / np.maximum(np.sin(angles), 1e-300) if angles.any() else t
        pull = np.where(angles < 1e-9, t, pull)
        step = pull - (pull @ np.cos(angles)) * c
        length = math.sqrt(max(0.0, float(step @ unit @ step)))
        if length < 1e-13:
            break
        c = _normal(math.cos(length) * c + math.sin(length) / length * step, unit)
    return c


def _normal(c: Array, unit: Array) -> Array:
    square = float(c @ unit @ c)
    if square < 1e-12:
        raise _opposite()
    return c / math.sqrt(square)


def _angle(cosine: float) -> float:
    angle = math.acos(min(1.0, max(-1.0, float(cosine))))
    if angle > math.pi * (1 - OPPOSITE):
        raise _opposite()
    return angle


def _opposite() -> LorariumError:
    return LorariumError(
        "the changes point in opposite directions, and no way between them is the shortest",
        hint="use average or sum",
    )
