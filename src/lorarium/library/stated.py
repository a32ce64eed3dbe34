"""What a file says of its own making, and whether its weights bear that out.

Merges and resizes of lorarium write the fingerprints of their inputs, the method and its options.
That is evidence, not truth: anybody can write a header. Where the inputs are here and the method
goes module by module, a few modules are merged again as the header says, and compared.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lorarium.adapter import Adapter, Module
from lorarium.algebra import cosine, drop_magnitude
from lorarium.errors import LorariumError

MOST_INPUTS = 64
REPEATED = 3  # modules that are merged again
# methods that look at one module at a time and at nothing but their inputs
SUMS = frozenset(["sum", "average", "cat", "svd", "slerp", "karcher", "resize"])
ENTRIES = frozenset(["ties", "dare-linear", "dare-ties", "prune", "della", "breadcrumbs"])
# patterns of a stranger are not run, and weights by block are none of the options of one module
REFUSED = ("only", "patterns", "blocks")


@dataclass(frozen=True)
class Statement:
    """Method, fingerprints of the inputs in their order, their weights, and the other options."""

    method: str
    inputs: tuple[str, ...]
    weights: tuple[float, ...]
    options: Mapping[str, Any]


def statement(metadata: Mapping[str, str]) -> Statement | None:
    """What a header says; None when it says nothing that can be understood."""
    try:
        inputs = json.loads(metadata["lorarium.inputs"])
        options = json.loads(metadata.get("lorarium.options", "{}"))
        method = metadata["lorarium.method"]
    except (KeyError, ValueError, RecursionError):
        return None
    if not isinstance(inputs, list) or not 1 <= len(inputs) <= MOST_INPUTS:
        return None
    fine = all(isinstance(x, str) and re.fullmatch("[0-9a-f]{32}", x) for x in inputs)
    if not fine or not re.fullmatch("[a-z-]{1,40}", method):
        return None
    options = options if isinstance(options, dict) else {}
    weights = _numbers(options.pop("weights", None), len(inputs))
    factors = _numbers(options.pop("normalize", None), len(inputs)) or (1.0,) * len(weights)
    weights = tuple(w * f for w, f in zip(weights, factors, strict=True)) if weights else ()
    total = sum(weights, 0.0)
    if method == "average" and total:
        weights = tuple(w / total for w in weights)
    return Statement(method, tuple(inputs), weights, options)


def _numbers(value: Any, count: int) -> tuple[float, ...]:
    fine = isinstance(value, list) and len(value) == count
    if not fine or not all(type(x) in (int, float) and math.isfinite(x) for x in value):
        return ()
    return tuple(float(x) for x in value)


def repeated(
    statement: Statement, inputs: Sequence[Adapter], target: Adapter, modules: Sequence[Module]
) -> float | None:
    """The cosine between the target and what the statement makes of these inputs, in a few of the
    modules; None when it cannot be made again here."""
    refused = any(statement.options.get(name) for name in REFUSED)
    if refused or statement.method not in SUMS | ENTRIES:
        return None
    common = [m for m in modules if sum(m in a.deltas for a in inputs) == len(inputs)]
    chosen = common[:REPEATED] or list(modules[:REPEATED])
    try:
        replica = _made(statement, [_part(a, chosen) for a in inputs])
        return abs(cosine(drop_magnitude(replica), drop_magnitude(_part(target, chosen))))
    except (LorariumError, ValueError, TypeError, OverflowError):  # options that nobody can have
        return None


def _part(adapter: Adapter, modules: Sequence[Module]) -> Adapter:
    return adapter.with_(deltas={m: adapter.deltas[m] for m in modules if m in adapter.deltas})


def _made(statement: Statement, inputs: Sequence[Adapter]) -> Adapter:
    from lorarium.algebra import recompress
    from lorarium.mergers import METHODS, merge

    rank = statement.options.get("rank")
    if statement.method == "resize":
        return recompress(inputs[0], rank=rank)[0] if isinstance(rank, int) else inputs[0]
    known = {k: v for k, v in statement.options.items() if k in METHODS[statement.method].options}
    with np.errstate(all="ignore"):
        return merge(inputs, statement.weights or None, method=statement.method, rank=rank, **known)
