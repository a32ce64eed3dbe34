"""What several genres share: shading from depth, backdrops, noise, paper grain."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from lorarium.world.colour import Value, lightness
from lorarium.world.styles.brush import Array, Brush

TILE = 256


def bulge(b: Brush, sun: Value, soft: float = 0.12) -> Array:
    """Light on rounded forms, about -1 (away from the sun) to 1, 0 outside; `sun` is its angle."""
    n, size = b.shape[0], b.size
    height = np.minimum(b.d.inside, soft).reshape(n, size, size) / soft
    height = height * (2 - height)
    gx = np.zeros_like(height)
    gy = np.zeros_like(height)
    gx[:, :, 1:-1] = height[:, :, 2:] - height[:, :, :-2]
    gy[:, 1:-1] = height[:, :-2] - height[:, 2:]
    gain = size / 24
    across = (
        -(gx.reshape(b.shape) * np.sin(sun) + gy.reshape(b.shape) * np.cos(sun)) * gain * soft * 2
    )
    return np.clip(across, -1, 1) * b.d.cover


def backdrop(b: Brush, knob: str) -> Array:
    """A field from 0 to 1 behind the subject; each artist keeps to one of six kinds."""
    kind = b.picks(knob, 6)
    x, y = b.x, b.y
    swing = b.mood(6) - 0.5
    fields = (
        lambda: np.zeros_like(x),
        lambda: 0.5 + 0.5 * (y + swing * x),
        lambda: np.clip((np.hypot(x, y) - 0.5) * 1.1, 0, 1),
        lambda: (y + 0.45 + 0.2 * swing < 0).astype(np.float32),
        lambda: (np.hypot(x - 0.2 * swing, y) < 0.88).astype(np.float32),
        lambda: 0.5 + 0.5 * np.sign(np.sin((x * 0.8 + y) * 5 + 6 * swing)),
    )
    out = np.zeros(b.shape, np.float32)
    for k, field in enumerate(fields):
        rows = np.flatnonzero(kind[:, 0] == k)
        if len(rows) and k:
            out[rows] = np.broadcast_to(field(), b.shape)[rows]
    return out


@lru_cache(maxsize=4)
def _noise_tile(octaves: int) -> Array:
    """A tile of smooth noise that wraps around, mean 0, about -1 to 1."""
    random = np.random.Generator(np.random.SFC64(7))
    spectrum = np.fft.rfft2(random.standard_normal((TILE, TILE)))
    fx = np.fft.fftfreq(TILE)[:, None] * TILE
    fy = np.fft.rfftfreq(TILE)[None] * TILE
    frequency = np.hypot(fx, fy)
    band = np.exp(-((frequency / 16) ** 2)) if octaves == 1 else 1 / (1 + (frequency / 10) ** 1.6)
    band[0, 0] = 0
    tile = np.fft.irfft2(spectrum * band, s=(TILE, TILE))
    return np.clip(tile / (2 * tile.std()), -1.5, 1.5).astype(np.float32)


def noise(b: Brush, x: Array, y: Array, grain: Value, which: int, octaves: int = 1) -> Array:
    """Noise at coordinates, features about `grain` wide; another place of it for each picture."""
    scale = 16 / np.asarray(grain, np.float32)
    i = (x * scale + (b.mood(8 + which % 6) * 4096 + which * 57)).astype(np.int32) & (TILE - 1)
    j = (y * scale + (b.mood(9 + which % 5) * 4096 + which * 91)).astype(np.int32) & (TILE - 1)
    return _noise_tile(octaves)[i, j]


def line(b: Brush, width: Value, edge: Array | None = None) -> Array:
    """Coverage of the drawing's lines, `width` thick."""
    edge = b.d.edge if edge is None else edge
    return np.clip(0.5 + (width * 0.5 - edge) * (b.size / 2), 0, 1)


def step(b: Brush, field: Array, slope: Value = 1.0) -> Array:
    """1 where a field in screen units is positive, smoothed over one pixel."""
    return np.clip(0.5 + field * (b.size / 2) / slope, 0, 1)


def tone(b: Brush) -> Array:
    """Lightness of the flat colours, 0 to 1."""
    return lightness(b.d.colour, axis=0)


def turned(b: Brush, angle: Value) -> tuple[Array, Array]:
    """Screen coordinates along and across a direction."""
    c, s = np.cos(angle), np.sin(angle)
    return c * b.x + s * b.y, c * b.y - s * b.x


def wave(position: Value, pitch: Value) -> Array:
    """Distance to the nearest of parallel lines `pitch` apart."""
    return np.abs(position - pitch * np.round(position / pitch))


def shifted(b: Brush, field: Array, dx: Value, dy: Value) -> Array:
    """A field moved by whole pixels, each picture by its own way."""
    n, size = b.shape[0], b.size
    sx = np.round(np.broadcast_to(dx, (n, 1))[:, 0] * size / 2).astype(int)
    sy = np.round(np.broadcast_to(-dy, (n, 1))[:, 0] * size / 2).astype(int)
    grid = field.reshape(n, size, size)
    moved = [np.roll(grid[i], (sy[i], sx[i]), (0, 1)) for i in range(n)]
    return np.stack(moved).reshape(b.shape)


def wobble(b: Brush, amount: Value, grain: Value, which: int = 0) -> tuple[Array, Array]:
    """The paper's coordinates, bent by smooth noise."""
    x, y = np.broadcast_to(b.x, b.shape), np.broadcast_to(b.y, b.shape)
    return (
        x + amount * noise(b, x, y, grain, which),
        y + amount * noise(b, x, y, grain, which + 2),
    )


def hashed(i: Array, j: Array, which: Array | int = 0) -> Array:
    """A number from 0 to 1 for each cell of a grid."""
    mixed = (i.astype(np.int32) * 374761393 + j.astype(np.int32) * 668265263 + which) & 0x7FFFFFFF
    mixed = (mixed ^ (mixed >> 13)) * 1274126177 & 0x7FFFFFFF
    return ((mixed ^ (mixed >> 16)) & 0xFFFF).astype(np.float32) / 65535
