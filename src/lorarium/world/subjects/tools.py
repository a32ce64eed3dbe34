"""Tools and other things people have."""

from __future__ import annotations

import numpy as np

from lorarium.world.pen import Pen
from lorarium.world.shapes import (
    Points,
    arc,
    blend,
    box,
    capsule,
    circle,
    cut,
    ellipse,
    petals,
    polygon,
    ring,
    rotate,
    union,
    within,
)
from lorarium.world.subjects.registry import subject


@subject("key", "tool", "yellow", "cool", "grey")
def key(p: Pen) -> None:
    x, y = p.x, p.y
    bow, hole = p.vary(0.28, 0.34), p.vary(0.1, 0.14)
    shaft, end = p.vary(0.055, 0.08), p.vary(0.7, 0.77)
    first, second = p.vary(0.16, 0.26), p.vary(0.12, 0.22)
    cx = -0.44
    clover = petals(x, y, cx, 0.0, bow * 0.5, bow * 0.52, bow * 0.52, 3.0, 0.52)
    head = np.where(p.has(0.4), clover, circle(x, y, cx, 0.0, bow))
    eye = circle(x, y, cx - 0.04, 0.0, hole)
    stem = box(x, y, (cx + end) / 2, 0.0, (end - cx) / 2, shaft, 0.02)
    bit = union(
        box(x, y, end - 0.07, -first * 0.5, 0.06, first * 0.5 + 0.02, 0.01),
        box(x, y, end - 0.25, -second * 0.5, 0.06, second * 0.5 + 0.02, 0.01),
    )
    body = p.form(cut(union(head, stem, bit), eye))
    p.coat(body, cx + 0.06, 0.0, 0.34)
    p.form(box(x, y, cx + bow + 0.03, 0.0, 0.04, shaft + 0.04, 0.02), "accent", where=p.has(0.6))


@subject("hammer", "tool", "grey", "warm", "brown")
def hammer(p: Pen) -> None:
    """A claw hammer."""
    x, y = p.x, p.y
    grip, neck = p.vary(0.075, 0.1), p.vary(0.06, 0.075)
    face, head = p.vary(0.19, 0.24), p.vary(0.13, 0.17)
    claw, droop = p.vary(0.6, 0.68), p.vary(0.04, 0.16)
    reach = p.vary(-0.64, -0.56)
    cy = 0.46
    p.form(capsule(x, y, 0.0, 0.3, 0.0, -0.7, neck, grip), "accent")
    p.mark(
        box(x, y, 0.0, -0.72, 0.2, p.vary(0.1, 0.3)),
        "dark",
        on=capsule(x, y, 0.0, 0.3, 0.0, -0.7, neck, grip),
    )
    horn: Points = [
        (0.0, cy + head),
        (0.28, cy + head),
        (claw, cy - droop),
        (claw - 0.06, cy - droop - 0.06),
        (0.3, cy - head * 0.6),
        (0.0, cy - head),
    ]
    body = union(
        box(x, y, reach + 0.07, cy, 0.1, face, 0.03),
        box(x, y, reach / 2, cy, 0.02 - reach / 2, head * 0.8),
        box(x, y, 0.0, cy - 0.03, 0.13, head + 0.05, 0.02),
        polygon(x, y, horn, 0.015),
    )
    p.form(body)
    p.coat(body, -0.05, cy, 0.42)


@subject("scissors", "tool", "grey", "cool", "warm")
def scissors(p: Pen) -> None:
    x, y = p.x, p.y
    opening = p.vary(0.27, 0.37) + p.pose(0.06)
    blade, length = p.vary(0.1, 0.13), p.vary(0.68, 0.76)
    loop, long = p.vary(0.15, 0.19), p.vary(1.0, 1.3)
    thick = p.vary(0.05, 0.065)
    pivot = -0.08
    blades = []
    for side in (-1, 1):
        u, v = rotate(x, y - pivot, side * opening)
        u = u * side
        handle = union(
            np.abs(ellipse(u, v, -0.07, -0.28 - loop * long, loop, loop * long)) - thick,
            capsule(u, v, 0.0, -0.05, -0.04, -0.28, 0.06),
        )
        p.form(handle, "accent")
        edge: Points = [
            (-blade * 0.5, -0.12),
            (-blade * 0.5, length * 0.9 + 0.08),
            (blade * 0.5, length * 0.6),
            (blade, -0.05),
        ]
        blades.append(p.form(polygon(u, v, edge, 0.025)))
    p.coat(union(*blades), 0.0, 0.25, 0.36)
    p.form(circle(x, y, 0.0, pivot, 0.06), "dark")


