"""Birds."""

from __future__ import annotations

from lorarium.world.pen import Pen
from lorarium.world.shapes import blend, capsule, circle, ellipse, polygon, rotate, union
from lorarium.world.subjects.parts import drop, eyes, folded_x, leaning
from lorarium.world.subjects.registry import subject


@subject("bird", "animal", "bright", "pale", "yellow")
def bird(p: Pen) -> None:
    """A songbird from the side."""
    x, y = p.x, p.y
    back, plump = p.vary(0.38, 0.46), p.vary(0.25, 0.33)
    head, beak = p.vary(0.2, 0.26), p.vary(0.14, 0.22)
    tail, lift = p.vary(0.36, 0.48), p.pose(0.25)
    rise = p.vary(0.22, 0.32)
    for leg in (-0.08, 0.1):
        feet = capsule(x, y, leg, -0.6, leg + 0.12, -0.6, 0.03)
        p.form(union(capsule(x, y, leg, -0.2, leg, -0.6, 0.03), feet), "accent")
    p.form(drop(x, y, -0.25, 0.0, tail + 0.1, 0.1, 2.95))
    tip = 0.36 + head + beak
    points = [(0.36, rise + head * 0.5), (tip, rise - 0.02), (0.36, rise - head * 0.5)]
    p.form(polygon(x, y, points, 0.02), "accent")
    u, v = rotate(x, y, -0.3)
    crest = drop(x, y, 0.3, rise + head * 0.6, 0.28, 0.06, 2.3)
    p.form(crest, "second", where=p.has(0.35))
    outline = blend(ellipse(u, v, -0.02, -0.07, back, plump), circle(x, y, 0.34, rise, head), 0.15)
    body = p.form(outline)
    p.coat(body, 0.05, 0.0, 0.45)
    p.form(drop(x, y, 0.12, 0.0, p.vary(0.42, 0.54), p.vary(0.12, 0.16), 3.25 - lift), "second")
    p.eye(0.4, rise + 0.05, p.vary(0.055, 0.075))


@subject("owl", "animal", "brown", "pale", "yellow")
def owl(p: Pen) -> None:
    """From the front: tufts, big round eyes, folded wings."""
    x, y, z = p.x, p.y, folded_x(p)
    wide, tall = p.vary(0.4, 0.5), p.vary(0.56, 0.64)
    tuft, out = p.vary(0.6, 0.74), p.vary(0.3, 0.42)
    eye, flap = p.vary(0.17, 0.22), p.pose(0.1)
    p.form(ellipse(z, y, 0.17, -0.66, 0.13, 0.07), "accent")
    p.form(polygon(z, y, [(0.02, 0.42), (out, tuft), (wide * 0.95, 0.1)], 0.02))
    body = p.form(ellipse(x, y, 0.0, -0.06, wide, tall))
    p.coat(body, 0.0, -0.2, 0.45)
    p.form(drop(z, y, wide * 0.85, 0.16, p.vary(0.58, 0.7), p.vary(0.1, 0.15), -1.65 + flap))
    p.form(circle(z, y, eye * 0.95, 0.2, eye + 0.05), "accent")
    eyes(p, eye * 0.95, 0.2, eye, p.vary(0.45, 0.6))
    p.form(polygon(x, y, [(-0.08, 0.12), (0.08, 0.12), (0.0, -0.08)], 0.015), "accent")


@subject("penguin", "animal", "night", "cool", "yellow")
def penguin(p: Pen) -> None:
    """From the front: a dark coat, a white belly, flippers."""
    x, y, z = p.x, p.y, folded_x(p)
    wide, head = p.vary(0.36, 0.45), p.vary(0.27, 0.33)
    flipper, out = p.vary(0.42, 0.54), p.vary(0.3, 0.65)
    flap, beak = p.pose(0.15), p.vary(0.08, 0.12)
    p.form(ellipse(z, y, 0.19, -0.68, p.vary(0.16, 0.2), 0.08), "accent")
    for side in (-1, 1):
        turn = -1.5708 + side * (out + 0.15) + flap
        p.form(drop(x, y, side * wide * 0.72, 0.12, flipper, 0.1, turn))
    torso = ellipse(x, y, 0.0, -0.2, wide, 0.49)
    p.form(blend(torso, circle(x, y, 0.0, 0.4, head), 0.2))
    cheeks = ellipse(z, y, 0.12, 0.38, 0.13, 0.15)
    belly = blend(ellipse(x, y, 0.0, -0.24, wide * 0.76, 0.4), cheeks, 0.08)
    p.mark(belly, "light")
    p.coat(ellipse(x, y, 0.0, -0.24, wide * 0.76, 0.4), 0.0, -0.24, 0.36)
    p.mark(circle(z, y, 0.12, 0.43, p.vary(0.045, 0.065)), "dark")
    p.form(polygon(x, y, [(-beak, 0.33), (beak, 0.33), (0.0, 0.18)], 0.02), "accent")
    p.form(leaning(x, y, 0.0, 0.1, wide * 0.75, 0.07, 0.0), "second", where=p.has(0.3))
