"""Land animals, seen from the side or from the front."""

from __future__ import annotations

from lorarium.world.pen import Pen
from lorarium.world.shapes import (
    arc,
    blend,
    box,
    capsule,
    circle,
    cut,
    ellipse,
    polygon,
    rotate,
    union,
)
from lorarium.world.subjects.parts import drop, eyes, folded_x, leaning
from lorarium.world.subjects.registry import subject


@subject("cat", "animal", "fur", "fur", "pink")
def cat(p: Pen) -> None:
    """A face from the front."""
    x, y, z = p.x, p.y, folded_x(p)
    width, height = p.vary(0.52, 0.64), p.vary(0.42, 0.52)
    ear, spread = p.vary(0.28, 0.42), p.vary(0.24, 0.36)
    tilt = p.pose(0.05)
    for side in (-1, 1):
        tip = (side * (spread + 0.14), height * 0.5 + ear + side * tilt)
        inner, outer = side * 0.08, side * width * 0.95
        p.form(polygon(x, y, [(inner, height * 0.6), tip, (outer, height * 0.1)], 0.03))
        inner, outer, tip = side * 0.21, side * width * 0.75, (tip[0] * 0.97, tip[1] - 0.1)
        p.mark(polygon(x, y, [(inner, height * 0.65), tip, (outer, height * 0.4)]), "accent")
    face = p.form(ellipse(x, y, 0.0, -0.1, width, height))
    p.coat(face, 0.0, -0.03, 0.5)
    eye, apart = p.vary(0.085, 0.12), p.vary(0.2, 0.27)
    p.mark(ellipse(z, y, apart, -0.02, eye, eye * 1.15), "light")
    p.mark(ellipse(z, y, apart, -0.02, eye * 0.45, eye * 0.95), "dark")
    p.mark(polygon(x, y, [(-0.07, -0.2), (0.07, -0.2), (0.0, -0.28)], 0.01), "accent")
    whisker = p.vary(0.32, 0.46)
    for lift in (-0.07, 0.03):
        end = -0.28 + lift * 1.6
        p.mark(capsule(z, y, 0.16, -0.26 + lift * 0.5, 0.24 + whisker, end, 0.01), "dark")


@subject("dog", "animal", "fur", "fur", "pink")
def dog(p: Pen) -> None:
    """A face from the front with hanging ears and a muzzle."""
    x, y, z = p.x, p.y, folded_x(p)
    width, jaw = p.vary(0.4, 0.48), p.vary(0.27, 0.35)
    ear, fat = p.vary(0.5, 0.66), p.vary(0.12, 0.17)
    flap, long = p.pose(0.07), p.vary(-0.5, -0.36)
    skull = ellipse(x, y, 0.0, 0.2, width, 0.44)
    head = p.form(blend(skull, ellipse(x, y, 0.0, long + 0.05, jaw, 0.26), 0.25))
    p.coat(head, 0.0, 0.2, 0.45)
    eye, apart = p.vary(0.065, 0.09), p.vary(0.14, 0.2)
    eyes(p, apart, 0.14, eye, 0.65)
    p.mark(capsule(x, y, 0.0, long, 0.0, long - 0.2, 0.085), "accent", where=p.has(0.5))
    p.mark(ellipse(z, y, jaw * 0.42, long + 0.08, jaw * 0.5, 0.14), "light")
    p.mark(ellipse(x, y, 0.0, long + 0.24, p.vary(0.1, 0.14), 0.085), "dark")
    top = width * 0.72
    for side in (-1, 1):
        tip, low = side * (top + 0.23) + flap, 0.4 - ear
        p.form(capsule(x, y, side * top, 0.46, tip, low, fat * 0.6, fat), "second")


