"""Genres that fill forms with colour."""

from __future__ import annotations

import numpy as np

from lorarium.world.colour import mix
from lorarium.world.styles.brush import Array, Brush, genre
from lorarium.world.styles.light import (
    backdrop,
    bulge,
    line,
    noise,
    shifted,
    step,
    turned,
    wave,
)
from lorarium.world.styles.palettes import DAY, NIGHT


def keep(b: Brush, colours: Array) -> Array:
    return colours


@genre(
    "photo",
    DAY,
    {
        "sun": (-1.2, 1.2),
        "depth": (0.1, 0.45),
        "shadow": (0.1, 0.4),
        "ground": (0, 1),
        "tone": (-0.05, 0.05),
    },
    recolour=keep,
)
def photo(b: Brush) -> Array:
    """Plain colours in soft light on a plain ground: the neutral genre."""
    d = b.d
    ground = mix(b.paper, b.hue(1), 0.5 * backdrop(b, "ground"))
    fall = np.clip(1 - d.solid / 0.25, 0, 1) ** 2 * (1 - d.cover) * b.knob("shadow") * 0.6
    light = 1 + b.knob("depth") * bulge(b, b.knob("sun"))
    shaded = d.colour * light
    return mix(ground * (1 - fall), shaded, d.cover) + b.knob("tone")


@genre(
    "papercut",
    DAY,
    {
        "palette": (0.3, 0.85),
        "sun": (-1.2, 1.2),
        "fall": (0.04, 0.13),
        "shade": (0.25, 0.6),
        "rim": (0, 0.5),
        "fibre": (0, 0.16),
        "rings": (0, 1),
        "pitch": (0.28, 0.6),
    },
)
def papercut(b: Brush) -> Array:
    """Cut paper in layers that throw shadows on each other."""
    d, sun = b.d, b.knob("sun")
    dx, dy = -np.sin(sun) * b.knob("fall"), -np.cos(sun) * b.knob("fall")
    which = b.picks("rings", 4)
    rings = np.where(
        which == 0,
        np.hypot(b.x, b.y + 0.2),
        np.where(
            which == 1,
            b.y + 0.25 * np.sin(b.x * 3 + 6 * b.mood(6)),
            np.where(
                which == 2, np.abs(b.x) + np.abs(b.y), b.x * 0.8 - b.y + 0.15 * np.sin(b.y * 5)
            ),
        ),
    )
    level = rings / b.knob("pitch")
    deep = level - np.floor(level)
    ground = mix(b.paper, b.hue(1), np.clip(np.floor(level) * 0.22 + 0.3, 0, 0.9))
    ground = ground * (
        1 - b.knob("shade") * 0.8 * np.clip(1 - deep * b.knob("pitch") / b.knob("fall"), 0, 1)
    )
    ground = ground * (1 - b.knob("shade") * shifted(b, d.cover, dx, dy))
    lip = d.inside / b.knob("fall")
    body = d.colour * (
        1 + b.knob("rim") * np.clip(1 - lip * 1.6, 0, 1) * (bulge(b, sun, 0.05) + 0.3)
    )
    body = body * (1 - b.knob("shade") * shifted(b, line(b, 0.02), dx * 0.5, dy * 0.5) * 0.7)
    fibre = noise(b, b.x, b.y, 0.07, 1, octaves=2)
    return mix(ground, body, d.cover) + b.knob("fibre") * fibre * 0.5


@genre(
    "comic",
    DAY,
    {
        "palette": (0.1, 0.6),
        "width": (0.05, 0.12),
        "sun": (-1.2, 1.2),
        "shade": (0.25, 0.6),
        "dots": (0.12, 0.2),
        "screen": (0, 1),
        "rays": (5, 14),
        "burst": (0, 1),
        "gloss": (0, 1),
    },
)
def comic(b: Brush) -> Array:
    """Bold outlines, flat colours, a hard shadow and a burst behind."""
    d = b.d
    turn = np.arctan2(b.x - 0.3 * (b.mood(6) - 0.5), b.y + 0.2)
    way = b.picks("burst", 3)
    rays = np.sin(turn * np.round(b.knob("rays")) + 6.28 * b.mood(7)) > 0
    rings = np.sin(np.hypot(b.x, b.y) * np.round(b.knob("rays")) * 1.3) > 0
    burst = np.where(way == 0, rays, np.where(way == 1, rings, False)).astype(np.float32)
    ground = mix(b.paper, b.hue(1), burst * 0.8)
    u, v = turned(b, np.float32(0.6))
    dots = np.hypot(wave(u, b.knob("dots")), wave(v, b.knob("dots"))) - b.knob("dots") * 0.33
    shade = np.clip(-bulge(b, b.knob("sun")) * 4 - 0.4, 0, 1)
    shade = np.where(b.knob("screen") > 0.5, shade * step(b, -dots), shade)
    body = d.colour * (1 - b.knob("shade") * shade)
    body = mix(
        body,
        1.0,
        0.7 * (b.knob("gloss") > 0.5) * np.clip(bulge(b, b.knob("sun"), 0.07) * 5 - 2.2, 0, 1),
    )
    picture = mix(ground, body, d.cover)
    outer = step(b, b.knob("width") * 0.5 - np.abs(d.solid - b.knob("width") * 0.3))
    return mix(picture, b.ink, np.maximum(line(b, b.knob("width") * 0.7), outer))


@genre(
    "neon",
    NIGHT,
    {
        "palette": (0.1, 0.8),
        "width": (0.035, 0.085),
        "glow": (0.35, 1.0),
        "fall": (0.06, 0.2),
        "core": (0.2, 1.0),
        "wall": (0, 1),
        "pitch": (0.22, 0.4),
        "fill": (0, 0.25),
        "twin": (0, 1),
    },
)
def neon(b: Brush) -> Array:
    """Glowing tubes along the lines, in the dark."""
    d = b.d
    wall = b.picks("wall", 4)
    pitch = b.knob("pitch")
    row = np.floor(b.y / pitch)
    bricks = np.minimum(wave(b.y, pitch), wave(b.x + 0.5 * pitch * 1.8 * (row % 2), pitch * 1.8))
    planks = wave(b.x, pitch)
    seam = np.where(
        wall == 0, 1.0, np.where(wall == 1, bricks, np.where(wall == 2, planks, wave(b.y, pitch)))
    )
    ground = b.paper * (1 - 0.55 * step(b, 0.022 - seam))
    tube = np.where(
        b.knob("twin") > 0.6, b.hue(3), np.where(b.knob("twin") > 0.3, b.hue(2), b.d.colour)
    )
    tube = tube / (tube.max(0) + 0.05)
    edge = d.edge
    near = np.exp(-edge / b.knob("fall")) * b.knob("glow")
    lit = (
        ground
        + tube * near * (0.75 + 0.25 * d.cover)
        + ground * tube * 2 * np.exp(-np.abs(d.solid) / 0.5)
    )
    lit = lit + tube * np.maximum(d.cover * b.knob("fill"), 0.8 * d.sign)
    body = line(b, b.knob("width"))
    return mix(lit, mix(tube, 1.0, b.knob("core") * line(b, b.knob("width") * 0.6)), body)
