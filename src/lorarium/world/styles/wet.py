"""Genres of wet and soft colour: watercolour, pastel, oil."""

from __future__ import annotations

import numpy as np

from lorarium.world.colour import mix
from lorarium.world.styles.brush import Array, Brush, genre
from lorarium.world.styles.light import backdrop, bulge, line, noise, turned, wobble
from lorarium.world.styles.palettes import DAY, NIGHT


@genre(
    "watercolour",
    DAY,
    {
        "palette": (0.2, 0.7),
        "shake": (0.01, 0.06),
        "grain": (0.25, 0.6),
        "rim": (0.2, 1.0),
        "rim_width": (0.04, 0.12),
        "granules": (0.1, 0.6),
        "thin": (0.25, 0.65),
        "pencil": (0, 0.05),
        "bleed": (0, 0.3),
        "ground": (0, 1),
    },
    warp=lambda b: wobble(b, b.knob("shake"), b.knob("grain")),
)
def watercolour(b: Brush) -> Array:
    """Thin washes with dark rims and granules, bleeding into the paper."""
    d = b.d
    paper = np.maximum(b.paper, 0.9)
    sky = mix(
        paper,
        b.hue(1),
        0.45 * backdrop(b, "ground") * np.clip(0.7 + noise(b, b.x, b.y, 0.6, 2), 0, 1),
    )
    cloud = noise(b, b.x, b.y, 0.45, 1)
    density = 1 - b.knob("thin") * np.clip(0.55 + 0.8 * cloud, 0, 1)
    rim = b.knob("rim") * np.exp(-d.inside / b.knob("rim_width") * 1.5)
    density = density + rim * 0.7 + b.knob("granules") * 0.5 * noise(b, b.x, b.y, 0.06, 3)
    wash = paper * np.clip(1 - (1 - d.colour) * np.clip(density, 0, 1.6), 0, 1)
    bleed = np.exp(-np.clip(d.solid, 0, None) / 0.16) * b.knob("bleed") * np.clip(0.5 + cloud, 0, 1)
    sky = sky * (1 - bleed * (1 - b.hue(2)))
    picture = mix(sky, wash, d.cover)
    return mix(picture, b.ink, 0.75 * line(b, b.knob("pencil")) * (b.knob("pencil") > 0.018))


@genre(
    "pastel",
    (*DAY, "slate", "dusk"),
    {
        "palette": (0.3, 0.8),
        "soft": (0.04, 0.12),
        "grain": (0.07, 0.16),
        "tooth": (0.08, 0.32),
        "angle": (-1.5, 1.5),
        "long": (1.5, 5),
        "pale": (0, 0.4),
        "ground": (0, 1),
        "sun": (-1.2, 1.2),
        "light": (0.1, 0.5),
    },
)
def pastel(b: Brush) -> Array:
    """Soft, powdery forms rubbed into toothed paper."""
    d = b.d
    u, v = turned(b, b.knob("angle"))
    tooth = noise(b, u / b.knob("long"), v, b.knob("grain"), 1)
    ground = mix(b.paper, b.hue(1), 0.6 * backdrop(b, "ground"))
    soft = np.clip(0.5 - d.solid / b.knob("soft"), 0, 1)
    colour_ = mix(d.colour, 1.0, b.knob("pale")) * (
        1 + b.knob("light") * bulge(b, b.knob("sun"), 0.25)
    )
    near = np.clip(1 - d.solid / 0.4, 0, 1)
    halo = mix(ground, b.hue(2), 0.25 * near)
    picture = mix(halo, np.where(d.solid < 0, colour_, b.hue(2)), soft)
    picture = mix(picture, b.ink, 0.35 * np.exp(-((d.edge / 0.03) ** 2)) * d.cover)
    return picture + b.knob("tooth") * 0.45 * tooth


def smeared(b: Brush) -> tuple[Array, Array]:
    """Paint pulled along the strokes: neighbouring strokes carry it differently far."""
    u, v = _stroke(b)
    pull = noise(b, u / b.knob("long"), v, b.knob("wide"), 2) * b.knob("pull")
    across = noise(b, u, v, b.knob("wide") * 3, 4) * b.knob("pull") * 0.25
    c, s = np.cos(b.knob("angle")), np.sin(b.knob("angle"))
    return b.x + c * pull - s * across, b.y + s * pull + c * across


def _stroke(b: Brush) -> tuple[Array, Array]:
    """Coordinates along and across the strokes, which swirl."""
    u, v = turned(b, b.knob("angle"))
    bend = b.knob("curl") * noise(b, b.x, b.y, 1.2, 3)
    return u, v + bend


@genre(
    "oil",
    DAY + NIGHT[:2],
    {
        "palette": (0.1, 0.55),
        "long": (3, 7),
        "wide": (0.09, 0.17),
        "angle": (-1.5, 1.5),
        "curl": (0, 0.3),
        "pull": (0.05, 0.13),
        "ridge": (0.15, 0.5),
        "uneven": (0.1, 0.4),
        "ground": (0, 1),
        "sun": (-1.2, 1.2),
        "light": (0.15, 0.5),
    },
    warp=smeared,
)
def oil(b: Brush) -> Array:
    """Thick paint pulled by a brush, light catching its ridges."""
    d = b.d
    u, v = _stroke(b)
    stroke = noise(b, u / b.knob("long"), v, b.knob("wide"), 2)
    fine = noise(b, u / b.knob("long"), v, b.knob("wide") * 0.6, 1)
    ground = mix(b.paper, b.hue(1), np.clip(0.4 + 0.4 * backdrop(b, "ground") + 0.5 * stroke, 0, 1))
    ground = mix(ground, b.hue(2), 0.5 * np.clip(fine - 0.2, 0, 1))
    body = d.colour * (1 + b.knob("light") * bulge(b, b.knob("sun"), 0.25))
    picture = mix(ground, body, d.cover)
    hue = np.array([1, 0, -1], np.float32)[:, None, None]
    picture = picture * (1 + b.knob("uneven") * 0.5 * stroke) + b.knob("uneven") * 0.2 * hue * fine
    return picture + b.knob("ridge") * 0.35 * fine
