"""Genres made of lines: ink, hatching, blueprint, chalk, woodcut."""

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
    tone,
    turned,
    wave,
    wobble,
)
from lorarium.world.styles.palettes import DAY, NIGHT, PRINT


def shaky(b: Brush) -> tuple[Array, Array]:
    return wobble(b, b.knob("shake"), b.knob("grain"))


@genre(
    "ink",
    DAY,
    {
        "palette": (0.8, 1),
        "width": (0.03, 0.1),
        "shake": (0, 0.055),
        "grain": (0.3, 0.8),
        "press": (0, 1.2),
        "wash": (0, 0.75),
        "slip": (-0.1, 0.1),
        "black": (0, 0.3),
        "ground": (0, 1),
    },
    warp=shaky,
)
def ink(b: Brush) -> Array:
    """Brush lines of changing weight, some with a thin wash that slipped."""
    d = b.d
    width = b.knob("width") * (1 + b.knob("press") * noise(b, b.x, b.y, 0.5, 3))
    strokes = line(b, np.maximum(width, 0.012))
    ground = mix(b.paper, b.hue(1), 0.25 * backdrop(b, "ground"))
    wash = shifted(b, (1 - tone(b)) * d.cover, b.knob("slip"), b.knob("slip") * 0.6)
    picture = mix(ground, b.hue(2), b.knob("wash") * np.clip(wash * 1.3, 0, 1))
    solid = step(b, (b.knob("black") - tone(b)) * 0.4) * d.cover
    return mix(picture, b.ink, np.maximum(strokes, np.maximum(solid, d.sign)))


@genre(
    "hatching",
    DAY,
    {
        "palette": (0.7, 1),
        "angle": (-1.5, 1.5),
        "pitch": (0.1, 0.17),
        "cross": (0.5, 1.5),
        "weight": (0.22, 0.48),
        "outline": (0.022, 0.045),
        "bend": (0, 0.16),
        "sky": (0, 1),
        "twice": (0.25, 0.7),
    },
)
def hatching(b: Brush) -> Array:
    """Tone from parallel lines, darker ones crossed."""
    d, pitch = b.d, b.knob("pitch")
    dark = np.clip(1.05 - tone(b) - 0.35 * bulge(b, np.float32(0.7)), 0.12, 1) * d.cover
    sky = b.picks("sky", 3)
    dark = np.where(sky == 1, np.maximum(dark, 0.1 * (1 - d.cover)), dark)
    dark = np.where(sky == 2, np.maximum(dark, 0.16 * (1 - d.cover) * (b.y < -0.35)), dark)
    _, across = turned(b, b.knob("angle"))
    bend = b.knob("bend") * np.minimum(d.inside * 6, 1) + 0.015 * noise(b, b.x, b.y, 0.4, 2)
    first = step(b, pitch * 0.5 * b.knob("weight") * np.sqrt(dark) - wave(across + bend, pitch))
    _, across = turned(b, b.knob("angle") + b.knob("cross"))
    more = np.clip((dark - b.knob("twice")) / 0.4, 0, 1)
    second = step(
        b, pitch * 0.5 * b.knob("weight") * np.sqrt(more) - wave(across - bend, pitch)
    ) * (more > 0)
    lines = np.maximum(np.maximum(first, second) * (dark > 0.02), line(b, b.knob("outline")))
    return mix(b.paper, b.ink, np.maximum(lines, d.sign))


@genre(
    "blueprint",
    PRINT,
    {
        "palette": (1, 1),
        "width": (0.022, 0.06),
        "grid": (0.2, 0.5),
        "faint": (0.05, 0.4),
        "fine": (0, 1),
        "fill": (0, 0.3),
        "twin": (0.05, 0.14),
        "axis": (0, 1),
        "shake": (0, 0.012),
        "grain": (0.4, 0.6),
    },
    warp=shaky,
)
def blueprint(b: Brush) -> Array:
    """Thin pale lines and construction marks on a gridded sheet."""
    d, grid = b.d, b.knob("grid")
    sheet = np.minimum(wave(b.x, grid), wave(b.y, grid))
    lattice = step(b, 0.016 - sheet)
    dots = step(b, 0.035 - np.hypot(wave(b.x, grid), wave(b.y, grid)))
    lattice = np.where(
        b.knob("fine") > 0.65,
        dots,
        np.where(b.knob("fine") > 0.5, step(b, 0.016 - wave(b.y, grid)), lattice),
    )
    picture = mix(b.paper, b.hue(3), b.knob("faint") * lattice)
    hatch = step(b, 0.018 - wave(b.x + b.y, np.float32(0.17)))
    picture = mix(picture, b.hue(3), d.cover * b.knob("fill") * (0.5 + hatch))
    axis = b.picks("axis", 4)
    dashes = (np.sin((b.x + b.y) * 22) > -0.2) * (np.hypot(b.x, b.y) < 0.93)
    cross = np.minimum(np.abs(b.x), np.abs(b.y))
    ring = np.abs(np.hypot(b.x, b.y) - 0.86)
    frame = np.abs(np.maximum(np.abs(b.x), np.abs(b.y)) - 0.86)
    mark = np.where(axis == 1, cross, np.where(axis == 2, ring, np.where(axis == 3, frame, 1.0)))
    picture = mix(picture, b.hue(3), 0.7 * step(b, 0.014 - mark) * np.where(axis == 1, dashes, 1))
    twin = step(b, 0.013 - np.abs(d.solid - b.knob("twin"))) * (b.knob("twin") > 0.08) * 0.7
    picture = mix(picture, b.ink, 0.85 * d.sign)
    return mix(picture, b.ink, np.maximum(line(b, b.knob("width")), twin))


