"""Adapter -> vector: sketches that last, and descriptors found by name.

`describe(file)` gives the sketch that libraries store.
"""

from lorarium.describe.facts import fact_names
from lorarium.describe.many import Described, describe, describe_many
from lorarium.describe.select import SELECTIONS, choose
from lorarium.describe.sketch import (
    SKETCH_VERSION,
    Sketch,
    fold,
    input_similarity,
    output_similarity,
    product_cosine,
    product_inner,
)

__all__ = [
    "SELECTIONS",
    "SKETCH_VERSION",
    "Described",
    "Sketch",
    "choose",
    "describe",
    "describe_many",
    "fact_names",
    "fold",
    "input_similarity",
    "output_similarity",
    "product_cosine",
    "product_inner",
]