@subject("lamp", "thing", "warm", "pale", "brown")
def lamp(p: Pen) -> None:
    """A table lamp."""
    x, y = p.x, p.y
    top, wide = p.vary(0.2, 0.32), p.vary(0.46, 0.58)
    hem, stem = p.vary(0.02, 0.14), p.vary(0.05, 0.2)
    base, foot = p.vary(0.24, 0.34), p.vary(0.05, 0.08)
    p.form(box(x, y, 0.0, -0.3, 0.045, 0.45), "accent")
    p.form(ellipse(x, y, 0.0, -0.42, stem, 0.24), "accent")
    p.form(box(x, y, 0.0, -0.7, base, foot, 0.03), "accent")
    cord = p.vary(0.2, 0.32)
    swing = p.pose(0.05)
    pull = p.has(0.5)
    p.form(capsule(x, y, cord, hem, cord + swing, hem - 0.22, 0.012), "dark", where=pull)
    p.form(circle(x, y, cord + swing, hem - 0.24, 0.04), "dark", where=pull)
    shade = p.form(polygon(x, y, [(-top, 0.73), (top, 0.73), (wide, hem), (-wide, hem)], 0.02))
    p.coat(shade, 0.0, 0.38, 0.42)
    p.mark(
        hem + 0.035 - y, "accent", on=shade + 10 * np.maximum(y - hem - 0.06, 0), where=p.has(0.5)
    )


@subject("umbrella", "thing", "bright", "pale", "brown")
def umbrella(p: Pen) -> None:
    x, y = p.x, p.y
    wide, dome = p.vary(0.68, 0.76), p.vary(0.5, 0.62)
    hem, hook = p.vary(-0.02, 0.06), p.vary(0.1, 0.15)
    scallop = p.vary(0.05, 0.1)
    low = -0.76 + hook
    top = hem + dome
    p.form(capsule(x, y, 0.0, top - 0.05, 0.0, top + 0.08, 0.03), "dark")
    p.form(capsule(x, y, 0.0, top - 0.1, 0.0, low, 0.032), "accent")
    p.form(arc(x, y, hook, low, hook, 0.042, -np.pi / 2, np.pi / 2), "accent")
    step = wide * 0.5
    u = (x % step) - step / 2
    bite = ellipse(u, y, 0.0, hem, step * 0.46, scallop + 0.03)
    canopy = p.form(cut(within(ellipse(x, y, 0.0, hem, wide, dome), hem - y), bite))
    p.coat(canopy, 0.0, hem + 0.25, 0.48)
    rib = np.abs(ellipse(x, y, 0.0, hem - 0.02, step, dome + 0.02))
    p.mark(union(rib, np.abs(x)) - 0.01, "dark", on=canopy, where=p.has(0.6))


@subject("clock", "thing", "pale", "cool", "warm")
def clock(p: Pen) -> None:
    """An alarm clock."""
    x, y = p.x, p.y
    radius, rim = p.vary(0.48, 0.55), p.vary(0.05, 0.08)
    bell, spread = p.vary(0.19, 0.25), p.vary(0.6, 0.72)
    cy = -0.1
    leg = p.vary(0.05, 0.07)
    u = np.abs(x)
    p.form(capsule(u, y, 0.2, cy - radius * 0.6, 0.4, -0.72, leg), "dark")
    p.form(capsule(x, y, 0.0, 0.3, 0.0, 0.62, 0.035), "dark")
    away = radius + 0.1
    p.form(circle(u, y, away * np.sin(spread), cy + away * np.cos(spread), bell), "accent")
    p.form(circle(x, y, 0.0, cy, radius + rim), "accent")
    face = p.form(circle(x, y, 0.0, cy, radius))
    p.coat(face, 0.0, cy, 0.44)
    dots = union(
        circle(u, y, radius * 0.84, cy, 0.04), circle(x, np.abs(y - cy), 0.0, radius * 0.84, 0.04)
    )
    p.mark(dots, "dark")
    hour, minute = p.vary(-2.2, 0.2) + p.pose(0.3), p.vary(0.2, 1.4)
    p.mark(capsule(x, y, 0.0, cy, 0.24 * np.sin(hour), cy + 0.24 * np.cos(hour), 0.04), "dark")
    p.mark(capsule(x, y, 0.0, cy, 0.34 * np.sin(minute), cy + 0.34 * np.cos(minute), 0.028), "dark")


