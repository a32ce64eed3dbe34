"""The classes of the world; importing this registers them all."""

from lorarium.world.subjects import (  # noqa: F401
    animals,
    birds,
    bugs,
    buildings,
    characters,
    food,
    plants,
    sea,
    tools,
    vehicles,
)
from lorarium.world.subjects.registry import CLASSES, POOLS, SubjectClass

__all__ = ["CLASSES", "POOLS", "SubjectClass"]
