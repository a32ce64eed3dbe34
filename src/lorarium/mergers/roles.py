"""Lorarium's own merger: what pairs of a subject and a style need to draw one in the other.

ΔW = Σ g_k ΔW_k (1 - d_k V Vᵀ), V the row space of the other role. In each module the gain g and the
share d of either role are numbers of that module plus what a small network reads from the norms and
overlaps of the two. Learned on true pictures, see `lorarium.recipes.roles`; exact in factors.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lorarium import trained
from lorarium.adapter import Adapter, Array, Delta, Module
from lorarium.adopted import lender
from lorarium.algebra import factored_svd, factors_of, stored_factors
from lorarium.descriptors.select import role_of
from lorarium.errors import LorariumError, quoted
from lorarium.files import file_hash
from lorarium.mergers.inputs import (
    Inputs,
    check_base,
    combine,
    module_errors,
    trained_network,
    two_different,
)
from lorarium.mergers.registry import method
from lorarium.trained import FileKind, read_once

ASSET = trained.asset("roles")  # of micro-1
KIND = FileKind("network of the method 'roles'", "lorarium.recipes roles", prefix="lorarium.")
ROLES = ("subject", "style")
LITTLE = 4.0  # the share damped is sigmoid(what is said - 4): it begins at 2%
TINY = 1e-8
PER_MODULE = {"gains", "usual", "module"}  # tensors with a row for each module


@dataclass(frozen=True, eq=False)
class Roles:
    """Tensors as `lorarium.training.roles` names them, rows by module in the order of `place`."""

    place: Mapping[Module, int]
    tensors: Mapping[str, Array]
    card: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""  # of the file


@dataclass(frozen=True, eq=False)
class _Reading:
    norm: float
    rows: Array  # (r, in)
    columns: Array  # (out, r)


@method("roles", group="subject and style", min_inputs=2, network=ASSET)
def merge_roles(
    inputs: Inputs,
    *,
    roles: str | Sequence[str] | None = None,
    network: Roles | str | Path | None = None,
) -> Adapter:
    """Subjects first, the style last: each role's gains by module, learned on true pictures.

    `roles` names another order, one for each adapter, like "style,subject".
    """
    order = _roles_of(roles, len(inputs.adapters))
    inputs.record(roles=list(order))
    two_different(inputs)
    net = network if isinstance(network, Roles) else _opened(inputs, network)
    inputs.record(network=net.sha256[:16] or None)
    check_base(inputs, net.card.get("base_hash"))
    if lender() is not None:
        net = carried(net, inputs.modules)
    changed: list[dict[Module, Delta]] = [dict(a.items()) for a in inputs.adapters]
    read = 0
    for module, terms in inputs.modules.items():
        if module in net.place and len(terms[0].delta.shape) == 2:
            read += 1
            with module_errors(module):
                factors = [factors_of(t.delta, np.float32) for t in terms]
                damped = damped_factors(
                    net, module, factors, [ROLES.index(order[t.owner]) for t in terms]
                )
                for term, (B, A) in zip(terms, damped, strict=True):
                    stored = inputs.stored(module)
                    changed[term.owner][module] = stored_factors(B, A, term.delta.shape, stored)
    if not read:
        raise LorariumError("the network reads none of these modules", hint="use np-lora")
    inputs.note(f"{read} modules by the network, {len(inputs.modules) - read} added")
    made = [a.with_(deltas=deltas) for a, deltas in zip(inputs.adapters, changed, strict=True)]
    return combine(inputs, adapters=made)


def carried(net: Roles, modules: Iterable[Module], base_hash: str = "") -> Roles:
    """What a network says, for the modules of another base: each has the mean of the numbers of its
    role, and counts any norm as usual."""
    rows_of: dict[str, list[int]] = {}
    for module, i in net.place.items():
        rows_of.setdefault(role_of(module) or "", []).append(i)
    rows = {m: rows_of[role] for m in modules if (role := role_of(m)) in rows_of and role}
    tensors = dict(net.tensors)
    for name in PER_MODULE & tensors.keys():
        means = [tensors[name][i].mean(0) for i in rows.values()]
        tensors[name] = np.stack(means) if means else tensors[name][:0]
    if "usual" in tensors:
        tensors["usual"] = np.zeros_like(tensors["usual"])
    place = {module: i for i, module in enumerate(rows)}
    return Roles(place, tensors, {**net.card, "base_hash": base_hash}, net.sha256)


def damped_factors(
    net: Roles, module: Module, pairs: Sequence[tuple[Array, Array]], roles: Sequence[int]
) -> list[tuple[Array, Array]]:
    """The factors of one module's adapters as they go into the merge."""
    i = net.place[module]
    readings = [_reading(B, A) for B, A in pairs] if len(set(roles)) == 2 else []
    factors = []
    for k, ((B, A), r) in enumerate(zip(pairs, roles, strict=True)):
        B, A = B.astype(np.float32), A.astype(np.float32)
        others = [x for x, q in zip(readings, roles, strict=False) if q != r]
        if others:
            predictions = [
                coefficients(net, i, *((readings[k], o) if r == 0 else (o, readings[k])))
                for o in others
            ]
            gain, share = np.mean([[s[r], s[2 + r]] for s in predictions], axis=0).astype(
                np.float32
            )
            share = 1 / (1 + np.exp(LITTLE - share))
            for other in others:
                A = A - share / len(others) * (A @ other.rows.T) @ other.rows
            B = np.exp(np.clip(gain, -4, 2)) * B
        factors.append((B, A))
    return factors


