"""Things to eat and drink."""

from __future__ import annotations

import numpy as np

from lorarium.world.pen import Pen
from lorarium.world.shapes import (
    Array,
    Points,
    Value,
    blend,
    box,
    capsule,
    circle,
    cut,
    ellipse,
    polygon,
    ring,
    rotate,
    union,
    within,
)
from lorarium.world.subjects.registry import subject


def _leaf(
    x: Array, y: Array, cx: Value, cy: Value, length: Value, width: Value, turn: Value
) -> Array:
    """A pointed leaf that starts at (cx, cy)."""
    u, v = rotate(x - cx, y - cy, -turn)
    half = length / 2
    radius = (half * half + width * width) / (2 * width)
    return circle(u, np.abs(v), half, width - radius, radius)


@subject("apple", "food", "fruit", "pale", "green")
def apple(p: Pen) -> None:
    x, y = p.x, p.y
    width, height = p.vary(0.36, 0.44), p.vary(0.52, 0.6)
    dent, narrow = p.vary(0.17, 0.24), p.vary(0.3, 0.4)
    lean = p.vary(-0.12, 0.12)
    u = np.abs(x)
    fruit = blend(
        ellipse(u, y, dent, -0.12, width, height - 0.04), circle(u, y, 0.1, -0.34, narrow), 0.1
    )
    bitten = p.has(0.25)
    bite = union(circle(x, y, 0.68, 0.0, 0.2), circle(x, y, 0.68, -0.26, 0.18))
    p.form(capsule(x, y, 0.0, 0.22, lean, 0.68, 0.03, 0.045), "dark")
    body = p.form(np.where(bitten, cut(fruit, bite), fruit))
    p.coat(body, 0.0, -0.15, 0.5)
    p.mark(ellipse(x, y, 0.0, height - 0.24, 0.14, 0.04), "dark", on=body)
    turn = p.vary(0.2, 0.7) + p.pose(0.15)
    p.form(_leaf(x, y, 0.03, 0.46, p.vary(0.34, 0.48), p.vary(0.09, 0.14), turn), "accent")


@subject("pear", "food", "fruit", "pale", "green")
def pear(p: Pen) -> None:
    x, y = p.x, p.y
    belly, neck = p.vary(0.4, 0.48), p.vary(0.16, 0.23)
    shoulder, waist = p.vary(0.2, 0.32), p.vary(0.3, 0.5)
    lean, tip = p.vary(-0.06, 0.06), p.vary(-0.1, 0.14)
    stem = shoulder + neck
    p.form(capsule(x, y, lean, stem - 0.05, lean + tip, stem + 0.26, 0.03, 0.042), "dark")
    bottom = ellipse(x, y, 0.0, -0.3, belly, belly * 0.98)
    body = p.form(blend(bottom, circle(x, y, lean, shoulder, neck), waist))
    p.coat(body, 0.0, -0.2, 0.46)
    turn = p.vary(0.1, 0.6) + p.pose(0.15)
    length = p.vary(0.3, 0.44)
    leaf = _leaf(x, y, lean + tip * 0.5, stem + 0.1, length, 0.1, turn)
    p.form(leaf, "accent", where=p.has(0.75))


@subject("cherry", "food", "fruit", "pale", "green")
def cherry(p: Pen) -> None:
    """A pair on their stalks."""
    x, y = p.x, p.y
    left, right = p.vary(0.25, 0.32), p.vary(0.25, 0.32)
    apart, low = p.vary(0.34, 0.42), p.vary(-0.14, 0.02)
    top, high = p.vary(-0.02, 0.14), 0.64
    swing = p.pose(0.04)
    spots = ((-apart + swing, -0.42 - low * 0.5), (apart + swing, -0.46 + low * 0.5))
    stalks = union(
        *(
            union(
                capsule(x, y, cx, cy + 0.18, cx * 0.72 + top * 0.3, 0.2, 0.03),
                capsule(x, y, cx * 0.72 + top * 0.3, 0.2, top, high, 0.03),
            )
            for cx, cy in spots
        )
    )
    turn = p.vary(-0.35, 0.1)
    p.form(_leaf(x, y, top, high, p.vary(0.45, 0.6), p.vary(0.12, 0.17), turn), "accent")
    p.form(stalks, "dark")
    p.form(circle(x, y, top, high + 0.01, 0.065), "dark")
    first = p.form(circle(x, y, *spots[0], left))
    second = p.form(circle(x, y, *spots[1], right))
    p.coat(union(first, second), 0.0, -0.42, 0.5)
    for (cx, cy), r in zip(spots, (left, right), strict=True):
        p.mark(ellipse(x, y, cx - r * 0.4, cy + r * 0.42, r * 0.16, r * 0.2), "light")


