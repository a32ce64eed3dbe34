"""Genres that see the drawing cell by cell: pixels, mosaic, glass, points, stitches."""

from __future__ import annotations

import numpy as np

from lorarium.world.colour import mix
from lorarium.world.styles.brush import Array, Brush, genre
from lorarium.world.styles.light import backdrop, bulge, hashed, line, noise, step, turned, wave
from lorarium.world.styles.palettes import DAY, NIGHT


def back(u: Array, v: Array, angle: Array) -> tuple[Array, Array]:
    """From turned coordinates to the screen's."""
    c, s = np.cos(angle), np.sin(angle)
    return c * u - s * v, s * u + c * v


def rim(b: Brush, cell: Array) -> Array:
    """The cells just inside the silhouette."""
    return ((b.d.solid < 0) & (b.d.solid > -0.55 * cell)).astype(np.float32)


def pixel_cells(b: Brush) -> tuple[Array, Array]:
    cell = b.knob("cell")
    snap = lambda t: (np.floor(t / cell) + 0.5) * cell  # noqa: E731
    return np.broadcast_to(snap(b.x), b.shape), np.broadcast_to(snap(b.y), b.shape)


@genre(
    "pixel",
    DAY + NIGHT,
    {
        "palette": (0.4, 0.9),
        "cell": (0.083, 0.13),
        "levels": (3.5, 8),
        "dither": (0, 0.16),
        "outline": (0, 1),
        "scan": (0, 0.1),
        "ground": (0, 1),
        "sun": (-1.2, 1.2),
        "bevel": (0, 1),
    },
    warp=pixel_cells,
    crisp=True,
)
def pixel(b: Brush) -> Array:
    """Large square pixels in few colours."""
    d, cell = b.d, b.knob("cell")
    i, j = np.floor(b.x / cell), np.floor(b.y / cell)
    field = backdrop(b, "ground")
    ground = mix(b.paper, b.hue(1), field * 0.7 * (np.hypot(b.x, b.y) < 9))
    picture = mix(ground, d.colour * (1 + 0.25 * bulge(b, b.knob("sun"), 0.2)), d.cover)
    check = ((i + j) % 2) - 0.5
    levels = np.round(b.knob("levels"))
    picture = (
        np.round((picture + b.knob("dither") * check * (0.3 + 0.7 * d.cover)) * levels) / levels
    )
    edge = (np.abs(d.solid) < cell * 0.55) * (b.knob("outline") > 0.45)
    picture = mix(picture, b.ink, edge.astype(np.float32))
    local = np.minimum(b.x / cell - i, b.y / cell - j)
    gap = (local < 0.24) * b.knob("scan")
    row = ((b.y / cell - j) < 0.4) * b.knob("scan")
    return picture * (1 - np.where(b.knob("bevel") > 0.5, gap, row))


def tile_cells(b: Brush) -> tuple[Array, Array]:
    _, _, centre_u, centre_v = _tiles(b)
    return back(centre_u, centre_v, b.knob("angle"))


def _tiles(b: Brush) -> tuple[Array, Array, Array, Array]:
    pitch, brick = b.knob("pitch"), b.knob("brick") > 0.5
    u, v = turned(b, b.knob("angle"))
    tall = pitch * b.knob("tall")
    row = np.floor(v / tall)
    push = np.where(brick, 0.5 * pitch * (row % 2), 0)
    column = np.floor((u + push) / pitch)
    return u, v, (column + 0.5) * pitch - push, (row + 0.5) * tall


@genre(
    "mosaic",
    DAY,
    {
        "palette": (0.2, 0.7),
        "pitch": (0.105, 0.16),
        "angle": (-0.8, 0.8),
        "grout": (0.005, 0.017),
        "brick": (0, 1),
        "uneven": (0.05, 0.25),
        "tall": (0.7, 1.2),
        "dark": (0, 1),
        "ground": (0, 1),
        "gloss": (0, 0.3),
    },
    warp=tile_cells,
    crisp=True,
)
def mosaic(b: Brush) -> Array:
    """Small tiles set in grout."""
    d, pitch = b.d, b.knob("pitch")
    u, v, cu, cv = _tiles(b)
    cell = hashed(
        np.round(cu / pitch * 2), np.round(cv / pitch * 2), (b.mood(6) * 9999).astype(np.int32)
    )
    ground = mix(b.paper, b.hue(1), 0.3 + 0.6 * backdrop(b, "ground"))
    tile = mix(ground, d.colour, d.cover) * (1 + b.knob("uneven") * (cell - 0.5) * 1.6)
    tile = mix(tile, b.ink, 0.6 * rim(b, pitch))
    gap = np.minimum(pitch * 0.5 - np.abs(u - cu), pitch * b.knob("tall") * 0.5 - np.abs(v - cv))
    tile = tile + b.knob("gloss") * np.clip((u - cu + v - cv) / pitch, -1, 1) * 0.8
    grout = np.where(b.knob("dark") > 0.5, b.ink, mix(b.paper, 1.0, 0.4))
    grout = mix(mix(tile, grout, 0.4), grout, d.cover)
    return mix(tile, grout, step(b, b.knob("grout") - gap))


