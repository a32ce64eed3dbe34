"""What an adapter adds inside its base: ΔW μ and ΔW Vᵢ for every module, where μ is the mean of
what the module sees while the base draws, and Vᵢ are the main directions in which that varies, as
long as it varies there.

Two adapters that agree on what they add agree here, whatever they do in directions that no input
has. It takes knowledge of the base, a small file in our assets; other families have no effect.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from lorarium import trained
from lorarium.adapter import Adapter, Array, Module
from lorarium.adopted import trained_file
from lorarium.algebra.forms import apply, matrix_form
from lorarium.descriptors.changes import changes
from lorarium.descriptors.probes import address, probes, windows
from lorarium.descriptors.select import MODULE_ROLES, role_of
from lorarium.errors import LorariumError
from lorarium.trained import FileKind

KIND = FileKind("file of activations", "lorarium.recipes inside", beside=False)
ASSET = trained.asset("activations")
DIRECTIONS = 4
SLOT = 512  # numbers for all modules of a role
SIZE = 2 * len(MODULE_ROLES) * SLOT


def activations(family: str, base_hash: str | None = None) -> Mapping[str, Array] | None:
    """By path of the denoiser's modules (in, 1 + DIRECTIONS); None where they are not known."""
    try:
        path = trained_file(ASSET, family, [base_hash])
    except LorariumError:  # several bases of one family: nobody can say which is meant
        path = None
    return None if path is None else trained.read_once(_read, path)


def _read(path: Path) -> Mapping[str, Array]:
    return trained.load(path, KIND).floats()


def effect(adapter: Adapter) -> Array:
    """(SIZE,) a slot for each role, first of the means, then of the directions; empty where
    nothing is known of the base. Modules count alike."""
    base_activations = activations(adapter.family, adapter.metadata.get("lorarium.base_hash"))
    if base_activations is None:
        return np.zeros(0)
    slots = np.zeros((2, len(MODULE_ROLES), SLOT))
    for module, change in changes(adapter):
        role, inputs = role_of(module), base_activations.get(module.path)
        if role is None or inputs is None or math.prod(change.shape[1:]) != len(inputs):
            continue
        added = apply(matrix_form(change), inputs)
        for kind, part in enumerate((added[:, :1], added[:, 1:])):
            size = float(np.linalg.norm(part))
            if size:
                slots[kind, MODULE_ROLES.index(role)] += _sketched(module, part.reshape(-1) / size)
    return slots.reshape(-1)


def _sketched(module: Module, vector: Array) -> Array:
    """(SLOT,) by the probes of its length and the module's own signs."""
    signs = windows([address(module).left], len(vector))[0]
    return (vector * signs) @ _probes(len(vector))


@lru_cache(maxsize=64)
def _probes(size: int) -> Array:
    return probes(size, SLOT) / np.float32(SLOT**0.5)