@genre(
    "chalk",
    NIGHT,
    {
        "palette": (0.3, 0.8),
        "width": (0.035, 0.13),
        "grain": (0.05, 0.17),
        "rub": (0.1, 0.55),
        "fill": (0.0, 0.95),
        "angle": (-1.5, 1.5),
        "dust": (0, 0.5),
        "shake": (0.01, 0.03),
        "pale": (0.0, 0.75),
        "wiped": (0, 1),
    },
    warp=lambda b: wobble(b, b.knob("shake"), 0.4),
)
def chalk(b: Brush) -> Array:
    """Dry, broken strokes on a dark board."""
    d = b.d
    u, v = turned(b, b.knob("angle"))
    tooth = noise(b, u * 0.4, v, b.knob("grain"), 1)
    dust = noise(b, b.x, b.y, 0.6, 2)
    board = b.paper + b.knob("dust") * 0.3 * np.clip(dust, 0, 1)
    board = mix(board, b.hue(1), 0.5 * backdrop(b, "wiped"))
    hue = mix(d.colour / (d.colour.max(0) + 0.15), b.ink, b.knob("pale"))
    fill = d.cover * b.knob("fill") * np.clip(1.0 - b.knob("rub") + tooth * 0.7, 0, 1) * 0.8
    picture = mix(board, hue, fill * (1 - d.sign))
    picture = mix(picture, b.ink, 0.85 * d.sign * np.clip(1.2 + tooth * 0.5, 0, 1))
    stroke = line(b, b.knob("width")) * np.clip(1.25 - b.knob("rub") + tooth * 0.9, 0, 1)
    return mix(picture, mix(hue, b.ink, 0.5), stroke)


@genre(
    "woodcut",
    DAY,
    {
        "palette": (0.5, 1),
        "pitch": (0.13, 0.23),
        "flow": (0, 1),
        "angle": (-1.5, 1.5),
        "bite": (0.2, 0.65),
        "sky": (0, 1),
        "shake": (0, 0.03),
        "tint": (0, 1),
        "border": (0.03, 0.09),
    },
    warp=lambda b: wobble(b, b.knob("shake"), 0.35),
)
def woodcut(b: Brush) -> Array:
    """Black blocks, light carved out in tapering cuts that follow the form."""
    d, pitch = b.d, b.knob("pitch")
    _, across = turned(b, b.knob("angle"))
    across = across + 0.03 * noise(b, b.x, b.y, 0.5, 1)
    follow = np.where(b.knob("flow") > 0.5, d.inside, across)
    light = np.clip(tone(b) + 0.4 * bulge(b, np.float32(-0.7)) - b.knob("bite") * 0.5, 0.0, 1)
    cut = step(b, wave(follow, pitch) - pitch * 0.5 * (1 - light)) * (light > 0.08)
    block = 1 - cut
    sky = b.picks("sky", 4)
    rows = step(b, 0.028 - wave(b.y + 0.04 * np.sin(b.x * 4), pitch * 1.3))
    turn = np.arctan2(b.x - 0.7, b.y - 0.7)
    rays = step(b, 0.02 - wave(turn, np.float32(0.26)))
    behind = np.where(sky == 1, rows, np.where(sky == 2, rays, np.where(sky == 3, 1.0, 0.0)))
    halo = step(b, d.solid - b.knob("border"))
    behind = np.where(sky == 3, halo, behind * halo)
    black = np.where(d.solid < 0, block, behind)
    black = np.maximum(black, line(b, b.knob("border")) * (sky != 3))
    ground = mix(b.paper, b.hue(1), 0.7 * (b.knob("tint") > 0.5) * d.cover)
    return mix(ground, b.ink, black)
