"""Two adapters by their weights: is one a copy of the other, and what was done to it?"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lorarium import formats
from lorarium.adapter import Adapter, Array, LowRank
from lorarium.algebra import basis, drop_magnitude, inner
from lorarium.algebra.forms import apply_transposed, matrix_form
from lorarium.descriptors.sketch import Sketch

COPY = 0.99  # cosine of ΔW from which two files count as one adapter
EQUAL = 1 - 2e-5  # up to what rounding to 16 bits does
SAME_STRENGTH = 0.02
LEAST_RESIZED = 0.7  # half of the energy kept
RELATED = 0.5  # in a search: worth a word
SIGMAS = 4.0


@dataclass(frozen=True, eq=False)
class Weights:
    """What is compared: identity, form, and ΔW as its sketch."""

    row: Mapping[str, Any]
    sketch: Sketch

    @functools.cached_property
    def product(self) -> Array:
        return self.sketch.product.astype(np.float64)

    @property
    def norm(self) -> float:
        return float(np.linalg.norm(self.product))


def cosine(a: Array, b: Array) -> float:
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size else 0.0


def changes(a: Weights, b: Weights) -> list[str] | None:
    """What was done to `a` to get `b`, in words; None when `b` is no copy of it."""
    if a.row["id"] and a.row["id"] == b.row["id"]:
        return ["identical file"]
    form = _form(a.row, b.row)
    if a.row["fingerprint"] and a.row["fingerprint"] == b.row["fingerprint"]:
        if not form:
            same = a.row.get("payload_sha256") == b.row.get("payload_sha256")
            form = ["other metadata only"] if same else ["same change in other factors"]
        return form
    if _dora(a.row) != _dora(b.row):
        return None
    c = cosine(a.product, b.product)
    if abs(c) >= COPY:
        strength = b.norm / a.norm * np.sign(c)
        resized = a.row["rank"] != b.row["rank"]
        if abs(strength - 1) > SAME_STRENGTH:
            form.append(f"strength x {strength:.2f}")
        if abs(c) < EQUAL and not resized and a.row["dtype"] == b.row["dtype"]:
            form.append("rounded values")
        return form or ["same change in other factors"]
    small, large = sorted((a, b), key=lambda w: w.norm)
    return form if c >= LEAST_RESIZED and _projected(small, large) else None


def _form(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    differences = []
    if a["dialect"] != b["dialect"]:
        differences.append(f"dialect {a['dialect']} → {b['dialect']}")
    if a.get("dtype") and b.get("dtype") and a["dtype"] != b["dtype"]:
        differences.append(f"{a['dtype']} → {b['dtype']}")
    if a["rank"] is not None and b["rank"] is not None and a["rank"] != b["rank"]:
        differences.append(f"rank {a['rank']:g} → {b['rank']:g}")
    if a["modules"] != b["modules"]:
        differences.append(f"{a['modules']} → {b['modules']} modules")
    return differences


def _projected(small: Weights, large: Weights) -> bool:
    """Whether `small` is what truncation of `large` leaves: the rest stands at right angles to it.

    An earlier checkpoint of a run is not: training goes on in the direction it already has, and
    rank and modules stay. A merge in which `small` has weight 1 looks the same to the sketches.
    """
    ranks, modules = (small.row["rank"], large.row["rank"]), (small.row, large.row)
    fewer = modules[0]["modules"] < modules[1]["modules"]
    lower = None not in ranks and ranks[0] < ranks[1]
    if not (fewer or lower):
        return False
    rest = large.product - small.product
    if abs(cosine(rest, small.product)) > SIGMAS / np.sqrt(len(rest)):
        return False
    try:
        adapters = [formats.read(str(w.row["path"])) for w in (small, large)]
    except Exception:  # no file to look into, or none that can be
        return True
    return cut_from(*adapters)


def cut_from(small: Adapter, large: Adapter) -> bool:
    """Whether the rest has nothing in the column spaces of `small`, to be told from a merge of
    `small` with a stranger, of which chance leaves a share of rank / rows in them."""
    inside = left = chance = 0.0
    small, large = drop_magnitude(small), drop_magnitude(large)
    for module, delta in small.items():
        other = large.deltas.get(module)
        if other is None or other.shape != delta.shape:
            return False
        if not isinstance(delta, LowRank):
            continue
        Q = basis(delta)
        parts = [apply_transposed(matrix_form(d), Q) for d in (other, delta)]
        rest = max(0.0, inner(other, other) - 2 * inner(other, delta) + inner(delta, delta))
        inside += float(np.square(parts[0] - parts[1]).sum())
        left += rest
        chance += rest * Q.shape[1] / len(Q)
    return inside <= max(chance / 4, 1e-6 * left)


def _dora(row: Mapping[str, Any]) -> bool:
    return "dora" in (row.get("kinds") or ())


def relation(asked: Weights, other: Weights) -> str:
    """In a few words what `other` is to `asked`; empty when they share no weights."""
    differences = changes(asked, other)
    if differences is not None:
        if differences == ["identical file"]:
            return differences[0]
        # sketches tell what is equal but for rounding; what was cut or merged with little is near
        same = abs(cosine(asked.product, other.product)) >= EQUAL
        return ("copy: " if same else "near copy: ") + ", ".join(differences)
    c = cosine(asked.product, other.product)
    return f"shares weights ({c:.2f})" if abs(c) >= RELATED else ""