def dot_cells(b: Brush) -> tuple[Array, Array]:
    _, cx, cy, _ = _dots(b)
    return cx, cy


def _dots(b: Brush) -> tuple[Array, Array, Array, Array]:
    """Distance to and centre of each pixel's nearest dot, and the dot's own number."""
    pitch, seed = b.knob("pitch"), (b.mood(6) * 9999).astype(np.int32)
    u, v = turned(b, b.knob("angle"))
    row, column = np.floor(v / pitch), np.floor(u / pitch)
    best = np.full(b.shape, 9.0, np.float32)
    cu, cv, own_hash = np.zeros_like(best), np.zeros_like(best), np.zeros_like(best)
    for di in (-1, 0, 1):
        for dj in (-1, 0, 1):
            h = hashed(column + di, row + dj, seed)
            k = hashed(row + dj, column + di, seed + 5)
            x = (column + di + 0.5 + b.knob("jitter") * (h - 0.5)) * pitch
            y = (row + dj + 0.5 + b.knob("jitter") * (k - 0.5)) * pitch
            away = np.hypot((u - x) / b.knob("long"), (v - y) * b.knob("long"))
            closer = away < best
            cu, cv = np.where(closer, x, cu), np.where(closer, y, cv)
            own_hash, best = np.where(closer, h, own_hash), np.minimum(best, away)
    return best, *back(cu, cv, b.knob("angle")), own_hash


@genre(
    "pointillist",
    DAY,
    {
        "palette": (0.1, 0.6),
        "pitch": (0.085, 0.14),
        "jitter": (0.35, 1),
        "size": (0.42, 0.66),
        "hue": (0.08, 0.32),
        "long": (1, 1.3),
        "angle": (-1.5, 1.5),
        "ground": (0, 1),
        "deep": (0, 1),
    },
    warp=dot_cells,
    crisp=True,
)
def pointillist(b: Brush) -> Array:
    """Dots of neighbouring hues."""
    d = b.d
    distance, _, _, own_hash = _dots(b)
    ground = mix(b.paper, b.hue(1), 0.35 + 0.5 * backdrop(b, "ground"))
    dot = mix(ground, d.colour * (1 + 0.2 * bulge(b, np.float32(0.6), 0.2)), d.cover)
    phase = own_hash[None] * 6.28 + np.array([0, 2.1, 4.2], np.float32)[:, None, None]
    dot = dot + b.knob("hue") * (0.25 + 0.35 * d.cover) * np.cos(phase)
    dot = mix(dot, b.ink, 0.55 * rim(b, b.knob("pitch")))
    gap = np.where(b.knob("deep") > 0.7, b.hue(2), mix(b.paper, 1.0, 0.5))
    gap = mix(mix(ground, gap, 0.35), mix(gap, d.colour, 0.7), d.cover)
    return mix(gap, dot, step(b, b.knob("size") * b.knob("pitch") - distance))


