"""Vehicles, most of them from the side, front at the right."""

from __future__ import annotations

import numpy as np

from lorarium.world.pen import Pen
from lorarium.world.shapes import (
    Points,
    blend,
    box,
    capsule,
    circle,
    ellipse,
    polygon,
    ring,
    union,
    within,
)
from lorarium.world.subjects.registry import subject


@subject("car", "vehicle", "bright", "grey", "pale")
def car(p: Pen) -> None:
    x, y = p.x, p.y
    length, height = p.vary(0.62, 0.74), p.vary(0.15, 0.21)
    cabin, shift = p.vary(0.26, 0.38), p.vary(-0.16, 0.06)
    roof, lean = p.vary(0.34, 0.44), p.vary(0.08, 0.18)
    glass: Points = [
        (shift - cabin - lean, 0.04),
        (shift - cabin, roof),
        (shift + cabin, roof),
        (shift + cabin + lean, 0.04),
    ]
    p.form(polygon(x, y, glass, 0.04), "accent")
    p.mark(box(x, y, shift, roof * 0.5 + 0.05, cabin * 0.9, roof * 0.32, 0.02), "light")
    p.mark(box(x, y, shift, roof * 0.5, 0.025, roof * 0.5), "accent")
    body = p.form(box(x, y, 0.0, -0.08, length, height, 0.1))
    p.coat(body, 0.0, -0.08, 0.42)
    wheel, base = p.vary(0.15, 0.2), p.vary(0.56, 0.68)
    for side in (-1, 1):
        p.form(circle(x, y, side * length * base, -0.08 - height, wheel), "dark")
        p.mark(circle(x, y, side * length * base, -0.08 - height, wheel * 0.45), "second")
    p.mark(circle(x, y, length - 0.08, -0.04, 0.055), "light")


@subject("sailboat", "vehicle", "pale", "warm", "cool")
def sailboat(p: Pen) -> None:
    x, y = p.x, p.y
    mast, top = p.vary(-0.1, 0.1), p.vary(0.62, 0.74)
    boom, jib = p.vary(0.46, 0.58), p.vary(0.4, 0.54)
    foot, belly = p.vary(-0.3, -0.22), p.pose(0.05)
    keel, deck = p.vary(-0.72, -0.62), p.vary(0.58, 0.72)
    front: Points = [(mast + 0.05, foot), (mast + 0.05, top - 0.14), (mast + jib, foot)]
    p.form(polygon(x, y, front, 0.01), "accent", where=p.has(0.8))
    sail = p.form(
        polygon(
            x,
            y,
            [
                (mast - 0.04, foot),
                (mast - 0.04, top),
                (mast - boom * 0.62 - belly, (foot + top) * 0.42),
                (mast - boom, foot),
            ],
            0.01,
        )
    )
    p.coat(sail, mast - 0.2, 0.12, 0.36)
    p.form(capsule(x, y, mast, -0.4, mast, top + 0.03, 0.028), "dark")
    flag: Points = [(mast, top + 0.06), (mast - 0.16, top + 0.0), (mast, top - 0.05)]
    p.form(polygon(x, y, flag), "second", where=p.has(0.4))
    hull: Points = [(-deck, -0.4), (deck + 0.04, -0.4), (deck * 0.68, keel), (-deck * 0.76, keel)]
    boat = p.form(polygon(x, y, hull, 0.02), "second")
    p.mark(box(x, y, 0.0, -0.43, 0.9, 0.035), "light", on=boat)