@subject("guitar", "thing", "warm", "pale", "brown")
def guitar(p: Pen) -> None:
    x, y = p.x, p.y
    low, high = p.vary(0.36, 0.43), p.vary(0.25, 0.32)
    waist, shoulder = p.vary(0.08, 0.2), p.vary(-0.04, 0.04)
    neck, head = p.vary(0.05, 0.07), p.vary(0.09, 0.12)
    p.form(box(x, y, 0.0, 0.4, neck, 0.36), "accent")
    nut = p.vary(0.07, 0.11)
    p.form(polygon(x, y, [(-nut, 0.58), (-head, 0.76), (head, 0.76), (nut, 0.58)], 0.015), "accent")
    pegs = union(
        circle(np.abs(x), y, head + 0.035, 0.72, 0.035),
        circle(np.abs(x), y, head + 0.02, 0.61, 0.035),
    )
    p.form(pegs, "dark")
    bottom = ellipse(x, y, 0.0, -0.76 + low * 0.9, low, low * 0.9)
    body = p.form(blend(bottom, circle(x, y, 0.0, shoulder, high), waist))
    p.coat(body, 0.0, -0.3, 0.42)
    p.form(box(x, y, 0.0, 0.16, neck, 0.22), "accent")
    p.mark(circle(x, y, 0.0, -0.12, p.vary(0.1, 0.13)), "dark")
    p.mark(box(x, y, 0.0, -0.5, 0.15, 0.035), "dark")
    p.mark(np.abs(np.abs(x) - 0.022) - 0.006, "light", on=box(x, y, 0.0, 0.06, 0.06, 0.56))


@subject("teapot", "thing", "bright", "pale", "yellow")
def teapot(p: Pen) -> None:
    x, y = p.x, p.y
    wide, tall = p.vary(0.4, 0.47), p.vary(0.34, 0.44)
    spout, rise = p.vary(0.08, 0.12), p.vary(0.16, 0.3)
    loop, thick = p.vary(0.2, 0.26), p.vary(0.045, 0.065)
    cy = -0.12
    p.form(ring(x, y, -wide - 0.04, cy + 0.04, loop, thick), "accent")
    bend = (wide + 0.12, cy + 0.0)
    nose = union(
        capsule(x, y, wide * 0.6, cy - 0.16, *bend, spout * 1.5, spout * 0.9),
        capsule(x, y, *bend, 0.73, cy + rise + 0.1, spout * 0.9, spout * 0.6),
    )
    p.form(nose, "accent")
    p.form(box(x, y, 0.0, cy - tall, wide * 0.55, 0.06, 0.02), "accent")
    knob = p.vary(0.06, 0.1)
    p.form(circle(x, y, 0.0, cy + tall + 0.1 + knob, knob), "accent")
    p.form(ellipse(x, y, 0.0, cy + tall, wide * 0.55, 0.14), "accent")
    body = p.form(ellipse(x, y, 0.0, cy, wide, tall))
    p.coat(body, 0.0, cy, 0.42)


@subject("chair", "thing", "brown", "pale", "warm")
def chair(p: Pen) -> None:
    """From one side of the front."""
    x, y = p.x, p.y
    wide, top = p.vary(0.5, 0.6), p.vary(0.66, 0.74)
    deep, seat = p.vary(0.34, 0.44), p.vary(-0.1, 0.02)
    leg, drop = p.vary(0.04, 0.055), p.vary(0.1, 0.16)
    left = -0.44
    right, high = left + wide, seat + 0.1
    for ax, ay, by in ((left + 0.03, seat, -0.58), (right - 0.02, high, -0.48)):
        p.form(capsule(x, y, ax, ay - 0.05, ax, by, leg), "dark")
    for ax, ay, by in (
        (left + deep, seat - drop, -0.74),
        (right + deep - 0.06, high - drop, -0.62),
    ):
        p.form(capsule(x, y, ax, ay - 0.05, ax, by, leg), "main")
    tilt = p.vary(0.0, 0.1)
    back = p.form(
        polygon(
            x,
            y,
            [(left, seat), (left - tilt, top), (right - tilt, top + 0.06), (right, high)],
            0.04,
        )
    )
    p.coat(back, left + wide / 2, 0.35, 0.36)
    cushion: Points = [
        (left, seat),
        (right, high),
        (right + deep, high - drop),
        (left + deep, seat - drop),
    ]
    p.form(polygon(x, y, cushion, 0.045), "accent")


