"""The classes of the world; importing this registers them all."""

from lorarium.world.subjects import (  # noqa: F401
    animals,
    birds,
    bugs,
    characters,
    plants,
    sea,
    things,
)
from lorarium.world.subjects.registry import CLASSES, POOLS, SubjectClass

__all__ = ["CLASSES", "POOLS", "SubjectClass"]