@subject("rocket", "vehicle", "pale", "cool", "warm")
def rocket(p: Pen) -> None:
    x, y = p.x, p.y
    width, fin = p.vary(0.22, 0.3), p.vary(0.16, 0.26)
    tall, sweep = p.vary(0.92, 1.04), p.vary(0.0, 0.14)
    flame, lean = p.vary(0.2, 0.3), p.pose(0.08)
    middle, tail = -0.26, -0.46
    fire = polygon(
        x, y, [(-width * 0.55, tail), (lean, tail - flame - 0.06), (width * 0.55, tail)], 0.02
    )
    p.form(fire, "accent")
    p.mark(
        polygon(
            x, y, [(-width * 0.3, tail), (lean * 0.5, tail - flame * 0.6), (width * 0.3, tail)]
        ),
        "light",
        on=fire,
    )
    u = np.abs(x)
    p.form(
        polygon(
            u,
            y,
            [(0.1, 0.02), (width + fin, -0.34 - sweep), (width + fin, -0.5 - sweep), (0.1, -0.44)],
            0.02,
        ),
        "accent",
    )
    p.form(box(x, y, 0.0, tail, width * 0.55, 0.06), "dark")
    radius = (tall * tall + width * width) / (2 * width)
    body = p.form(within(circle(u, y, width - radius, middle, radius), tail + 0.02 - y))
    p.coat(body, 0.0, -0.05, 0.4)
    nose = p.vary(0.3, 0.42)
    p.mark(nose - y, "accent", on=body)
    window = p.vary(0.08, 0.11)
    p.mark(circle(x, y, 0.0, 0.12, window + 0.035), "dark")
    p.mark(circle(x, y, 0.0, 0.12, window), "light")
    p.mark(circle(x, y, 0.0, -0.16, window * 0.7), "dark", where=p.has(0.4))


@subject("train", "vehicle", "bright", "grey", "yellow")
def train(p: Pen) -> None:
    """A steam engine."""
    x, y = p.x, p.y
    boiler, front = p.vary(0.18, 0.24), p.vary(0.52, 0.6)
    cab, roof = p.vary(0.18, 0.24), p.vary(0.34, 0.46)
    stack, place = p.vary(0.42, 0.56), p.vary(0.3, 0.4)
    puff = p.pose(0.04)
    smoke = p.has(0.6)
    p.form(circle(x, y, place - 0.14 + puff, 0.66, 0.11), "light", where=smoke)
    p.form(circle(x, y, place - 0.36 + puff, 0.7, 0.08), "light", where=smoke)
    funnel: Points = [
        (place - 0.06, 0.1),
        (place - 0.11, stack),
        (place + 0.11, stack),
        (place + 0.06, 0.1),
    ]
    p.form(polygon(x, y, funnel, 0.01), "dark")
    dome = p.vary(-0.05, 0.06)
    p.form(circle(x, y, dome, boiler, 0.1), "accent")
    tank = p.form(box(x, y, 0.05, 0.0, front, boiler, 0.06))
    house = p.form(box(x, y, -0.46, (roof - 0.3) / 2, cab, (roof + 0.3) / 2))
    p.coat(union(tank, house), 0.0, 0.0, 0.45)
    p.mark(box(x, y, -0.46, roof - 0.17, cab * 0.62, 0.11, 0.02), "light")
    p.form(box(x, y, -0.46, roof, cab + 0.08, 0.045, 0.02), "accent")
    p.form(polygon(x, y, [(0.5, -0.2), (0.78, -0.52), (0.5, -0.52)], 0.01), "accent")
    p.form(box(x, y, -0.04, -0.25, 0.66, 0.06), "second")
    wheel = p.vary(0.16, 0.2)
    wheels = union(
        circle(x, y, -0.46, -0.36, wheel),
        circle(x, y, -0.05, -0.36, wheel),
        circle(x, y, 0.34, -0.36, wheel),
    )
    p.form(wheels, "dark")
    p.mark(wheels + wheel * 0.6, "accent")


