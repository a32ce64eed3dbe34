"""Animals of the water."""

from __future__ import annotations

import numpy as np

from lorarium.world.pen import Pen
from lorarium.world.shapes import arc, blend, capsule, circle, cut, ellipse, polygon, union
from lorarium.world.subjects.parts import drop, eyes, folded_x
from lorarium.world.subjects.registry import subject


@subject("fish", "animal", "bright", "warm", "cool")
def fish(p: Pen) -> None:
    x, y = p.x - 0.1, p.y + 0.06
    length, height = p.vary(0.48, 0.6), p.vary(0.28, 0.4)
    tail, fork = p.vary(0.24, 0.38), p.vary(0.05, 0.2)
    wag, fin = p.pose(0.08), p.vary(0.14, 0.3)
    end = -length - 0.26
    points = [(0.14 - length, 0.0), (end, tail + wag), (end + fork, wag), (end, wag - tail)]
    p.form(polygon(x, y, points, 0.02), "accent")
    points = [(-0.22, height * 0.7), (-0.14, height + fin), (0.26, height * 0.7)]
    p.form(polygon(x, y, points, 0.02), "accent")
    body = p.form(ellipse(x, y, 0.0, 0.0, length, height))
    p.coat(body, 0.1, 0.0, 0.45)
    points = [(0.05, -0.04), (-0.16, -0.08 - fin * 0.6), (-0.12, 0.06)]
    p.form(polygon(x, y, points, 0.02), "accent")
    p.eye(length * 0.62 + 0.1, height * 0.25, p.vary(0.065, 0.09))


@subject("whale", "animal", "cool", "pale", "cool")
def whale(p: Pen) -> None:
    """From the side, with a spout."""
    x, y = p.x - 0.07, p.y + 0.04
    length, height = p.vary(0.5, 0.58), p.vary(0.34, 0.42)
    fluke, lift = p.vary(0.24, 0.3), p.pose(0.06)
    spout, jet = p.vary(0.16, 0.24), p.vary(0.035, 0.05)
    z = np.abs(x - 0.2)
    top = height + 0.06
    p.form(arc(z, y, spout * 0.5, top, spout * 0.5, jet, 1.2, 1.94), "accent")
    p.form(capsule(x, y, 0.2, 0.1, 0.2, top, jet), "accent")
    tip = 0.18 + lift
    tail = capsule(x, y, -0.3, -0.2, -0.64, tip, 0.2, 0.06)
    flukes = union(
        drop(x, y, -0.62, tip - 0.04, fluke, 0.085, 2.5), drop(x, y, -0.64, tip, fluke, 0.085, 0.9)
    )
    outline = blend(ellipse(x, y, 0.16, -0.18, length, height), tail, 0.2)
    body = p.form(union(cut(outline, y + 0.18 + height * 0.75), flukes))
    p.coat(body, 0.12, -0.05, 0.45)
    belly = ellipse(x, y, 0.3, -0.2 - height * 0.9, length * 0.95, p.vary(0.3, 0.4))
    p.mark(belly, "light", on=body)
    p.eye(0.46, -0.1, p.vary(0.055, 0.075))
    p.form(drop(x, y, 0.12, -0.28, p.vary(0.26, 0.36), 0.09, -2.2 + lift))


@subject("octopus", "animal", "bright", "pale", "pink")
def octopus(p: Pen) -> None:
    x, y, z = p.x, p.y, folded_x(p)
    wide, tall = p.vary(0.36, 0.44), p.vary(0.4, 0.48)
    fat, curl = p.vary(0.075, 0.1), p.vary(0.08, 0.16)
    swing = p.pose(0.06)
    w = np.where(x < 0, z - swing, z + swing)  # arms swing to one side
    outer, middle = p.vary(0.56, 0.66), p.vary(0.36, 0.42)
    arms = union(
        capsule(z, y, 0.22, -0.1, outer, -0.3, fat * 1.3, fat),
        capsule(w, y, outer, -0.3, outer + 0.04, -0.3 + curl, fat, fat * 0.6),
        capsule(z, y, 0.18, -0.1, middle, -0.56, fat * 1.3, fat),
        capsule(w, y, middle, -0.56, middle + curl + 0.06, -0.56, fat, fat * 0.6),
        capsule(z, y, 0.08, -0.1, 0.13, -0.66, fat * 1.2, fat * 0.75),
    )
    body = p.form(blend(ellipse(x, y, 0.0, 0.26, wide, tall), arms, 0.08))
    p.coat(body, 0.0, 0.2, 0.5)
    eyes(p, p.vary(0.13, 0.18), 0.12, p.vary(0.09, 0.12))
    p.mark(arc(x, y, 0.0, 0.0, 0.11, 0.02, -1.5708, 0.9), "dark", where=p.has(0.6))
    p.mark(ellipse(z, y, 0.27, 0.0, 0.06, 0.04), "accent", where=p.has(0.5))


@subject("crab", "animal", "warm", "pale", "warm")
def crab(p: Pen) -> None:
    """From the front: a wide shell, two raised claws."""
    x, y, z = p.x, p.y, folded_x(p)
    wide, tall = p.vary(0.38, 0.46), p.vary(0.26, 0.34)
    claw, high = p.vary(0.19, 0.25), p.vary(0.32, 0.42)
    wave, stalk = p.pose(0.06), p.vary(0.24, 0.36)
    leg = p.vary(0.04, 0.055)
    legs = union(
        capsule(z, y, 0.3, -0.15, 0.74, -0.2, leg, leg * 0.6),
        capsule(z, y, 0.28, -0.25, 0.66, -0.42, leg, leg * 0.6),
        capsule(z, y, 0.2, -0.3, 0.48, -0.6, leg, leg * 0.6),
    )
    p.form(legs, "accent")
    for side in (-1, 1):
        cy = high + side * wave
        ax = side * 0.56
        p.form(capsule(x, y, side * 0.32, -0.1, ax, cy, 0.06), "accent")
        points = [(ax, cy - claw * 0.2), (ax - side * 0.08, cy + 0.5), (ax - side * 0.34, cy + 0.4)]
        p.form(cut(circle(x, y, ax, cy, claw), polygon(x, y, points)))
    p.form(capsule(z, y, 0.15, 0.0, 0.17, stalk, 0.035), "accent")
    body = p.form(ellipse(x, y, 0.0, -0.16, wide, tall))
    p.coat(body, 0.0, -0.16, 0.42)
    ball = p.vary(0.08, 0.105)
    p.form(circle(z, y, 0.17, stalk, ball), "light")
    p.mark(circle(z, y, 0.17, stalk, ball * 0.5), "dark")
    p.mark(arc(x, y, 0.0, -0.12, 0.16, 0.02, -1.5708, 0.8), "dark", where=p.has(0.6))
