"""Adapter -> vector: sketches that last, and descriptors found by name here.

`describe(file)` gives the sketch that libraries store. A descriptor is fitted on a set of adapters
(or of sketches, where it needs no more) and then turns each into a vector.
"""

from typing import Any

from lorarium.descriptors.facts import fact_names
from lorarium.descriptors.kernels import kernel
from lorarium.descriptors.many import Described, describe, describe_many
from lorarium.descriptors.protocol import DESCRIPTORS, Descriptor, find_descriptors
from lorarium.descriptors.select import SELECTIONS, choose
from lorarium.descriptors.sketch import (
    SKETCH_VERSION,
    Sketch,
    fold,
    input_similarity,
    output_similarity,
    product_cosine,
    product_inner,
)
from lorarium.descriptors.styles import centroids, drift
from lorarium.errors import LorariumError


def descriptor(name: str, **options: Any) -> Descriptor:
    """A descriptor by its name, not yet fitted: `descriptor("output", selection="cross")`."""
    if name not in DESCRIPTORS:
        raise LorariumError(f"no descriptor {name!r}", hint="one of " + ", ".join(DESCRIPTORS))
    return DESCRIPTORS[name](**options)


find_descriptors()

__all__ = [
    "DESCRIPTORS",
    "SELECTIONS",
    "SKETCH_VERSION",
    "Described",
    "Descriptor",
    "Sketch",
    "centroids",
    "choose",
    "describe",
    "describe_many",
    "descriptor",
    "drift",
    "fact_names",
    "fold",
    "input_similarity",
    "kernel",
    "output_similarity",
    "product_cosine",
    "product_inner",
]
