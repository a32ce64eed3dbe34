"""The genres of the world; importing this registers them all."""

from lorarium.world.styles import flat, lines, prints, tiles, wet  # noqa: F401
from lorarium.world.styles.brush import GENRES, Brush, Genre

__all__ = ["GENRES", "Brush", "Genre"]
