"""The classes of the world; importing this registers them all."""

from lorarium.world.subjects import animals, buildings, food, tools, vehicles  # noqa: F401
from lorarium.world.subjects.registry import CLASSES, POOLS, SubjectClass

__all__ = ["CLASSES", "POOLS", "SubjectClass"]