@subject("icecream", "food", "sweet", "bright", "brown")
def icecream(p: Pen) -> None:
    x, y = p.x, p.y
    radius, wide = p.vary(0.34, 0.39), p.vary(0.28, 0.34)
    tip, lean = p.vary(-0.78, -0.7), p.pose(0.03)
    rim = -0.06
    double = p.has(0.5)
    small = p.vary(0.2, 0.24)
    middle = rim + radius * 0.6
    crown = middle + radius
    topping = np.where(double, middle + radius * 0.66 + small * 1.3, crown + 0.03)
    p.form(circle(x, y, lean, topping, 0.09), "accent", where=p.has(0.5))
    p.form(circle(x, y, lean, middle + radius * 0.66 + small * 0.4, small), "second", where=double)
    cone = p.form(polygon(x, y, [(-wide, rim), (wide, rim), (0.0, tip)], 0.02), "accent")
    step = p.vary(0.15, 0.2)
    hatch = union(np.abs((x + 0.6 * y) % step - step / 2), np.abs((x - 0.6 * y) % step - step / 2))
    p.mark(hatch - 0.012, "dark", on=cone)
    skirt = box(x, y, 0.0, rim + 0.03, radius + 0.03, 0.07, 0.07)
    drop = p.vary(-0.2, 0.2)
    scoop = union(
        circle(x, y, 0.0, middle, radius), capsule(x, y, drop, rim, drop, rim - 0.12, 0.07)
    )
    ball = p.form(blend(scoop, skirt, 0.06))
    p.coat(ball, 0.0, middle, 0.36)


@subject("cake", "food", "sweet", "bright", "warm")
def cake(p: Pen) -> None:
    """Two tiers with candles."""
    x, y = p.x, p.y
    wide, narrow = p.vary(0.54, 0.64), p.vary(0.32, 0.42)
    low, high = p.vary(-0.2, -0.1), p.vary(0.2, 0.3)
    candle, flame = p.vary(0.2, 0.28), p.vary(0.07, 0.09)
    gap, lean = p.vary(0.18, 0.24), p.pose(0.03)
    outer = p.has(0.7)
    for side in (-1, 0, 1):
        visible = outer if side else None
        tip = high + candle
        p.form(
            box(x, y, side * gap, high + candle * 0.45, 0.04, candle * 0.55),
            "second",
            where=visible,
        )
        p.form(
            ellipse(x, y, side * gap + lean, tip + flame * 1.2, flame * 0.65, flame * 1.3),
            "accent",
            where=visible,
        )
    p.form(capsule(x, y, -wide - 0.06, -0.64, wide + 0.06, -0.64, 0.05), "dark")
    upper = box(x, y, 0.0, (high + low) / 2 - 0.02, narrow, (high - low) / 2 + 0.02, 0.05)
    p.form(upper)
    lower = p.form(box(x, y, 0.0, (low - 0.6) / 2, wide, (low + 0.6) / 2, 0.06))
    p.coat(union(upper, lower), 0.0, -0.25, 0.48)
    drips, deep = p.vary(9.0, 14.0), p.vary(0.03, 0.06)
    wave = deep * np.cos(x * drips)
    p.mark(high - 0.1 + wave - y, "accent", on=upper + 10 * np.maximum(low - y, 0))
    p.mark(low - 0.12 + wave - y, "accent", on=lower)


@subject("carrot", "food", "orange", "pale", "green")
def carrot(p: Pen) -> None:
    x, y = p.x, p.y
    wide, tip = p.vary(0.22, 0.29), p.vary(0.03, 0.07)
    top, bend = p.vary(0.1, 0.2), p.vary(-0.08, 0.08)
    leaf, spread = p.vary(0.06, 0.09), p.vary(0.22, 0.36)
    high, sway = p.vary(0.66, 0.72), p.pose(0.06)
    neck = top + wide * 0.7
    for side in (-1.0, 1.0, 0.0):
        reach = high + 0.03 - 0.1 * abs(side)
        p.form(capsule(x, y, 0.0, neck, side * spread + sway, reach, 0.03, leaf), "accent")
    body = p.form(capsule(x, y, 0.0, top, bend, -0.78 + tip, wide, tip))
    p.coat(body, 0.0, -0.1, 0.34)
    for side, cy in ((-1, 0.12), (1, -0.08), (-1, -0.3)):
        line = capsule(x, y, side * 0.3, cy, side * 0.08, cy - 0.01, 0.014)
        p.mark(line, "dark", on=body)


@subject("cup", "food", "bright", "pale", "grey")
def cup(p: Pen) -> None:
    x, y = p.x, p.y
    wide, tall = p.vary(0.36, 0.44), p.vary(0.36, 0.44)
    taper, grip = p.vary(0.0, 0.1), p.vary(0.22, 0.27)
    thick = p.vary(0.045, 0.06)
    middle, cx = -0.3, -0.14
    top = middle + tall
    phase = p.pose(1.0)
    steam = p.has(0.8)
    for shift in (-0.15, 0.12):
        wave = np.abs(x - cx - shift - 0.05 * np.sin(y * 13 + phase + shift * 9)) - 0.032
        p.form(within(wave, np.abs(y - 0.5) - 0.22), "accent", where=steam)
    p.form(ring(x, y, cx + wide, middle + 0.02, grip, thick))
    foot = wide - taper
    sides: Points = [
        (cx - foot, middle - tall),
        (cx - wide, top),
        (cx + wide, top),
        (cx + foot, middle - tall),
    ]
    body = p.form(polygon(x, y, sides, 0.03))
    p.coat(body, cx, middle, 0.42)
    p.form(ellipse(x, y, cx, top, wide + 0.03, 0.1), "light")
    p.mark(ellipse(x, y, cx, top - 0.01, wide - 0.05, 0.06), "dark")