@subject("bicycle", "vehicle", "bright", "pale", "brown")
def bicycle(p: Pen) -> None:
    x, y = p.x, p.y
    wheel, apart = p.vary(0.27, 0.34), p.vary(0.43, 0.47)
    seat, bar = p.vary(0.34, 0.46), p.vary(0.4, 0.54)
    hub = -0.24
    tyre = p.vary(0.03, 0.045)
    for side in (-1, 1):
        p.form(ring(x, y, side * apart, hub, wheel, tyre), "dark")
    rear, crank = (-apart, hub), (p.vary(-0.1, -0.02), hub - 0.04)
    post, head = (p.vary(-0.26, -0.2), 0.16), (p.vary(0.22, 0.28), 0.22)
    stays = union(
        capsule(x, y, *rear, *crank, 0.03),
        capsule(x, y, *rear, *post, 0.03),
        capsule(x, y, apart, hub, head[0] - 0.03, bar, 0.035),
        capsule(x, y, crank[0], crank[1], post[0] - 0.05, seat, 0.03),
    )
    p.form(stays, "main")
    frame = p.form(polygon(x, y, [post, head, crank], 0.035))
    p.coat(frame, 0.0, 0.08, 0.24)
    p.form(capsule(x, y, post[0] - 0.17, seat, post[0] + 0.08, seat, 0.055, 0.03), "accent")
    grip = p.pose(0.03)
    p.form(capsule(x, y, head[0] - 0.12, bar + 0.04 + grip, head[0] + 0.06, bar, 0.035), "accent")
    p.form(circle(x, y, *crank, 0.075), "dark")
    for side in (-1, 1):
        p.form(circle(x, y, side * apart, hub, 0.05), "dark")


@subject("balloon", "vehicle", "bright", "pale", "brown")
def balloon(p: Pen) -> None:
    """A hot-air balloon."""
    x, y = p.x, p.y
    radius, stretch = p.vary(0.47, 0.54), p.vary(0.96, 1.08)
    mouth, throat = p.vary(0.11, 0.17), p.vary(-0.42, -0.34)
    basket, deep = p.vary(0.1, 0.14), p.vary(0.07, 0.1)
    sway = p.pose(0.05)
    middle = 0.76 - radius * stretch
    u = np.abs(x)
    p.form(capsule(u, y, mouth * 0.9, throat, basket * 0.9 + sway * 0.2, -0.62, 0.014), "dark")
    p.form(box(x, y, sway, -0.67, basket, deep, 0.02), "accent")
    p.mark(box(x, y, sway, -0.67 + deep, basket, 0.02), "dark")
    slope: Points = [
        (-0.3, throat),
        (mouth, throat),
        (radius * 0.82, middle - radius * 0.56),
        (-0.3, middle),
    ]
    bag = p.form(
        blend(ellipse(x, y, 0.0, middle, radius, radius * stretch), polygon(u, y, slope), 0.06)
    )
    p.coat(bag, 0.0, middle - 0.05, 0.48)
    line = np.abs(ellipse(x, y, 0.0, middle - 0.05, radius * 0.42, radius * stretch + 0.1))
    p.mark(line - 0.008, "dark", on=bag, where=p.has(0.5))
    p.mark(y - throat - p.vary(0.05, 0.12), "accent", on=bag)


@subject("plane", "vehicle", "pale", "cool", "warm")
def plane(p: Pen) -> None:
    """From above, nose up."""
    x, y = p.x, p.y
    girth, span = p.vary(0.1, 0.14), p.vary(0.66, 0.76)
    root, sweep = p.vary(0.14, 0.26), p.vary(0.1, 0.3)
    chord, tip = p.vary(0.26, 0.36), p.vary(0.1, 0.16)
    tail, bank = p.vary(0.24, 0.34), p.pose(0.03)
    u = np.abs(x - bank * y)
    engine, out = p.has(0.7), p.vary(0.3, 0.4)
    nacelle = root - sweep * out / 0.7 + 0.02
    p.form(capsule(u, y, out, nacelle, out, nacelle - 0.18, 0.055), "dark", where=engine)
    rear: Points = [(-0.1, -0.46), (tail, -0.62), (tail, -0.74), (-0.1, -0.66)]
    p.form(polygon(u, y, rear, 0.015), "accent")
    wing: Points = [
        (-0.1, root),
        (span, root - sweep - 0.06),
        (span, root - sweep - 0.06 - tip),
        (-0.1, root - chord),
    ]
    body = union(polygon(u, y, wing, 0.015), capsule(u, y, 0.0, 0.64, 0.0, -0.66, girth, 0.06))
    p.form(body)
    p.coat(body, 0.0, 0.02, 0.34)
    p.mark(span - 0.1 - u, "accent", on=body, where=p.has(0.5))
    p.mark(ellipse(u, y, 0.0, 0.58, girth * 0.62, 0.07), "dark", on=body)
    p.form(capsule(u, y, 0.0, -0.5, 0.0, -0.76, 0.028), "accent")