@subject("rabbit", "animal", "fur", "fur", "pink")
def rabbit(p: Pen) -> None:
    """A face from the front with tall ears."""
    x, y, z = p.x, p.y, folded_x(p)
    width, height = p.vary(0.38, 0.48), p.vary(0.34, 0.42)
    ear, fat, spread = p.vary(0.78, 0.94), p.vary(0.11, 0.15), p.vary(0.02, 0.24)
    bend = p.pose(0.08)
    for side in (-1, 1):
        turn = 1.5708 - side * spread + bend
        p.form(drop(x, y, side * 0.19, -0.16, ear, fat, turn))
        p.mark(drop(x, y, side * 0.19, -0.02, ear * 0.75, fat * 0.5, turn), "accent")
    face = p.form(ellipse(x, y, 0.0, -0.35, width, height))
    p.coat(face, 0.0, -0.3, 0.4)
    eyes(p, p.vary(0.16, 0.22), -0.28, p.vary(0.065, 0.09), 0.7)
    cheek = p.vary(0.09, 0.13)
    p.mark(box(x, y, 0.0, -0.56, 0.055, 0.07), "light")
    p.mark(ellipse(z, y, cheek * 0.85, -0.46, cheek, 0.08), "light")
    p.mark(ellipse(x, y, 0.0, -0.4, 0.065, 0.045), "accent")


@subject("mouse", "animal", "grey", "pale", "pink")
def mouse(p: Pen) -> None:
    """From the side: a round ear, a pointed nose, a long thin tail."""
    x, y = p.x, p.y
    back, plump = p.vary(0.36, 0.42), p.vary(0.28, 0.36)
    nose, ear = p.vary(0.6, 0.7), p.vary(0.15, 0.21)
    swing, tail = p.pose(0.08), p.vary(0.2, 0.3)
    p.form(arc(x, y, -0.42, -0.3 + tail, tail, 0.035, -2.4 + swing, 1.15), "accent")
    for foot in (-0.25, 0.18):
        p.form(ellipse(x, y, foot, -0.36, 0.13, 0.06), "accent")
    snout = capsule(x, y, 0.22, -0.1, nose, -0.22, 0.22, 0.04)
    body = p.form(blend(ellipse(x, y, -0.1, -0.06, back, plump), snout, 0.15))
    p.coat(body, -0.1, -0.06, 0.4)
    p.form(circle(x, y, 0.18, 0.2, ear))
    p.mark(circle(x, y, 0.18, 0.2, ear * 0.62), "accent")
    p.mark(circle(x, y, 0.4, -0.07, p.vary(0.04, 0.055)), "dark")
    p.form(circle(x, y, nose + 0.02, -0.22, 0.055), "accent")


@subject("elephant", "animal", "grey", "pale", "pink")
def elephant(p: Pen) -> None:
    x, y = p.x, p.y
    back, tall = p.vary(0.38, 0.44), p.vary(0.28, 0.34)
    leg, head = p.vary(0.1, 0.13), p.vary(0.24, 0.29)
    swing, ear = p.pose(0.06), p.vary(0.17, 0.23)
    p.form(capsule(x, y, -0.52, 0.15, -0.66, -0.2 + swing, 0.025))
    legs = union(*(box(x, y, place, -0.38, leg, 0.27, 0.04) for place in (-0.42, 0.12)))
    body = p.form(blend(legs, ellipse(x, y, -0.16, 0.02, back, tall), 0.08))
    p.coat(body, -0.18, 0.0, 0.4)
    tusk = p.vary(0.1, 0.2)
    p.form(capsule(x, y, 0.42, -0.02, 0.5 + tusk, -0.14 + tusk * 0.3, 0.045, 0.015), "light")
    trunk = p.vary(0.09, 0.12)
    low = capsule(x, y, 0.52, 0.12, 0.56, -0.45, trunk * 1.25, trunk * 0.8)
    curl = capsule(x, y, 0.56, -0.45, 0.7, -0.5 + swing, trunk * 0.8, trunk * 0.65)
    p.form(union(circle(x, y, 0.32, 0.22, head), low, curl))
    p.form(leaning(x, y, 0.2, 0.18, ear * 1.3, ear, 1.75 + swing))
    p.mark(leaning(x, y, 0.2, 0.18, ear * 0.85, ear * 0.6, 1.75 + swing), "accent")
    p.mark(circle(x, y, 0.46, 0.24, p.vary(0.035, 0.05)), "dark")


