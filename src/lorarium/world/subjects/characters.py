"""Made-up people."""

from __future__ import annotations

import numpy as np

from lorarium.world.pen import Pen
from lorarium.world.shapes import (
    Value,
    blend,
    box,
    capsule,
    circle,
    ellipse,
    polygon,
    rotate,
    union,
    within,
)
from lorarium.world.subjects.parts import eyes, folded_x, leaning
from lorarium.world.subjects.registry import subject

Points = list[tuple[Value, Value]]


@subject("robot", "character", "bright", "pale", "grey")
def robot(p: Pen) -> None:
    x, y, z = p.x, p.y, folded_x(p)
    head, face = p.vary(0.27, 0.36), p.vary(0.19, 0.23)
    chest, hip = p.vary(0.3, 0.38), p.vary(-0.48, -0.42)
    wave, arm = p.pose(0.12), p.vary(0.06, 0.08)
    p.form(union(capsule(x, y, 0, 0.4, 0, 0.68, 0.025), circle(x, y, 0, 0.7, 0.06)), "accent")
    p.form(box(z, y, 0.17, -0.58, 0.09, 0.18, 0.02), "accent")
    for side in (-1, 1):
        hand = -0.28 + side * wave
        p.form(capsule(x, y, side * chest, -0.02, side * (chest + 0.2), hand, arm), "accent")
        p.form(circle(x, y, side * (chest + 0.2), hand, arm * 1.6), "accent")
    p.form(box(z, y, head, 0.34, 0.06, 0.08), "accent", where=p.has(0.5))
    middle, tall = (0.1 + hip) / 2, (0.1 - hip) / 2
    torso = p.form(box(x, y, 0.0, middle, chest, tall, 0.04))
    p.coat(torso, 0.0, middle, 0.32)
    p.form(box(x, y, 0.0, 0.34, head, face, p.vary(0.03, 0.12)))
    eyes(p, head * 0.48, 0.39, p.vary(0.075, 0.1), 0.5)
    p.mark(box(x, y, 0.0, 0.22, head * 0.55, 0.035), "dark")


@subject("snowman", "character", "snow", "cool", "warm")
def snowman(p: Pen) -> None:
    x, y, z = p.x, p.y, folded_x(p)
    low, top = p.vary(0.38, 0.45), p.vary(0.25, 0.3)
    hat, brim = p.vary(0.13, 0.18), p.vary(0.25, 0.32)
    wave, nod = p.pose(0.1), p.pose(0.03)
    for side in (-1, 1):
        p.form(capsule(x, y, side * 0.2, -0.1, side * 0.7, 0.1 + side * wave, 0.028), "dark")
    ball = p.form(circle(x, y, 0.0, -0.76 + low, low))
    p.coat(ball, 0.0, -0.76 + low, 0.36)
    neck = low * 2 - 0.82
    cy = neck + top
    p.form(circle(x, y, nod, cy, top))
    buttons = union(circle(x, y, 0, neck - 0.22, 0.04), circle(x, y, 0, neck - 0.4, 0.04))
    p.mark(buttons, "dark")
    p.form(box(x, y, nod, cy + top + p.vary(0.05, 0.12), hat, 0.15), "dark")
    p.form(capsule(x, y, nod - brim, cy + top * 0.8, nod + brim, cy + top * 0.8, 0.035), "dark")
    scarf = capsule(x, y, -top * 0.75, neck + 0.06, top * 0.75, neck + 0.06, 0.065)
    end = capsule(x, y, top * 0.5, neck, top * 0.6, neck - 0.25, 0.065)
    p.form(union(scarf, end), "accent", where=p.has(0.6))
    p.mark(circle(z, y, 0.1, cy + 0.06, 0.04), "dark")
    points = [(nod, cy + 0.04), (nod, cy - 0.07), (nod + p.vary(0.22, 0.32), cy - 0.04)]
    p.form(polygon(x, y, points, 0.012), "accent")


