"""Animals, seen from the side or from the front."""

from __future__ import annotations

from lorarium.world.pen import Pen
from lorarium.world.shapes import capsule, ellipse, polygon
from lorarium.world.subjects.registry import subject


@subject("fish", "animal", "bright", "warm", "cool")
def fish(p: Pen) -> None:
    length, height = p.vary(0.4, 0.54), p.vary(0.22, 0.36)
    tail, fork = p.vary(0.2, 0.34), p.vary(0.05, 0.2)
    wag = p.pose(0.08)
    fin = p.vary(0.14, 0.3)
    p.form(
        polygon(
            p.x, p.y,
            [(-length + 0.12, 0.0), (-length - 0.26, tail + wag), (-length - 0.26 + fork, wag),
             (-length - 0.26, -tail + wag)], 0.02,
        ),
        "accent",
    )
    p.form(polygon(p.x, p.y, [(-0.2, height * 0.7), (-0.12, height + fin), (0.22, height * 0.7)], 0.02), "accent")
    body = p.form(ellipse(p.x, p.y, 0.0, 0.0, length, height))
    p.coat(body, 0.0, 0.0, 0.4)
    p.form(polygon(p.x, p.y, [(0.05, -0.03), (-0.14, -0.06 - fin * 0.6), (-0.1, 0.06)], 0.02), "accent")
    p.eye(length * 0.62, height * 0.25, p.vary(0.055, 0.085))


@subject("cat", "animal", "fur", "fur", "pink")
def cat(p: Pen) -> None:
    """A face from the front."""
    width, height = p.vary(0.44, 0.56), p.vary(0.38, 0.48)
    ear, spread = p.vary(0.26, 0.42), p.vary(0.2, 0.34)
    tilt = p.pose(0.05)
    for side in (-1, 1):
        tip = (side * (spread + 0.12), height * 0.6 + ear + side * tilt)
        p.form(polygon(p.x, p.y, [(side * 0.08, height * 0.7), tip, (side * width * 0.95, height * 0.2)], 0.03))
        p.mark(polygon(p.x, p.y, [(side * 0.19, height * 0.75), (tip[0] * 0.97, tip[1] - 0.1), (side * width * 0.75, height * 0.5)]), "accent")
    face = p.form(ellipse(p.x, p.y, 0.0, -0.02, width, height))
    p.coat(face, 0.0, 0.05, 0.45)
    eye, apart = p.vary(0.075, 0.11), p.vary(0.17, 0.24)
    for side in (-1, 1):
        p.mark(ellipse(p.x, p.y, side * apart, 0.06, eye, eye * 1.15), "light")
        p.mark(ellipse(p.x, p.y, side * apart, 0.06, eye * 0.4, eye * 0.95), "dark")
    p.mark(polygon(p.x, p.y, [(-0.06, -0.1), (0.06, -0.1), (0.0, -0.17)], 0.01), "accent")
    whisker = p.vary(0.3, 0.45)
    for side in (-1, 1):
        for lift in (-0.07, 0.03):
            p.mark(capsule(p.x, p.y, side * 0.14, -0.16 + lift * 0.5, side * (0.2 + whisker), -0.17 + lift * 1.6, 0.009), "dark")