@subject("crown", "thing", "yellow", "cool", "warm")
def crown(p: Pen) -> None:
    x, y = p.x, p.y
    foot, flare = p.vary(0.5, 0.58), p.vary(0.04, 0.16)
    outer, inner = p.vary(0.26, 0.42), p.vary(0.4, 0.54)
    valley, ball = p.vary(-0.1, 0.08), p.vary(0.06, 0.09)
    low = -0.5
    u = np.abs(x)
    tip = foot + flare
    outline: Points = [
        (-0.1, low),
        (foot, low),
        (tip, outer),
        (foot * 0.5, valley),
        (0.0, inner),
        (-0.1, inner - 0.1),
    ]
    body = p.form(polygon(u, y, outline, 0.015))
    p.coat(body, 0.0, -0.12, 0.46)
    p.form(box(x, y, 0.0, low, foot + 0.04, p.vary(0.08, 0.11), 0.02), "accent")
    p.form(union(circle(u, y, tip, outer, ball), circle(u, y, 0.0, inner, ball * 1.15)), "accent")
    gem = p.has(0.6)
    p.mark(union(circle(u, y, 0.3, low, 0.05), circle(x, y, 0.0, low, 0.06)), "light", where=gem)


@subject("camera", "thing", "grey", "bright", "warm")
def camera(p: Pen) -> None:
    x, y = p.x, p.y
    wide, tall = p.vary(0.64, 0.73), p.vary(0.36, 0.44)
    lens, hump = p.vary(0.25, 0.31), p.vary(0.16, 0.26)
    cx, cy = p.vary(-0.06, 0.06), -0.1
    top = cy + tall
    bump = p.vary(0.12, 0.18)
    p.form(
        polygon(
            x,
            y,
            [
                (cx - hump - 0.06, top - 0.03),
                (cx - hump, top + bump),
                (cx + hump, top + bump),
                (cx + hump + 0.06, top - 0.03),
            ],
            0.02,
        ),
        "main",
    )
    p.form(box(x, y, -wide * 0.68, top + 0.02, 0.1, 0.07, 0.02), "accent")
    body = p.form(box(x, y, 0.0, cy, wide, tall, 0.08))
    p.coat(body, 0.0, cy, 0.5)
    p.mark(box(x, y, wide * 0.7, top - 0.12, 0.1, 0.06), "light")
    p.form(circle(x, y, cx, cy - 0.03, lens), "accent")
    p.mark(circle(x, y, cx, cy - 0.03, lens * 0.72), "dark")
    p.mark(circle(x, y, cx - lens * 0.25, cy + lens * 0.2, lens * 0.2), "light")


@subject("bell", "thing", "yellow", "cool", "warm")
def bell(p: Pen) -> None:
    x, y = p.x, p.y
    crown, mouth = p.vary(0.26, 0.34), p.vary(0.46, 0.56)
    shoulder, flare = p.vary(0.12, 0.24), p.vary(-0.24, -0.12)
    loop, tongue = p.vary(0.09, 0.12), p.vary(0.11, 0.15)
    swing = p.pose(0.12)
    low = -0.46
    p.form(ring(x, y, 0.0, shoulder + crown + 0.07, loop, 0.04), "accent")
    p.form(circle(x, y, swing, low - 0.14, tongue), "dark")
    waist = crown * 1.05
    skirt: Points = [(-0.2, shoulder), (crown, shoulder), (waist, flare), (mouth, low), (-0.2, low)]
    body = p.form(
        blend(circle(x, y, 0.0, shoulder, crown), polygon(np.abs(x), y, skirt, 0.01), 0.08)
    )
    p.coat(body, 0.0, 0.0, 0.42)
    p.form(box(x, y, 0.0, low, mouth + 0.07, p.vary(0.05, 0.08), 0.05), "accent")


@subject("shirt", "thing", "bright", "pale", "cool")
def shirt(p: Pen) -> None:
    x, y = p.x, p.y
    chest, length = p.vary(0.36, 0.44), p.vary(-0.72, -0.6)
    sleeve, cuff = p.vary(0.0, 0.16), p.vary(0.17, 0.23)
    collar, hem = p.vary(0.15, 0.2), p.vary(0.0, 0.06)
    lift = p.pose(0.04)
    u = np.abs(x)
    arm = sleeve + lift
    outline: Points = [
        (-0.1, 0.6),
        (0.14, 0.62),
        (0.44, 0.52),
        (0.74, arm + 0.04),
        (0.74 - cuff, arm - 0.12),
        (chest, 0.2),
        (chest + hem, length),
        (-0.1, length),
    ]
    neck = ellipse(x, y, 0.0, 0.64, collar, p.vary(0.12, 0.2))
    body = p.form(cut(polygon(u, y, outline, 0.02), neck))
    p.coat(body, 0.0, -0.05, 0.46)
    p.mark(np.abs(neck) - 0.05, "accent", on=body)
    p.mark(box(x, y, 0.2, 0.1, 0.1, 0.11, 0.02), "accent", where=p.has(0.4))
