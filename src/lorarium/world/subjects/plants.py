"""Plants."""

from __future__ import annotations

import numpy as np

from lorarium.world.pen import Pen
from lorarium.world.shapes import (
    capsule,
    circle,
    ellipse,
    petals,
    polygon,
    star,
    union,
    within,
)
from lorarium.world.subjects.parts import drop, folded_x
from lorarium.world.subjects.registry import subject


@subject("tree", "plant", "foliage", "yellow", "brown")
def tree(p: Pen) -> None:
    """A trunk and a round crown."""
    x, y = p.x, p.y
    wide, tall = p.vary(0.46, 0.58), p.vary(0.42, 0.5)
    trunk, flare = p.vary(0.07, 0.11), p.vary(0.02, 0.1)
    lumps, depth = 8 + p.choose(4), p.vary(0.03, 0.11)
    sway = p.pose(0.05)
    foot = trunk + flare
    points = [(-foot, -0.76), (foot, -0.76), (trunk + sway, 0.0), (sway - trunk, 0.0)]
    p.form(polygon(x, y, points, 0.01), "accent")
    p.form(capsule(x, y, 0.0, -0.36, 0.3 + sway, -0.1, 0.045), "accent", where=p.has(0.5))
    u, v = x - sway, y - 0.22
    edge = depth * np.abs(np.cos(lumps * np.arctan2(u, v) / 2 + p.vary(0, 3.14)))
    crown = p.form(ellipse(u, v, 0.0, 0.0, wide, tall) - edge)
    p.coat(crown, sway, 0.22, 0.5)
    p.mark(ellipse(x, y, 0.0, -0.52, 0.04, 0.06), "dark", where=p.has(0.3))


@subject("fir", "plant", "green", "pale", "yellow")
def fir(p: Pen) -> None:
    """Three tiers on a short trunk."""
    x, y, z = p.x, p.y, folded_x(p)
    wide, narrow = p.vary(0.44, 0.58), p.vary(0.6, 0.72)
    drop_, sway = p.vary(0.02, 0.1), p.pose(0.05)
    trunk = p.vary(0.07, 0.1)
    p.form(polygon(x, y, [(-trunk, -0.76), (trunk, -0.76), (trunk, -0.3), (-trunk, -0.3)]), "dark")
    tiers = []
    for k, (low, top) in enumerate(((-0.54, 0.1), (-0.16, 0.42), (0.2, 0.74))):
        w, s = wide * narrow**k, sway * k
        tiers.append(polygon(x, y, [(s - w, low - drop_), (s + w, low - drop_), (s, top)], 0.02))
        p.form(tiers[-1])
    p.coat(union(*tiers), 0.0, -0.1, 0.5)
    p.form(star(x, y, 2 * sway, 0.7, p.vary(0.12, 0.16), 0.45, 5.0), "accent", where=p.has(0.3))
    balls = circle(z, y, wide * 0.5, -0.46, 0.055)
    p.mark(balls, "accent", where=p.has(0.3))


@subject("flower", "plant", "bloom", "yellow", "green")
def flower(p: Pen) -> None:
    x, y = p.x, p.y
    count, reach = 5.0 + p.choose(4), p.vary(0.24, 0.29)
    long, fat = p.vary(0.2, 0.25), p.vary(0.8, 1.0)
    sway, leaf = p.pose(0.05), p.vary(0.34, 0.46)
    up, high = p.vary(0.3, 0.7), p.vary(-0.62, -0.46)
    p.form(capsule(x, y, 0.0, -0.76, sway, 0.2, p.vary(0.035, 0.05)), "accent")
    p.form(drop(x, y, 0.0, -0.66, leaf, 0.09, up), "accent")
    p.form(drop(x, y, 0.0, high, leaf, 0.09, 3.1416 - up), "accent", where=p.has(0.7))
    width = reach * np.sin(np.pi / count) * 1.15 * fat
    bloom = p.form(petals(x, y, sway, 0.26, reach, width, long, count, p.vary(0, 1)))
    p.coat(bloom, sway, 0.26, 0.45)
    heart = p.vary(0.13, 0.18)
    p.form(circle(x, y, sway, 0.26, heart), "second")
    p.mark(circle(x, y, sway, 0.26, heart * 0.55), "dark", where=p.has(0.4))