def coefficients(net: Roles, i: int, subject: _Reading, style: _Reading) -> Array:
    """What is said of both gains (their logarithms) and of both shares damped."""
    t = net.tensors
    prediction = t["gains"][i]
    if "read.weight" not in t:
        return prediction
    norms = np.maximum([subject.norm, style.norm], TINY)
    usual = np.where(t["usual"][i] > 0, t["usual"][i], norms)
    numbers = [*np.log(norms / usual), *_overlaps(subject, style), *t["module"][i]]
    hidden = t["read.weight"] @ np.asarray(numbers, np.float32) + t["read.bias"]
    return prediction + t["say.weight"] @ np.maximum(hidden, 0) + t["say.bias"]


def _reading(B: Array, A: Array) -> _Reading:
    U, S, V = factored_svd(B.astype(np.float32), A.astype(np.float32))
    real = S > 1e-6 * S.max(initial=0)
    mean = max(float(S[real].mean()), TINY) if real.any() else TINY
    counts = np.sqrt(S / (S + mean))
    return _Reading(float(np.sqrt(np.square(S).sum())), counts[:, None] * V.T, U * counts)


def _overlaps(a: _Reading, b: _Reading) -> list[float]:
    sizes = [max(float(np.square(np.square(x.rows).sum(1)).sum()), TINY) ** 0.5 for x in (a, b)]
    rows = float(np.square(a.rows @ b.rows.T).sum())
    columns = float(np.square(a.columns.T @ b.columns).sum())
    return [rows / (sizes[0] * sizes[1]), columns / (sizes[0] * sizes[1])]


def _roles_of(given: str | Sequence[str] | None, count: int) -> list[str]:
    if given is None:
        return ["subject"] * (count - 1) + ["style"]
    order = given.split(",") if isinstance(given, str) else [str(x) for x in given]
    wrong = [x for x in order if x not in ROLES]
    if wrong or len(order) != count:
        what = (
            f"no role {quoted(wrong[0])}" if wrong else f"{len(order)} roles for {count} adapters"
        )
        raise LorariumError(what, hint="say subject or style for each, as roles=subject,style")
    return order


def _opened(inputs: Inputs, network: str | Path | None) -> Roles:
    if network is not None:
        return load_roles(network)
    return read_once(load_roles, trained_network(inputs, ASSET))


def load_roles(path: str | Path) -> Roles:
    path = Path(path)
    file = trained.load(path, KIND)
    with trained.fitting(path):
        modules = json.loads(file.header["modules"])
        place = {Module(part, name): i for i, (part, name) in enumerate(modules)}
        tensors = file.floats()
        if tensors["gains"].shape != (len(place), 4):
            raise ValueError("gains")
    return Roles(place, tensors, file.card, file_hash(path))