@subject("ghost", "character", "pale", "cool", "pink")
def ghost(p: Pen) -> None:
    x, y, z = p.x, p.y, folded_x(p)
    wide, hem = p.vary(0.42, 0.52), p.vary(0.05, 0.09)
    folds, drift = 3.0 + p.choose(2), p.pose(0.1)
    arm, flare = p.vary(0.1, 0.2), p.vary(0.0, 0.1)
    u = x - drift * np.clip(0.1 - y, 0, 1) ** 2
    half = wide + flare * np.clip(0.1 - y, 0, 1)
    sheet = np.where(y > 0.72 - wide, circle(u, y, 0.0, 0.72 - wide, wide), np.abs(u) - half)
    bottom = -0.64 + hem * np.cos(u / wide * folds * 3.1416)
    body = within(sheet, (bottom - y) * 0.7)
    hands = capsule(z, y, 0.3, 0.0, wide + 0.04 + arm, p.vary(-0.04, 0.16), 0.1, 0.07)
    body = p.form(union(body, hands))
    p.coat(body, 0.0, -0.2, 0.45)
    eye, apart = p.vary(0.075, 0.105), p.vary(0.15, 0.2)
    p.mark(ellipse(z, y, apart, 0.32, eye, eye * 1.5), "dark")
    p.mark(ellipse(x, y, 0.0, 0.06, p.vary(0.06, 0.1), p.vary(0.06, 0.12)), "dark")
    p.mark(ellipse(z, y, 0.27, 0.14, 0.07, 0.05), "accent", where=p.has(0.5))


@subject("alien", "character", "green", "cool", "bright")
def alien(p: Pen) -> None:
    """A face with a large skull, a small chin and slanted black eyes."""
    x, y, z = p.x, p.y, folded_x(p)
    skull, chin = p.vary(0.48, 0.56), p.vary(0.11, 0.16)
    eye, slant = p.vary(0.19, 0.24), p.vary(0.5, 0.8)
    tilt, horn = p.pose(0.05), p.vary(0.24, 0.42)
    feelers = union(capsule(z, y, 0.14, 0.4, horn, 0.7, 0.03), circle(z, y, horn, 0.7, 0.07))
    p.form(feelers, "accent")
    head = circle(x, y, 0.0, 0.14, skull)
    face = p.form(blend(head, circle(x, y, tilt * 0.5, -0.56, chin), p.vary(0.5, 0.75)))
    p.coat(face, 0.0, 0.2, 0.5)
    u, v = rotate(z - 0.23, y - 0.02, -slant)
    p.mark(ellipse(u, v, 0.0, 0.0, eye, eye * 0.58), "dark")
    p.mark(leaning(z, y, 0.3, 0.1, 0.06, 0.04, slant), "light")
    p.mark(capsule(x, y, -0.07, -0.46, 0.07, -0.46, 0.02), "dark")


@subject("king", "character", "bright", "yellow", "skin")
def king(p: Pen) -> None:
    """A bust with a crown and a beard."""
    x, y, z = p.x, p.y, folded_x(p)
    face, shoulder = p.vary(0.27, 0.33), p.vary(0.5, 0.62)
    crown, spike = p.vary(0.26, 0.34), p.vary(0.22, 0.3)
    beard, tilt = p.vary(0.24, 0.42), p.pose(0.04)
    points: Points = [(-0.2, -0.2), (0.2, -0.2), (shoulder, -0.42), (shoulder + 0.04, -0.74)]
    robe = p.form(polygon(z, y, [*points, (-0.2, -0.74)], 0.04))
    p.coat(robe, 0.0, -0.5, 0.4)
    white = p.has(0.6)
    hair = ellipse(x, y, 0.0, 0.04, face + 0.07, 0.34)
    for slot, where in (("light", white), ("dark", ~white)):
        p.form(hair, slot, where=where)
    p.form(circle(x, y, 0.0, 0.1, face), "accent")
    low: Points = [(face * 0.98, 0.04), (face * 0.7, -0.2), (0.0, -0.16 - beard), (0.0, -0.04)]
    chin = polygon(z, y, low, 0.03)
    for slot, where in (("light", white), ("dark", ~white)):
        p.form(chin, slot, where=where)
    eyes(p, face * 0.42, 0.14, p.vary(0.055, 0.07), 0.6)
    base, top = 0.28, 0.36 + spike
    rim: Points = [(0.0, base), (crown, base), (crown + 0.1, top - 0.04), (crown * 0.5, 0.42)]
    p.form(polygon(z, y, [*rim, (0.0, top + 0.1)], 0.015), "second")
    p.form(
        union(circle(z, y, crown + 0.1, top - 0.04, 0.05), circle(x, y, 0.0, top + 0.1, 0.05)),
        "second",
        where=p.has(0.5),
    )
    p.mark(circle(x, y, tilt, 0.38, 0.05), "main")
