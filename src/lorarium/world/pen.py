"""The pen that subjects are drawn with: parts in painter's order, kept as a few fields.

A style never sees shapes. It sees a `Drawing`: how far each pixel is from the silhouette, from
the nearest visible line and from the border of the form it lies in, and the flat colour there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lorarium.world import shapes
from lorarium.world.emblems import emblem

Array = np.ndarray
SLOTS = ("main", "second", "accent", "dark", "light", "emblem")
MARKS = ("plain", "spotted", "striped", "banded", "patched", "speckled")
FAR = 9.0
GENES = 24  # of a body; colours and marks have their own
POSES = 4
SHAPE_SPREAD = 0.3  # how far individuals of a class differ in shape: outlines must not name them


@dataclass
class Drawing:
    """Fields over (pictures, pixels), distances in screen units (the picture is 2 wide)."""

    solid: Array  # signed distance to the silhouette, negative inside
    edge: Array  # distance to the nearest visible line
    inside: Array  # depth inside the topmost form, 0 outside
    colour: Array  # (3, n, p): flat colour, background where nothing is drawn
    cover: Array  # coverage of the silhouette, 0 to 1
    sign: Array  # coverage of the emblem where it shows, 0 to 1: line art fills it


class Pen:
    """Draws a batch of individuals of one class.

    `x` (right) and `y` (up) are the pixels in the subject's own frame, about -0.8 to 0.8.
    """

    def __init__(
        self,
        x: Array,
        y: Array,
        genes: Array,
        marks: Array,
        emblems: Array,
        pose: Array,
        colours: Array,
        scale: Array,
        pixel: Array,
    ) -> None:
        self.x, self.y = x, y
        self._genes, self._marks, self._emblems, self._pose = genes, marks, emblems, pose
        self._colours = colours  # (n, slots + 1, 3), the last one the background
        self._scale, self._pixel = scale, pixel
        self._gene = self._posed = 0
        n, p = x.shape
        self.solid = np.full((n, p), FAR, np.float32)
        self.edge = np.full((n, p), FAR, np.float32)
        self.inside = np.zeros((n, p), np.float32)
        self.sign = np.zeros((n, p), np.float32)
        self.colour = np.repeat(colours[:, -1].T[:, :, None], p, axis=2)

    # genes and pose, read in the order in which a class asks for them

    def vary(self, low: float, high: float) -> Array:
        """An individual's own number between low and high, (n, 1)."""
        return low + (high - low) * (0.5 + SHAPE_SPREAD * (self._next_gene() - 0.5))

    def choose(self, count: int) -> Array:
        """An individual's own whole number below `count`, (n, 1)."""
        return np.minimum((self._next_gene() * count).astype(np.int32), count - 1)

    def has(self, share: float) -> Array:
        """Whether an individual has a feature that a share of its class has, (n, 1) bool."""
        return self._next_gene() < share

    def pose(self, amount: float) -> Array:
        """A number between -amount and amount that changes from view to view, (n, 1)."""
        self._posed += 1
        return amount * self._pose[:, self._posed - 1 : self._posed]

    def _next_gene(self) -> Array:
        self._gene += 1
        return self._genes[:, self._gene - 1 : self._gene]

    # painting

    def form(self, distance: Array, slot: str = "main", where: Array | None = None) -> Array:
        """Paint a solid part over what is there; `where` (n, 1) says which individuals have it."""
        self._lay(distance, slot, where, 0.0, form=True)
        return distance

    def mark(
        self, distance: Array, slot: str, on: Array | None = None, where: Array | None = None
    ) -> None:
        """Paint a flat detail (clipped to the shape `on`); its line is thinner than a form's."""
        if on is not None:
            distance = np.maximum(distance, on + 0.012)
        self._lay(distance, slot, where, 0.012, form=False)

    def eye(self, cx: shapes.Value, cy: shapes.Value, r: shapes.Value) -> None:
        """A light eye with a dark pupil."""
        self.mark(shapes.circle(self.x, self.y, cx, cy, r), "light")
        self.mark(shapes.circle(self.x, self.y, cx, cy, r * 0.55), "dark")

    def coat(self, on: Array, cx: shapes.Value, cy: shapes.Value, size: float) -> None:
        """The individual's own marks (spots, stripes, bands...) and its emblem on a body part."""
        kind = np.minimum((self._marks[:, 0:1] * len(MARKS)).astype(int), len(MARKS) - 1)
        a, b, c, e = (self._marks[:, i : i + 1] for i in range(1, 5))
        rows = {name: np.flatnonzero(kind[:, 0] == i) for i, name in enumerate(MARKS)}
        marks = np.full_like(self.x, FAR)
        for name, draw in _COATS.items():
            i = rows[name]
            if len(i):
                u = (self.x[i] - _rows(cx, i)) / size
                v = (self.y[i] - _rows(cy, i)) / size
                marks[i] = draw(u, v, a[i], b[i], c[i], e[i]) * size
        self.mark(marks, "second", on=on)
        self.mark(
            emblem(self._emblems, (self.x - cx) / size, (self.y - cy) / size) * size,
            "emblem", on=on,
        )  # fmt: skip

    def _lay(
        self, distance: Array, slot: str, where: Array | None, thinner: float, *, form: bool
    ) -> None:
        if where is not None:
            distance = np.where(where, distance, np.float32(FAR))
        d = distance * self._scale
        inside = d < 0
        line = np.abs(d)
        if thinner:
            line += thinner
        self.edge = np.minimum(np.where(inside, FAR, self.edge), line)
        if form:
            self.solid = np.minimum(self.solid, d)
            self.inside = np.where(inside, -d, self.inside)
        cover = np.clip(0.5 - d / self._pixel, 0, 1)
        tint = self._colours[:, SLOTS.index(slot)].T[:, :, None]
        self.colour += cover * (tint - self.colour)
        self.sign += cover * (float(slot == "emblem") - self.sign)

    def drawing(self) -> Drawing:
        cover = np.clip(0.5 - self.solid / self._pixel, 0, 1)
        return Drawing(self.solid, self.edge, self.inside, self.colour, cover, self.sign)


