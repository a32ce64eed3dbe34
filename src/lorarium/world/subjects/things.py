"""Things: buildings, vehicles, tools, food."""

from __future__ import annotations

from lorarium.world.pen import Pen
from lorarium.world.shapes import box, circle, polygon
from lorarium.world.subjects.registry import subject


@subject("house", "building", "pale", "cool", "warm")
def house(p: Pen) -> None:
    width, height = p.vary(0.36, 0.5), p.vary(0.28, 0.4)
    roof, eave = p.vary(0.24, 0.46), p.vary(0.04, 0.12)
    chimney = p.vary(0.12, 0.3)
    p.form(box(p.x, p.y, chimney, height * 0.5 + roof * 0.75, 0.06, roof * 0.5), "second")
    walls = p.form(box(p.x, p.y, 0.0, -0.15, width, height))
    p.coat(walls, 0.0, -0.15, 0.4)
    top = height - 0.15
    p.form(polygon(p.x, p.y, [(-width - eave, top), (0.0, top + roof), (width + eave, top)], 0.02), "accent")
    door = p.vary(-0.2, 0.2)
    p.mark(box(p.x, p.y, door, -0.15 - height + 0.16, 0.08, 0.16), "dark")
    window = p.vary(0.06, 0.1)
    for side in (-1, 1):
        p.mark(box(p.x, p.y, side * width * 0.6, -0.05, window, window), "light", on=walls)


@subject("car", "vehicle", "bright", "grey", "pale")
def car(p: Pen) -> None:
    length, height = p.vary(0.52, 0.66), p.vary(0.13, 0.2)
    cabin, shift = p.vary(0.2, 0.34), p.vary(-0.16, 0.1)
    roof = p.vary(0.2, 0.32)
    lean = p.vary(0.06, 0.16)
    p.form(polygon(p.x, p.y, [(shift - cabin - lean, 0.0), (shift - cabin, roof), (shift + cabin, roof), (shift + cabin + lean, 0.0)], 0.04), "accent")
    p.mark(box(p.x, p.y, shift, roof * 0.5 + 0.02, cabin * 0.85, roof * 0.3, 0.02), "light")
    p.mark(box(p.x, p.y, shift, roof * 0.5, 0.02, roof * 0.5), "accent")
    body = p.form(box(p.x, p.y, 0.0, -0.12, length, height, 0.08))
    p.coat(body, 0.0, -0.12, 0.4)
    wheel, base = p.vary(0.12, 0.18), p.vary(0.55, 0.7)
    for side in (-1, 1):
        p.form(circle(p.x, p.y, side * length * base, -0.12 - height, wheel), "dark")
        p.mark(circle(p.x, p.y, side * length * base, -0.12 - height, wheel * 0.45), "second")
    p.mark(circle(p.x, p.y, length - 0.06, -0.08, 0.045), "light")