@genre(
    "glass",
    NIGHT + DAY[:4],
    {
        "palette": (0.05, 0.5),
        "lead": (0.05, 0.1),
        "pitch": (0.3, 0.55),
        "jitter": (0.2, 0.9),
        "glow": (0.1, 0.6),
        "uneven": (0.1, 0.4),
        "pane": (0, 1),
        "streak": (0, 0.25),
        "ring": (0, 1),
    },
)
def glass(b: Brush) -> Array:
    """Coloured panes in dark lead, lit from behind."""
    d, pitch = b.d, b.knob("pitch")
    seed = (b.mood(6) * 9999).astype(np.int32)
    i, j = np.floor(b.x / pitch), np.floor(b.y / pitch)
    best = np.full(b.shape, 9.0, np.float32)
    second = best.copy()
    own_hash = np.zeros(b.shape, np.float32)
    for di in (-1, 0, 1):
        for dj in (-1, 0, 1):
            h = hashed(i + di, j + dj, seed)
            k = hashed(j + dj, i + di, seed + 3)
            cx = (i + di + 0.5 + b.knob("jitter") * (h - 0.5)) * pitch
            cy = (j + dj + 0.5 + b.knob("jitter") * (k - 0.5)) * pitch
            away = np.hypot(b.x - cx, b.y - cy)
            closer = away < best
            second = np.where(closer, best, np.minimum(second, away))
            own_hash = np.where(closer, h, own_hash)
            best = np.minimum(best, away)
    seam = (second - best) * 0.5
    rays = wave(np.arctan2(b.x, b.y) + 0.2, np.float32(0.785)) * np.hypot(b.x, b.y)
    seam = np.where(b.knob("pane") > 0.66, rays, seam)
    own_hash = np.where(
        b.knob("pane") > 0.66,
        hashed(np.floor(np.arctan2(b.x, b.y) / 0.785 + 0.75), i * 0, seed),
        own_hash,
    )
    pane = np.stack([mix(b.hue(1)[c], b.hue(2)[c], own_hash) for c in range(3)])
    pane = mix(pane, b.hue(3), (own_hash > 0.75) * 0.8)
    colour_ = mix(pane, d.colour, d.cover) * (1 + b.knob("uneven") * (own_hash - 0.5) * 2)
    lit = 1.15 - b.knob("glow") * np.hypot(b.x - 0.3 * (b.mood(7) - 0.5), b.y - 0.2)
    streak = b.knob("streak") * noise(b, b.x * 0.4, b.y, 0.15, 1)
    colour_ = colour_ * (lit + streak)
    lead = np.maximum(line(b, b.knob("lead")), step(b, b.knob("lead") * 0.4 - seam) * (1 - d.cover))
    frame = np.hypot(b.x, b.y) - 0.95
    lead = np.maximum(lead, step(b, b.knob("lead") * 0.5 - np.abs(frame)) * (b.knob("ring") > 0.5))
    return mix(colour_, np.float32(0.06), lead)


def stitch_cells(b: Brush) -> tuple[Array, Array]:
    return pixel_cells(b)


@genre(
    "stitch",
    DAY + NIGHT[:3],
    {
        "palette": (0.2, 0.7),
        "cell": (0.084, 0.125),
        "thread": (0.6, 1.0),
        "kind": (0, 1),
        "cloth": (0, 0.35),
        "shine": (0.1, 0.5),
        "bare": (0, 1),
        "outline": (0, 1),
        "ground": (0, 1),
    },
    warp=stitch_cells,
    crisp=True,
)
def stitch(b: Brush) -> Array:
    """Crosses and slants of thread on woven cloth."""
    d, cell = b.d, b.knob("cell")
    u, v = b.x / cell - np.floor(b.x / cell) - 0.5, b.y / cell - np.floor(b.y / cell) - 0.5
    weave = 1 - b.knob("cloth") * (
        ((np.floor(b.x * 24) + np.floor(b.y * 24)) % 2) * 0.6 + 0.4 * (np.hypot(u, v) > 0.55)
    )
    cloth = mix(b.paper, b.hue(1), 0.4 * backdrop(b, "ground")) * weave
    kind = b.picks("kind", 2)
    half = b.knob("thread") * 0.36
    one, two = np.abs(u - v) * 0.7, np.abs(u + v) * 0.7
    reach = np.where(kind == 0, np.minimum(one, two), one)
    over = np.where(kind == 0, np.where(one < half, one, two), reach)
    on = step(b, (half - reach) * cell)
    thread = mix(mix(b.paper, b.hue(1), 0.5), d.colour, d.cover)
    thread = thread * (1.1 - b.knob("shine") * 2 * over / (half * 2))
    edge = (np.abs(d.solid) < cell * 0.55) * (b.knob("outline") > 0.5)
    thread = mix(thread, b.ink, edge.astype(np.float32))
    sewn = np.where(b.knob("bare") > 0.4, np.maximum(d.cover, edge), 1.0)
    return mix(cloth, thread, on * sewn)
