"""The genres of the world: how a drawing becomes a picture.

A genre is three functions of a `Brush` (a batch of pictures by artists of that genre):
`recolour` maps a subject's colours, `warp` bends the paper before the subject is drawn on it,
`paint` turns the drawing's fields into colours. The artist's own hand is a vector of numbers
that the genre reads by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lorarium.world import colour
from lorarium.world.pen import Drawing
from lorarium.world.styles.palettes import PALETTES

Array = np.ndarray
Knobs = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Genre:
    name: str
    palettes: tuple[str, ...]
    knobs: Knobs
    paint: Callable[[Brush], Array]
    recolour: Callable[[Brush, Array], Array]
    warp: Callable[[Brush], tuple[Array, Array]]
    crisp: bool = False  # hard edges: the genre samples its drawing in cells


GENRES: dict[str, Genre] = {}


def genre(
    name: str,
    palettes: tuple[str, ...],
    knobs: Knobs,
    *,
    recolour: Callable[[Brush, Array], Array] | None = None,
    warp: Callable[[Brush], tuple[Array, Array]] | None = None,
    crisp: bool = False,
) -> Callable[[Callable[[Brush], Array]], Callable[[Brush], Array]]:
    """Register a genre under its word."""

    def register(paint: Callable[[Brush], Array]) -> Callable[[Brush], Array]:
        GENRES[name] = Genre(name, palettes, knobs, paint, recolour or toned, warp or still, crisp)
        return paint

    return register


def toned(b: Brush, colours: Array) -> Array:
    """Pull each colour towards the artist's palette at the same lightness."""
    return colour.mix(colours, b.ramp(colour.lightness(colours)), b.knob("palette")[..., None])


def apart(colours: Array, ground: Array, gap: float = 0.3) -> Array:
    """Colours moved in lightness until they stand out from the ground: cells are too coarse
    for outlines."""
    difference = colour.lightness(colours) - colour.lightness(ground)
    way = np.where(colour.lightness(ground) > 0.5, -1, 1)
    short = np.clip(gap - difference * way, 0, gap)
    return colours + (short * way)[..., None]


def still(b: Brush) -> tuple[Array, Array]:
    return np.broadcast_to(b.x, b.shape), np.broadcast_to(b.y, b.shape)


class Brush:
    """A batch of pictures in one genre: the artists' hands, the day's mood, the paper."""

    GENES = 24

    def __init__(
        self, genre: Genre, hands: Array, mood: Array, size: int, x: Array, y: Array
    ) -> None:
        self.genre, self.size, self.x, self.y = genre, size, x, y
        self.shape = (len(hands), x.shape[1])
        self._hands, self._mood = hands, mood
        pixel = 1e-3 if genre.crisp else 2 / size
        self.pixel = np.full((len(hands), 1), pixel, np.float32)
        self._columns = {name: 6 + i for i, name in enumerate(genre.knobs)}
        self._palette = self._choose_palette()
        self.d: Drawing

    # the artist

    def knob(self, name: str) -> Array:
        """An artist's own number, (n, 1), in the genre's range."""
        low, high = self.genre.knobs[name]
        i = self._columns[name]
        return low + (high - low) * self._hands[:, i : i + 1]

    def picks(self, name: str, count: int) -> Array:
        """An artist's own choice among `count` ways, (n, 1) int; the knob's range is ignored."""
        i = self._columns[name]
        return np.minimum((self._hands[:, i : i + 1] * count).astype(np.int32), count - 1)

    # the day

    def mood(self, i: int) -> Array:
        """A number from 0 to 1 that changes from picture to picture, (n, 1)."""
        return self._mood[:, i : i + 1]

    # colours: `paper`, `ink` and three between, each (3, n, 1)

    def _choose_palette(self) -> Array:
        """The genre's artists share its palettes; each has two favourites among them."""
        names = self.genre.palettes
        count = len(names)
        first = (self._hands[:, 0] * count).astype(int) % count
        second = (self._hands[:, 1] * count).astype(int) % count
        any_ = (self._mood[:, 1] * count).astype(int) % count
        chance = self._mood[:, 0]
        pick = np.where(chance < 0.2, first, np.where(chance < 0.4, second, any_))
        base = np.stack([PALETTES[n] for n in names])[pick]  # (n, 5, 3)
        shift = (self._mood[:, None, 2:5] - 0.5) * 0.16
        return np.clip(base + shift, 0, 1).astype(np.float32)

    @property
    def paper(self) -> Array:
        return self.hue(0)

    @property
    def ink(self) -> Array:
        return self.hue(4)

    def hue(self, i: int) -> Array:
        """Colour i of the palette from paper (0) to ink (4), (3, n, 1)."""
        return self._palette[:, i].T[:, :, None]

    def ramp(self, light: Array) -> Array:
        """Palette colours (n, k, 3) for lightnesses (n, k)."""
        order = np.argsort(colour.lightness(self._palette), axis=1)
        stops = np.take_along_axis(self._palette, order[..., None], 1)
        levels = np.take_along_axis(colour.lightness(self._palette), order, 1)
        out = np.empty((*light.shape, 3), np.float32)
        for i in range(len(light)):
            for c in range(3):
                out[i, :, c] = np.interp(light[i], levels[i], stops[i, :, c])
        return out

    # work

    def recolour(self, colours: Array) -> Array:
        """A subject's slots and, last, the background, (n, slots + 1, 3)."""
        toned = self.genre.recolour(self, colours)
        ground = self._palette[:, :1]
        if self.genre.crisp:
            toned = apart(toned, ground)
        return np.clip(np.concatenate([toned, ground], 1), 0, 1).astype(np.float32)

    def warp(self) -> tuple[Array, Array]:
        return self.genre.warp(self)

    def see(self, drawing: Drawing) -> None:
        self.d = drawing

    def paint(self) -> Array:
        return self.genre.paint(self)
