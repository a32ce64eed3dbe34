"""Buildings, seen from the front."""

from __future__ import annotations

import numpy as np

from lorarium.world.pen import Pen
from lorarium.world.shapes import (
    Array,
    Points,
    Value,
    box,
    capsule,
    circle,
    cut,
    ellipse,
    polygon,
    rotate,
    union,
    within,
)
from lorarium.world.subjects.registry import subject


@subject("house", "building", "pale", "cool", "warm")
def house(p: Pen) -> None:
    x, y = p.x, p.y
    width, height = p.vary(0.44, 0.56), p.vary(0.28, 0.38)
    roof, eave = p.vary(0.38, 0.54), p.vary(0.1, 0.16)
    chimney = p.vary(0.16, 0.3)
    middle = -0.28
    top = height + middle
    p.form(box(x, y, chimney, top + roof * 0.6, 0.07, roof * 0.36), "second")
    walls = p.form(box(x, y, 0.0, middle, width, height))
    p.coat(walls, 0.0, middle, 0.42)
    p.form(
        polygon(x, y, [(-width - eave, top), (0.0, top + roof), (width + eave, top)], 0.02),
        "accent",
    )
    door = p.vary(-0.07, 0.07)
    p.mark(box(x, y, door, middle - height + 0.18, 0.1, 0.19), "dark", on=walls)
    window = p.vary(0.08, 0.11)
    u, pane = np.abs(x) - width * 0.64, middle + 0.07
    p.mark(box(u, y, 0.0, pane, window + 0.025, window + 0.025), "dark", on=walls)
    panes = box(
        np.abs(u), np.abs(y - pane), window / 2, window / 2, window / 2 - 0.01, window / 2 - 0.01
    )
    p.mark(panes, "light")
    p.mark(circle(x, y, 0.0, top + roof * 0.35, 0.085), "light", where=p.has(0.5))


def _battlement(
    x: Array, y: Array, cx: Value, cy: Value, hw: Value, hh: Value, teeth: int
) -> Array:
    """A box whose top edge has two or three teeth."""
    step = hw * 2 / (2 * teeth - 1)
    u = np.abs(x - cx)
    notch = box(u, y, step if teeth == 3 else 0.0, cy + hh, step * 0.5, 0.1)
    return cut(box(x, y, cx, cy, hw, hh), notch)


@subject("castle", "building", "grey", "pale", "warm")
def castle(p: Pen) -> None:
    x, y = p.x, p.y
    apart, tower = p.vary(0.48, 0.56), p.vary(0.15, 0.2)
    left, right = p.vary(0.12, 0.4), p.vary(0.12, 0.4)
    wall, keep = p.vary(-0.12, 0.02), p.vary(0.24, 0.3)
    tall = p.vary(0.42, 0.56)
    low = -0.66
    flag = p.pose(0.05)
    p.form(capsule(x, y, 0.0, tall - 0.1, 0.0, 0.76, 0.02), "dark")
    pennant: Points = [(0.02, 0.77), (0.3, 0.68 + flag), (0.02, 0.58)]
    p.form(polygon(x, y, pennant), "accent")
    half = (tall - low) / 2
    back = _battlement(x, y, 0.0, low + half, keep, half, 3)
    half = (wall - low) / 2
    front = box(x, y, 0.0, low + half, apart, half)
    walls = p.form(union(back, front))
    for side, top in ((-1, left), (1, right)):
        half = (top - low) / 2
        side_tower = p.form(_battlement(x, y, side * apart, low + half, tower, half, 2))
        walls = union(walls, side_tower)
        p.mark(box(x, y, side * apart, top - 0.34, 0.035, 0.1, 0.03), "dark")
    p.coat(walls, 0.0, -0.15, 0.5)
    gate = p.vary(0.14, 0.19)
    arch = union(circle(x, y, 0.0, low + 0.3, gate), box(x, y, 0.0, low + 0.1, gate, 0.2))
    p.mark(arch, "dark", on=walls)
    p.mark(box(x, y, 0.0, tall - 0.34, 0.045, 0.09, 0.04), "dark")


