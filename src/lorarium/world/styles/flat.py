"""Genres that fill forms with colour."""

from __future__ import annotations

import numpy as np

from lorarium.world.colour import mix
from lorarium.world.styles.brush import Array, Brush, genre
from lorarium.world.styles.light import backdrop, bulge
from lorarium.world.styles.palettes import DAY


def keep(b: Brush, colours: Array) -> Array:
    return colours


@genre(
    "photo", DAY,
    {"sun": (-1.2, 1.2), "depth": (0.1, 0.45), "shadow": (0.1, 0.4), "ground": (0, 1), "tone": (-0.05, 0.05)},
    recolour=keep,
)
def photo(b: Brush) -> Array:
    """Plain colours in soft light on a plain ground: the neutral genre."""
    d = b.d
    ground = mix(b.paper, b.hue(1), 0.5 * backdrop(b, "ground"))
    fall = np.clip(1 - d.solid / 0.25, 0, 1) ** 2 * (1 - d.cover) * b.knob("shadow") * 0.6
    light = 1 + b.knob("depth") * bulge(b, b.knob("sun"))
    shaded = d.colour * light
    return mix(ground * (1 - fall), shaded, d.cover) + b.knob("tone")
