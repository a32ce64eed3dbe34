"""Emblems: the bold small sign that each individual wears, and that every style can show.

Shapes and colours may not say who is who (`evaluation/world_checks.py`); this does. Distances are
in units of the emblem, which reaches about 1 from its middle.
"""

from __future__ import annotations

import numpy as np

from lorarium.world import shapes

Array = np.ndarray


def _disc(u: Array, v: Array) -> Array:
    return np.hypot(u, v) - 0.8


def _ring(u: Array, v: Array) -> Array:
    return shapes.ring(u, v, 0.0, 0.0, 0.7, 0.26)


def _star(u: Array, v: Array) -> Array:
    return shapes.star(u, v, 0.0, 0.0, 1.1, 0.45, 5.0)


def _triangle(u: Array, v: Array) -> Array:
    return shapes.star(u, v, 0.0, -0.1, 1.1, 0.5, 3.0)


def _cross(u: Array, v: Array) -> Array:
    return np.minimum(shapes.box(u, v, 0.0, 0.0, 0.95, 0.3), shapes.box(u, v, 0.0, 0.0, 0.3, 0.95))


def _moon(u: Array, v: Array) -> Array:
    return shapes.cut(np.hypot(u, v) - 0.95, np.hypot(u - 0.5, v) - 0.75)


def _heart(u: Array, v: Array) -> Array:
    lobes = np.hypot(np.abs(u) - 0.43, v - 0.3) - 0.48
    return np.minimum(
        lobes, shapes.polygon(u, v, [(-0.84, 0.08), (0.84, 0.08), (0.0, -0.95)], 0.02)
    )


def _bars(u: Array, v: Array) -> Array:
    return shapes.box(np.abs(u), v, 0.5, 0.0, 0.25, 0.9)


EMBLEMS = {
    "disc": _disc, "ring": _ring, "star": _star, "triangle": _triangle, "cross": _cross,
    "moon": _moon, "heart": _heart, "bars": _bars,
}  # fmt: skip
GENES = 6


def emblem_kind(genes: Array) -> Array:
    """Which emblem, from genes (n, GENES): whole numbers (n,)."""
    return np.minimum((genes[:, 0] * len(EMBLEMS)).astype(int), len(EMBLEMS) - 1)


def place(genes: Array) -> tuple[Array, Array]:
    """Where an emblem's middle is on what wears it, two (n, 1)."""
    away, angle = 0.3 + 0.4 * genes[:, 1:2], 2 * np.pi * genes[:, 2:3]
    return away * np.cos(angle), away * np.sin(angle)


def emblem(genes: Array, u: Array, v: Array) -> Array:
    """Distance to each individual's emblem; u, v run from about -1 to 1 over what wears it."""
    x, y = place(genes)
    radius = 0.48 + 0.18 * genes[:, 3:4]
    u, v = shapes.rotate((u - x) / radius, (v - y) / radius, (genes[:, 4:5] - 0.5) * 1.2)
    distance = np.empty_like(u)
    kinds = emblem_kind(genes)
    for i, draw in enumerate(EMBLEMS.values()):
        rows = np.flatnonzero(kinds == i)
        if len(rows):
            distance[rows] = draw(u[rows], v[rows])
    return distance * radius