@subject("lighthouse", "building", "pale", "warm", "yellow")
def lighthouse(p: Pen) -> None:
    x, y = p.x, p.y
    base, neck = p.vary(0.23, 0.31), p.vary(0.13, 0.18)
    top, lantern = p.vary(0.22, 0.32), p.vary(0.11, 0.15)
    reach, sweep = p.vary(0.4, 0.6), p.pose(0.05)
    middle = top + 0.15
    beams = p.has(0.5)
    for side in (-1, 1):
        beam: Points = [
            (0.0, middle),
            (side * reach, middle + 0.13 + side * sweep),
            (side * reach, middle - 0.1 + side * sweep),
        ]
        p.form(polygon(x, y, beam), "accent", where=beams)
    rock = p.vary(0.4, 0.55)
    p.form(within(ellipse(x, y, 0.0, -0.74, rock, 0.2), -0.74 - y), "dark")
    sides: Points = [(-base, -0.66), (-neck, top), (neck, top), (base, -0.66)]
    tower = p.form(polygon(x, y, sides, 0.01))
    p.coat(tower, 0.0, -0.2, 0.4)
    p.form(box(x, y, 0.0, middle, lantern, 0.13), "light")
    p.mark(box(x, y, 0.0, middle, 0.018, 0.13), "dark")
    p.form(box(x, y, 0.0, top, neck + 0.09, 0.04), "dark")
    roof = p.vary(0.12, 0.22)
    cap: Points = [
        (-lantern - 0.06, middle + 0.12),
        (0.0, middle + 0.12 + roof),
        (lantern + 0.06, middle + 0.12),
    ]
    p.form(polygon(x, y, cap, 0.01), "second")
    door = union(circle(x, y, 0.0, -0.48, 0.065), box(x, y, 0.0, -0.56, 0.065, 0.1))
    p.mark(door, "dark")
    p.mark(circle(x, y, 0.0, top - 0.2, 0.06), "dark", where=p.has(0.6))


@subject("windmill", "building", "pale", "cool", "brown")
def windmill(p: Pen) -> None:
    x, y = p.x, p.y
    base, neck = p.vary(0.3, 0.4), p.vary(0.17, 0.24)
    top, length = p.vary(0.16, 0.24), p.vary(0.52, 0.6)
    blade, cap = p.vary(0.055, 0.08), p.vary(0.14, 0.24)
    turn = p.vary(0.35, 1.2) + p.pose(0.3)
    p.form(within(ellipse(x, y, 0.0, top - 0.02, neck + 0.05, cap), top - 0.02 - y), "second")
    sides: Points = [(-base, -0.76), (-neck, top), (neck, top), (base, -0.76)]
    tower = p.form(polygon(x, y, sides, 0.01))
    p.coat(tower, 0.0, -0.3, 0.42)
    door = union(circle(x, y, 0.0, -0.54, 0.09), box(x, y, 0.0, -0.66, 0.09, 0.11))
    p.mark(door, "dark")
    p.mark(box(x, y, 0.0, -0.22, 0.06, 0.07), "dark", where=p.has(0.5))
    hub = top + 0.02
    u, v = rotate(x, y - hub, turn)
    away, angle = np.hypot(u, v), np.arctan2(v, u)
    quarter = np.pi / 2
    angle = (angle + quarter / 2) % quarter - quarter / 2
    u, v = away * np.cos(angle), away * np.sin(angle)
    sail = box(u, v, length * 0.62, blade * 0.9, length * 0.38, blade)
    sails = union(sail, box(u, v, length * 0.5, 0.0, length * 0.5, 0.025))
    p.form(sails, "accent")
    p.mark(box(u, v, length * 0.5, 0.0, length * 0.5, 0.012), "dark")
    p.form(circle(x, y, 0.0, hub, 0.06), "dark")


@subject("tent", "building", "bright", "pale", "warm")
def tent(p: Pen) -> None:
    """An open ridge tent, its front at the left."""
    x, y = p.x, p.y
    front, back = p.vary(0.42, 0.58), p.vary(0.3, 0.44)
    apex, ridge = p.vary(-0.36, -0.2), p.vary(0.36, 0.52)
    left, middle = p.vary(-0.72, -0.64), p.vary(0.06, 0.2)
    floor, rear = -0.5, p.vary(-0.36, -0.26)
    p.form(capsule(x, y, apex, front, -0.78, -0.3, 0.014), "dark")
    p.form(capsule(x, y, ridge, back, 0.79, -0.3, 0.014), "dark")
    side = p.form(
        polygon(x, y, [(apex, front), (ridge, back), (0.72, rear), (middle, floor)], 0.02)
    )
    p.coat(side, 0.3, -0.05, 0.42)
    p.form(capsule(x, y, apex, front - 0.1, apex, front + 0.12, 0.03), "dark")
    p.form(polygon(x, y, [(apex, front), (left, floor + 0.04), (middle, floor)], 0.02), "accent")
    flap = p.vary(0.12, 0.24) + p.pose(0.04)
    gap: Points = [(apex, front - 0.12), (apex - flap, floor + 0.03), (apex + flap, floor)]
    p.mark(polygon(x, y, gap), "dark")
