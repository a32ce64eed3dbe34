"""Parts that several classes share."""

from __future__ import annotations

import numpy as np

from lorarium.world.pen import Pen
from lorarium.world.shapes import Array, Value, circle, ellipse, rotate


def folded_x(p: Pen) -> Array:
    """x folded at the middle: what is drawn on the right is drawn on the left too."""
    return np.abs(p.x)


def eyes(p: Pen, apart: Value, cy: Value, r: Value, pupil: Value = 0.55) -> None:
    """A pair of eyes."""
    p.mark(circle(folded_x(p), p.y, apart, cy, r), "light")
    p.mark(circle(folded_x(p), p.y, apart, cy, r * pupil), "dark")


def leaning(
    x: Array, y: Array, cx: Value, cy: Value, along: Value, across: Value, turn: Value
) -> Array:
    """An ellipse whose first axis points in direction `turn` (radians, 0 = right, ccw)."""
    u, v = rotate(x - cx, y - cy, -turn)
    return ellipse(u, v, 0.0, 0.0, along, across)


def drop(
    x: Array, y: Array, cx: Value, cy: Value, reach: Value, width: Value, turn: Value
) -> Array:
    """An ellipse that starts at (cx, cy) and reaches out in direction `turn`."""
    u, v = rotate(x - cx, y - cy, -turn)
    return ellipse(u, v, reach * 0.5, 0.0, reach * 0.5, width)
