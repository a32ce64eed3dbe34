"""The classes of the world: each a function that draws a batch of its individuals with a pen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lorarium.world.pen import Pen

# Shared pools: several classes and many individuals take their colours from one pool, so that
# colour alone never tells who somebody is.
POOLS: dict[str, tuple[str, ...]] = {
    "fur": ("#8a5a34", "#c68b52", "#4b3a30", "#d9b98c", "#8d8580", "#e8dccb"),
    "bright": ("#d1382f", "#e58a1f", "#f2c832", "#3f9a4a", "#2f6fc0", "#8a4fb0"),
    "cool": ("#2f6fc0", "#3aa6b0", "#5a67b8", "#7fb4d8", "#3f9a7a", "#8a9ad0"),
    "warm": ("#d1382f", "#e5641f", "#e5a23a", "#c23a6a", "#b0502a", "#f2c832"),
    "green": ("#3f9a4a", "#2f7a3a", "#7ab040", "#5a8a5a", "#9ac060", "#2f8a70"),
    "brown": ("#7a4a28", "#9a6a3a", "#5a3a28", "#b08a5a", "#8a6a52", "#6a5a4a"),
    "grey": ("#8a9098", "#6a7078", "#b0b6bc", "#50565e", "#9aa6b0", "#787470"),
    "pale": ("#f0e6d0", "#e8e8e8", "#d8e4ec", "#f2dcd8", "#e6ecd2", "#ddd6ea"),
    "pink": ("#e88aa8", "#d85a8a", "#f2b0b8", "#c86ab0", "#f0a090", "#e070a0"),
    "yellow": ("#f2c832", "#e8b020", "#f5dc6a", "#d89a1a", "#f0d090", "#e0b84a"),
    "foliage": ("#3f9a4a", "#2f7a3a", "#7ab040", "#c2702a", "#b83a2a", "#5a8a5a"),
    "bloom": ("#d1382f", "#e070a0", "#8a4fb0", "#e5641f", "#5a67b8", "#c86ab0"),
    "shell": ("#7a4a28", "#b0502a", "#5a6a3a", "#3a6a70", "#8a5a80", "#c2803a"),
    "night": ("#2a3040", "#34445e", "#3a3540", "#28424a", "#46506a", "#3a3058"),
    "skin": ("#f2cfae", "#d9a070", "#a06a42", "#e8b890", "#7a4a30", "#f0d8c0"),
    "cream": ("#f0e6d0", "#e6d2ac", "#d8c8b0", "#f2dcb8", "#e8dcc8", "#dcc090"),
    "snow": ("#eef2f6", "#e4ecf4", "#f4f0e8", "#dfe8ee", "#f2eaf0", "#e6f0ea"),
    "fruit": ("#d1382f", "#a82a3a", "#e0683a", "#7a9a2a", "#b8922a", "#8a3a6a"),
    "orange": ("#e5801f", "#d9661a", "#f09a3a", "#c8581f", "#e8742a", "#dba32a"),
    "sweet": ("#f2dcd8", "#f0e0b8", "#d8ecd0", "#f0c0c8", "#8a5a40", "#e8d8ec"),
}


@dataclass(frozen=True)
class SubjectClass:
    name: str
    group: str
    colours: tuple[str, str, str]  # pools of main, second and accent
    draw: Callable[[Pen], None]


CLASSES: dict[str, SubjectClass] = {}


def subject(
    name: str, group: str, main: str, second: str, accent: str
) -> Callable[[Callable[[Pen], None]], Callable[[Pen], None]]:
    """Register a class under its word."""

    def register(draw: Callable[[Pen], None]) -> Callable[[Pen], None]:
        CLASSES[name] = SubjectClass(name, group, (main, second, accent), draw)
        return draw

    return register