def _rows(value: shapes.Value, rows: Array) -> shapes.Value:
    return value[rows] if isinstance(value, np.ndarray) and value.shape[0] > 1 else value


def _spots(u: Array, v: Array, a: Array, b: Array, c: Array, e: Array) -> Array:
    """Round spots on a turned, shifted lattice."""
    u, v = shapes.rotate(u, v, a * 3.1)
    step = 0.55 + 0.35 * b
    row = np.round(v / step)
    u = u + (c + 0.5 * (row % 2)) * step
    return np.hypot(u - step * np.round(u / step), v - step * row) - (0.13 + 0.12 * e) * step / 0.6


def _stripes(u: Array, v: Array, a: Array, b: Array, c: Array, e: Array) -> Array:
    u, v = shapes.rotate(u, v, (a - 0.5) * 2.6)
    step = 0.4 + 0.35 * b
    w = (u + c * step + 0.06 * np.sin(v * 6)) % step
    return np.abs(w - step / 2) - step * (0.13 + 0.14 * e)


def _bands(u: Array, v: Array, a: Array, b: Array, c: Array, e: Array) -> Array:
    """One broad band across."""
    u, v = shapes.rotate(u, v, (a - 0.5) * 1.2 + 1.57 * (e > 0.5))
    return np.abs(u - (b - 0.5) * 0.9) - (0.14 + 0.2 * c)


def _patch(u: Array, v: Array, a: Array, b: Array, c: Array, e: Array) -> Array:
    """Two large patches."""
    angle = a * 6.28
    first = np.hypot(u - 0.55 * np.cos(angle), v - 0.55 * np.sin(angle)) - (0.35 + 0.25 * b)
    angle = angle + 2.2 + 2 * c
    second = np.hypot(u - 0.6 * np.cos(angle), v - 0.6 * np.sin(angle)) - (0.15 + 0.25 * e)
    return np.minimum(first, second)


def _speckles(u: Array, v: Array, a: Array, b: Array, c: Array, e: Array) -> Array:
    """A cluster of small dots around one place."""
    angle = a * 6.28
    x0, y0 = 0.35 * np.cos(angle), 0.35 * np.sin(angle)
    away = np.hypot(u - x0, v - y0)
    step = 0.24 + 0.1 * b
    u2, v2 = shapes.rotate(u, v, c * 3)
    dots = np.hypot(u2 - step * np.round(u2 / step), v2 - step * np.round(v2 / step)) - step * 0.3
    return np.maximum(dots, away - (0.45 + 0.3 * e))


_COATS = {
    "spotted": _spots,
    "striped": _stripes,
    "banded": _bands,
    "patched": _patch,
    "speckled": _speckles,
}
