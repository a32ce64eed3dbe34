"""Genres printed in few inks: halftone, risograph, stencil."""

from __future__ import annotations

import numpy as np

from lorarium.world.colour import Value, mix
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
)
from lorarium.world.styles.palettes import DAY


def screen(b: Brush, dark: Array, angle: Value, pitch: Value, shape: Value) -> Array:
    """A printing screen: dots, diamonds or lines that grow with darkness."""
    u, v = turned(b, angle)
    u, v = wave(u, pitch), wave(v, pitch)
    radius = pitch * 0.66 * np.sqrt(np.clip(dark, 0, 1))
    reach = np.where(shape == 0, np.hypot(u, v), np.where(shape == 1, (u + v) * 0.8, v * 1.25))
    return step(b, radius - reach) * (dark > 0.03)


@genre(
    "halftone",
    DAY,
    {
        "palette": (0.4, 1),
        "angle": (0, 1.5),
        "pitch": (0.13, 0.22),
        "shape": (0, 1),
        "under": (0.25, 0.9),
        "gain": (0.6, 1.1),
        "slip": (0, 0.09),
        "sky": (0, 1),
        "second": (0, 1),
        "outline": (0.02, 0.055),
    },
)
def halftone(b: Brush) -> Array:
    """Tone from a screen of dots over flat, slipped colour."""
    d = b.d
    way = b.picks("sky", 3)
    sky = np.where(way == 1, 0.12 + 0.1 * b.y, np.where(way == 2, 0.16 * (b.y < -0.3), 0.05))
    dark = np.where(
        d.solid < 0, np.clip(0.9 - tone(b) - 0.3 * bulge(b, np.float32(0.6)), 0.1, 0.62), sky
    )
    colour_ = mix(
        b.paper,
        np.where(b.knob("second") > 0.5, b.hue(2), d.colour),
        b.knob("under") * shifted(b, d.cover, b.knob("slip"), -b.knob("slip")),
    )
    dots = screen(b, dark * b.knob("gain"), b.knob("angle"), b.knob("pitch"), b.picks("shape", 2))
    dots = np.maximum(dots, d.sign)
    return mix(colour_, b.ink, np.maximum(dots, line(b, b.knob("outline"))))


@genre(
    "risograph",
    DAY,
    {
        "palette": (0.2, 0.5),
        "slip": (0.03, 0.1),
        "way": (0, 6.28),
        "grain": (0.08, 0.6),
        "split": (0.4, 0.75),
        "lines": (0, 0.07),
        "screen": (0, 1),
        "pitch": (0.13, 0.22),
        "ground": (0, 1),
        "pair": (0, 1),
    },
)
def risograph(b: Brush) -> Array:
    """Two grainy, see-through inks that do not quite meet."""
    d = b.d
    pair = b.picks("pair", 3)
    one = np.where(pair == 0, b.hue(2), np.where(pair == 1, b.hue(3), b.hue(1)))
    two = np.where(pair == 0, b.hue(3), np.where(pair == 1, b.hue(4), b.hue(2)))
    light = tone(b)
    dx, dy = b.knob("slip") * np.cos(b.knob("way")), b.knob("slip") * np.sin(b.knob("way"))
    grain = 1 - b.knob("grain") * np.clip(noise(b, b.x, b.y, 0.05, 1) + 0.2, 0, 1)
    first = d.cover * np.where(light < b.knob("split") + 0.15, 0.95, 0.45)
    dark = d.cover * np.clip((b.knob("split") - light) * 5 + 0.4, 0, 1)
    dark = np.where(
        b.knob("screen") > 0.5,
        screen(b, dark * 0.8, np.float32(0.6), b.knob("pitch"), np.float32(2)),
        dark,
    )
    dark = np.maximum(dark, line(b, b.knob("lines")) * (b.knob("lines") > 0.02))
    ground = 0.45 * backdrop(b, "ground") * (1 - d.cover)
    first = shifted(b, np.maximum(first, ground), dx, dy)
    paper = np.maximum(b.paper, 0.88)
    return paper * (1 - first * grain * (1 - one)) * (1 - dark * grain * (1 - two))


@genre(
    "stencil",
    DAY,
    {
        "palette": (1, 1),
        "cut": (0.35, 0.6),
        "tones": (0, 1),
        "rough": (0, 0.16),
        "spray": (0, 0.5),
        "fall": (0, 0.16),
        "way": (0, 6.28),
        "sun": (-1.2, 1.2),
        "wall": (0, 1),
        "bridge": (0, 0.06),
    },
)
def stencil(b: Brush) -> Array:
    """Two or three flat tones sprayed through a cut mask."""
    d = b.d
    rough = b.knob("rough") * noise(b, b.x, b.y, 0.16, 1)
    light = tone(b) + 0.25 * bulge(b, b.knob("sun")) + rough
    dark = step(b, (b.knob("cut") - light) * 0.5) * d.cover
    mid = (
        np.where(b.knob("tones") > 0.5, step(b, (b.knob("cut") + 0.25 - light) * 0.5), 1.0)
        * d.cover
    )
    gap = step(b, b.knob("bridge") * 0.5 - d.edge) * (b.knob("bridge") > 0.015) * d.cover
    ground = mix(b.paper, b.hue(1), 0.5 * backdrop(b, "wall"))
    dx, dy = b.knob("fall") * np.cos(b.knob("way")), b.knob("fall") * np.sin(b.knob("way"))
    drop = shifted(b, d.cover, dx, dy) * (b.knob("fall") > 0.05)
    picture = mix(ground, b.hue(3), 0.8 * drop)
    mist = (
        np.exp(-np.clip(d.solid, 0, None) / 0.13)
        * b.knob("spray")
        * np.clip(0.6 + noise(b, b.x, b.y, 0.06, 2), 0, 1)
    )
    picture = mix(picture, b.hue(2), mist * (1 - d.cover))
    picture = mix(picture, b.hue(2), mid * (1 - gap))
    picture = mix(picture, b.paper, d.cover * (1 - mid) * 0.9)
    return mix(picture, b.ink, dark * (1 - gap))