@subject("cactus", "plant", "green", "yellow", "warm")
def cactus(p: Pen) -> None:
    """A column with two arms in a pot."""
    x, y = p.x, p.y + 0.03
    fat, top = p.vary(0.15, 0.2), p.vary(0.46, 0.58)
    arm, sway = p.vary(0.085, 0.115), p.pose(0.05)
    left, right = p.vary(-0.2, 0.1), p.vary(-0.2, 0.1)
    out = p.vary(0.38, 0.48)
    parts = [capsule(x, y, 0.0, -0.5, sway, top, fat)]
    for side, low, rise in ((-1, left, p.vary(0.16, 0.36)), (1, right, p.vary(0.16, 0.36))):
        parts.append(capsule(x, y, 0.0, low, side * out, low, arm))
        parts.append(capsule(x, y, side * out, low, side * out + sway, low + rise, arm))
    bud = petals(x, y, sway, top + fat, 0.06, 0.05, 0.075, 5.0)
    p.form(bud, "accent", where=p.has(0.4))
    body = p.form(union(*parts))
    p.coat(body, 0.0, 0.05, 0.45)
    pot = p.vary(0.26, 0.32)
    points = [(-pot, -0.4), (pot, -0.4), (pot * 0.75, -0.76), (-pot * 0.75, -0.76)]
    p.form(polygon(x, y, points, 0.01), "accent")
    p.form(capsule(x, y, -pot, -0.42, pot, -0.42, 0.06), "accent")


@subject("mushroom", "plant", "warm", "pale", "cream")
def mushroom(p: Pen) -> None:
    x, y = p.x, p.y
    wide, tall = p.vary(0.56, 0.7), p.vary(0.56, 0.72)
    stem, foot = p.vary(0.13, 0.19), p.vary(0.02, 0.1)
    lean, low = p.pose(0.05), p.vary(-0.08, 0.0)
    p.form(capsule(x, y, lean, low, 0.0, -0.5, stem, stem + foot), "accent")
    ring = capsule(x, y, -stem - 0.03, low - 0.24, stem + 0.03, low - 0.24, 0.05)
    p.form(ring, "accent", where=p.has(0.4))
    flat = within(ellipse(x, y, lean, low, wide, tall), low - y) - 0.02
    gills = ellipse(x, y, lean, low, wide * 0.97, p.vary(0.06, 0.12))
    p.form(gills, "accent")
    cap = p.form(flat)
    p.coat(cap, lean, low + 0.28, 0.45)


@subject("leaf", "plant", "foliage", "yellow", "foliage")
def leaf(p: Pen) -> None:
    """One pointed leaf with its veins."""
    x, y, z = p.x, p.y, folded_x(p)
    wide, top = p.vary(0.4, 0.52), p.vary(0.68, 0.76)
    low, belly = p.vary(-0.5, -0.42), p.vary(-0.1, 0.1)
    bend = p.pose(0.08)
    x = x - bend * y * y
    z = np.abs(x)
    half, mid = (top - low) / 2, (top + low) / 2
    t = np.clip((y - mid) / half, -1, 1)
    width = wide * (1 - t * t) * (1 - belly * 3 * t)
    p.form(capsule(x, y, 0.0, -0.78, 0.0, low + 0.1, 0.04), "accent")
    ends = np.maximum(np.abs(y - mid) - half, 0)
    blade = p.form(np.where(ends > 0, np.hypot(z, ends), (z - width) * 0.7))
    p.coat(blade, 0.0, mid, 0.5)
    p.mark(capsule(x, y, 0.0, low, 0.0, top - 0.12, 0.03, 0.015), "dark", on=blade)
    rise = p.vary(0.16, 0.3)
    for k in range(3):
        place = low + 0.2 + 0.26 * k
        p.mark(capsule(z, y, 0.0, place, wide, place + rise + 0.12, 0.016), "dark", on=blade)
