"""Small crawling and flying animals."""

from __future__ import annotations

import numpy as np

from lorarium.world.pen import Pen
from lorarium.world.shapes import Value, blend, capsule, circle, ellipse, polygon, union
from lorarium.world.subjects.parts import drop, folded_x
from lorarium.world.subjects.registry import subject


@subject("snail", "animal", "shell", "pale", "skin")
def snail(p: Pen) -> None:
    x, y = p.x, p.y
    shell, foot = p.vary(0.4, 0.48), p.vary(0.1, 0.13)
    neck, stalk = p.vary(-0.06, 0.08), p.vary(0.26, 0.34)
    nod, turns = p.pose(0.05), p.vary(0.19, 0.25)
    place = 0.52 + nod
    for lean in (-0.08, 0.14):
        tip = (place + lean, neck + stalk)
        p.form(capsule(x, y, place, neck, *tip, 0.03), "accent")
        p.form(circle(x, y, *tip, 0.055), "dark")
    low = -0.46
    sole = capsule(x, y, -0.68, low, 0.45, low, 0.03, foot)
    p.form(union(sole, capsule(x, y, 0.42, low, place, neck, foot, foot * 1.1)), "accent")
    cx, cy = -0.1, low + 0.04 + shell
    house = p.form(circle(x, y, cx, cy, shell))
    p.coat(house, cx, cy, 0.4)
    u, v = x - cx, y - cy
    radius = np.hypot(u, v) - turns * np.arctan2(v, u) / 6.2832 + turns * p.vary(0.0, 0.3)
    spiral = np.abs(radius % turns - turns * 0.5) - 0.022
    p.mark(spiral, "dark", on=circle(x, y, cx, cy, shell - 0.02))


@subject("butterfly", "animal", "bright", "pale", "bright")
def butterfly(p: Pen) -> None:
    """From above, wings spread."""
    x, y = p.x, p.y
    z = folded_x(p) / (0.94 + p.pose(0.06))  # a beat of the wings
    upper, lower = p.vary(0.8, 0.9), p.vary(0.56, 0.7)
    fat, round_ = p.vary(0.23, 0.29), p.vary(0.2, 0.26)
    rise, fall = p.vary(0.55, 0.75), p.vary(-0.95, -0.7)
    hind = p.form(drop(z, y, 0.0, 0.02, lower, round_, fall), "accent")
    fore = p.form(drop(z, y, 0.0, -0.04, upper, fat, rise))
    p.coat(union(fore, hind), 0.0, 0.05, 0.5)
    eye, out = p.vary(0.06, 0.09), upper * 0.68
    spot = circle(z, y, out * np.cos(rise), out * np.sin(rise), eye)
    p.mark(spot, "light", where=p.has(0.5))
    feeler = p.vary(0.14, 0.22)
    p.form(capsule(z, y, 0.02, 0.3, feeler, 0.62, 0.022), "dark")
    p.form(circle(z, y, feeler, 0.62, 0.045), "dark")
    p.form(capsule(x, y, 0.0, 0.3, 0.0, p.vary(-0.46, -0.34), 0.085, 0.045), "dark")


@subject("bee", "animal", "yellow", "warm", "pale")
def bee(p: Pen) -> None:
    """From the side: a striped body, two wings, a sting."""
    x, y = p.x, p.y
    length, height = p.vary(0.44, 0.52), p.vary(0.29, 0.36)
    head, wing = p.vary(0.19, 0.24), p.vary(0.5, 0.6)
    beat, fat = p.pose(0.15), p.vary(0.14, 0.19)
    cy = -0.18
    for turn in (1.3, 2.1):
        p.form(drop(x, y, 0.02, 0.0, wing + 0.12, fat, turn + beat), "accent")
    sting: list[tuple[Value, Value]] = [(-0.4, cy + 0.1), (-0.4, cy - 0.1), (-length - 0.26, cy)]
    p.form(polygon(x, y, sting, 0.015), "dark")
    for lean in (0.06, 0.22):
        p.form(capsule(x, y, 0.48, cy + 0.1, 0.48 + lean, cy + 0.42, 0.024), "dark")
    p.form(circle(x, y, 0.5, cy + 0.02, head), "dark")
    body = p.form(blend(ellipse(x, y, -0.06, cy, length, height), circle(x, y, 0.2, cy, 0.2), 0.1))
    p.coat(body, -0.06, cy, 0.4)
    stripe, gap = p.vary(0.055, 0.08), p.vary(0.27, 0.32)
    for k in (-1, 0, 1):
        p.mark(np.abs(x + 0.07 - gap * k + 0.3 * (y - cy) ** 2) - stripe, "dark", on=body)
    p.eye(0.56, cy + 0.07, p.vary(0.065, 0.085))