@subject("snake", "animal", "green", "yellow", "warm")
def snake(p: Pen) -> None:
    """Three bends and a raised head."""
    x, y = p.x, p.y
    half, bend = p.vary(0.09, 0.125), p.vary(0.2, 0.225)
    low, neck = p.vary(-0.34, -0.26), p.vary(0.22, 0.34)
    nod, long = p.pose(0.05), p.vary(0.17, 0.23)
    end = 3 * bend
    bends = [
        arc(x, y, place * bend, low + up, bend, half, turn, 1.5708)
        for place, up, turn in ((-2, 0.0, -1.5708), (0, 0.0, 1.5708), (2, 0.0, -1.5708))
    ]
    tail = capsule(x, y, -end, low, -end - 0.02, low + p.vary(0.2, 0.36), half, 0.02)
    body = p.form(union(*bends, tail, capsule(x, y, end, low, end, neck, half)))
    p.coat(body, 0.0, low, 0.5)
    v = neck + nod + 0.06
    tongue = union(
        capsule(x, y, end, v, end - 0.34, v - 0.02, 0.02),
        capsule(x, y, end - 0.32, v - 0.02, end - 0.42, v + 0.05, 0.02),
        capsule(x, y, end - 0.32, v - 0.02, end - 0.42, v - 0.09, 0.02),
    )
    p.form(tongue, "accent")
    p.form(ellipse(x, y, end - 0.08, v, long, half * 1.25))
    p.eye(end - 0.1, v + 0.04, p.vary(0.05, 0.065))


@subject("turtle", "animal", "shell", "pale", "green")
def turtle(p: Pen) -> None:
    """From the side: a dome on four feet."""
    x, y = p.x, p.y - 0.06
    wide, dome = p.vary(0.46, 0.54), p.vary(0.54, 0.68)
    leg, head = p.vary(0.09, 0.12), p.vary(0.14, 0.18)
    nod, step = p.pose(0.06), p.pose(0.04)
    neck = p.vary(-0.02, 0.16)
    p.form(polygon(x, y, [(-0.4, -0.14), (-0.4, -0.3), (-0.74, -0.3)], 0.02), "accent")
    for place, move in ((-0.3, step), (0.3, -step)):
        p.form(capsule(x, y, place, -0.2, place + move, -0.46, leg), "accent")
    p.form(capsule(x, y, 0.4, -0.2, 0.62, neck + nod, 0.1, head), "accent")
    p.mark(circle(x, y, 0.66, neck + nod + 0.04, p.vary(0.035, 0.05)), "dark")
    shell = p.form(cut(ellipse(x, y, -0.06, -0.22, wide, dome), y + 0.2))
    p.coat(shell, -0.06, 0.02, 0.45)
    p.form(capsule(x, y, -0.06 - wide, -0.22, -0.06 + wide, -0.22, p.vary(0.05, 0.075)))


@subject("frog", "animal", "green", "yellow", "pink")
def frog(p: Pen) -> None:
    """Sitting, from the front."""
    x, y, z = p.x, p.y, folded_x(p)
    wide, high = p.vary(0.42, 0.5), p.vary(0.26, 0.32)
    bulge, apart = p.vary(0.15, 0.19), p.vary(0.25, 0.31)
    thigh, foot = p.vary(0.19, 0.25), p.vary(0.5, 0.6)
    lean = p.pose(0.04)
    p.form(leaning(z, y, 0.4, -0.34, thigh * 1.35, thigh, 1.9))
    p.form(capsule(z, y, 0.36, -0.58, foot, -0.6, 0.08), "main")
    head, eye = ellipse(x, y, lean, 0.14, wide, high), circle(z, y, apart, 0.42, bulge)
    p.form(eye)
    body = p.form(blend(head, ellipse(x, y, 0.0, -0.3, wide * 0.82, 0.34), 0.1))
    p.coat(body, 0.0, -0.05, 0.5)
    p.form(capsule(z, y, 0.12, -0.3, 0.12, -0.6, 0.065, 0.085))
    eyes(p, apart, 0.43, bulge * 0.7)
    smile = p.vary(0.26, 0.36)
    u, v = rotate(x - lean, y - 0.14 - smile, 0.0)
    p.mark(arc(u, v, 0.0, 0.0, smile + 0.08, 0.018, -1.5708, 0.75), "dark")
    p.mark(ellipse(z, y, wide * 0.68, 0.04, 0.07, 0.045), "accent", where=p.has(0.4))
