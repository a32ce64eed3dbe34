"""Adapter -> vector: sketches that last, and descriptors found by name here.

`describe(file)` gives the sketch that libraries store. A descriptor is fitted on a set of adapters
(or of sketches, where it needs no more) and then turns each into a vector.
"""

import importlib
from typing import TYPE_CHECKING, Any

from lorarium.errors import LorariumError

if TYPE_CHECKING:
    from lorarium.descriptors.facts import fact_names as fact_names
    from lorarium.descriptors.kernels import kernel as kernel
    from lorarium.descriptors.many import Described as Described
    from lorarium.descriptors.many import describe as describe
    from lorarium.descriptors.many import describe_many as describe_many
    from lorarium.descriptors.protocol import DESCRIPTORS as DESCRIPTORS
    from lorarium.descriptors.protocol import Descriptor as Descriptor
    from lorarium.descriptors.select import SELECTIONS as SELECTIONS
    from lorarium.descriptors.select import choose as choose
    from lorarium.descriptors.sketch import SKETCH_VERSION as SKETCH_VERSION
    from lorarium.descriptors.sketch import Sketch as Sketch
    from lorarium.descriptors.sketch import fold as fold
    from lorarium.descriptors.sketch import input_similarity as input_similarity
    from lorarium.descriptors.sketch import output_similarity as output_similarity
    from lorarium.descriptors.sketch import product_cosine as product_cosine
    from lorarium.descriptors.sketch import product_inner as product_inner
    from lorarium.descriptors.styles import centroids as centroids
    from lorarium.descriptors.styles import drift as drift

# where each name lives: a search of a library needs the sketches of this room and no descriptor
_HOMES = {
    "facts": ("fact_names",),
    "kernels": ("kernel",),
    "many": ("Described", "describe", "describe_many"),
    "protocol": ("DESCRIPTORS", "Descriptor"),
    "select": ("SELECTIONS", "choose"),
    "sketch": (
        *("SKETCH_VERSION", "Sketch", "fold", "input_similarity", "output_similarity"),
        *("product_cosine", "product_inner"),
    ),
    "styles": ("centroids", "drift"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
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


def descriptor(name: str, **options: Any) -> "Descriptor":
    """A descriptor by its name, not yet fitted: `descriptor("output", selection="cross")`."""
    known: Any = __getattr__("DESCRIPTORS")
    if name not in known:
        raise LorariumError(f"no descriptor {name!r}", hint="one of " + ", ".join(known))
    fresh: Descriptor = known[name](**options)
    return fresh


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'lorarium.descriptors' has no attribute {name!r}")
    home = importlib.import_module(f"lorarium.descriptors.{_HOME_OF[name]}")
    if name == "DESCRIPTORS":
        home.find_descriptors()
    value = globals()[name] = getattr(home, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
