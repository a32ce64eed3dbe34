"""One picture is a subject, a style and a view; `render` draws any number of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lorarium.world import colour
from lorarium.world.emblems import GENES as EMBLEM_GENES
from lorarium.world.pen import GENES, MARKS, POSES, SHAPE_SPREAD, Drawing, Pen
from lorarium.world.styles import GENRES, Brush
from lorarium.world.subjects import CLASSES, POOLS

Array = np.ndarray
CHUNK_PIXELS = 60_000  # what one group works on at a time: stays in the second-level cache


@dataclass(frozen=True)
class Subject:
    """An individual: a class word and a number."""

    kind: str
    number: int


@dataclass(frozen=True)
class Style:
    """An artist: a genre word and a number."""

    genre: str
    number: int


@dataclass(frozen=True)
class View:
    """Everything that changes from picture to picture: place, size, pose, the artist's mood."""

    number: int


PHOTO = "photo"
MARKS_SHOW = 0.24  # least difference in lightness between marks and body
LINE_REACH = 0.12  # of the picture's half width: where a line's nearness ends
EMBLEM_SHOWS = 0.38  # least difference in lightness between an emblem and the body


def _stream(*key: int | str) -> np.random.Generator:
    words = [k if isinstance(k, int) else int.from_bytes(k.encode(), "big") for k in key]
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(words)))


@dataclass(frozen=True)
class Body:
    genes: Array
    build: Array  # stout or slim, top or bottom heavy, how it leans
    marks: Array
    emblem: Array
    colours: Array  # (slots, 3)


@lru_cache(maxsize=200_000)
def body_of(subject: Subject) -> Body:
    random = _stream(1, subject.kind, subject.number)
    genes = random.random(GENES, np.float32)
    build = (random.random(3, np.float32) * 2 - 1) * SHAPE_SPREAD
    marks = random.random(5, np.float32)
    picks = []
    for pool in CLASSES[subject.kind].colours:
        shades = colour.table(POOLS[pool])
        shade = shades[random.integers(len(shades))] + random.normal(0, 0.035, 3)
        picks.append(np.clip(shade, 0.04, 0.97))
    gap = float(colour.lightness(picks[1] - picks[0]))
    if abs(gap) < MARKS_SHOW:
        way = 1 if colour.lightness(picks[0]) < 0.5 else -1
        picks[1] = np.clip(picks[1] + way * MARKS_SHOW - gap, 0, 1)
    dark = 0.1 + 0.12 * random.random(3)
    light = 0.9 + 0.08 * random.random(3)
    emblem = random.random(EMBLEM_GENES, np.float32)
    emblem_colour = _emblem_colour(picks[0], dark, light, float(emblem[-1]))
    slots = np.stack([*picks, dark, light, emblem_colour]).astype(np.float32)
    return Body(genes, build, marks, emblem, slots)


def _emblem_colour(main: Array, dark: Array, light: Array, chance: float) -> Array:
    """Dark or light, as long as it stands out from the body."""
    shades = sorted((dark, light), key=lambda c: -abs(colour.lightness(c - main)))
    shows = abs(colour.lightness(shades[1] - main)) >= EMBLEM_SHOWS
    return shades[int(chance * 2)] if shows else shades[0]


@lru_cache(maxsize=200_000)
def hand_of(style: Style) -> Array:
    return _stream(2, style.genre, style.number).random(Brush.GENES, np.float32)


def _view(view: View) -> Array:
    return _stream(3, view.number).random(24, np.float32)


def render(
    subjects: Sequence[Subject], styles: Sequence[Style], views: Sequence[View], size: int
) -> Array:
    """Pictures (n, size, size, 3) as uint8; the same arguments give the same pictures."""
    return render_fields(subjects, styles, views, size)[0]


def render_fields(
    subjects: Sequence[Subject], styles: Sequence[Style], views: Sequence[View], size: int
) -> tuple[Array, Array]:
    """Pictures, and what lies behind them as uint8 (n, size, size, 3): coverage of the emblem, of
    the silhouette, and nearness of the nearest line."""
    n, p = len(subjects), size * size
    chance = np.stack([_view(v) for v in views])
    hands = np.stack([hand_of(s) for s in styles])
    bodies = [body_of(s) for s in subjects]
    step = (np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1
    gx, gy = np.meshgrid(step, -step)
    gx, gy = gx.reshape(1, p), gy.reshape(1, p)
    picture = np.empty((n, p, 3), np.uint8)
    fields = np.empty((n, p, 3), np.uint8)
    by_genre = _groups([s.genre for s in styles])
    by_class = {
        name: set(rows.tolist()) for name, rows in _groups([s.kind for s in subjects]).items()
    }
    chunk = max(1, CHUNK_PIXELS // p)
    for genre, rows in by_genre.items():
        for start in range(0, len(rows), chunk):
            part = rows[start : start + chunk]
            brush = Brush(GENRES[genre], hands[part], chance[part, 8:], size, gx, gy)
            colours = brush.recolour(np.stack([bodies[i].colours for i in part]))
            x, y = brush.warp()
            drawn = []
            order = []
            for kind, members in by_class.items():
                local = np.array([k for k, i in enumerate(part) if i in members], int)
                if len(local) == 0:
                    continue
                order.append(local)
                drawn.append(
                    _draw(
                        kind,
                        [bodies[i] for i in part[local]],
                        chance[part[local]],
                        x[local],
                        y[local],
                        colours[local],
                        brush.pixel[local],
                    )
                )
            back = np.argsort(np.concatenate(order))
            drawing = _gather(drawn, back)
            behind = [drawing.sign, drawing.cover, 1 - drawing.edge / LINE_REACH]
            fields[part] = _bytes(np.stack(behind))
            brush.see(drawing)
            picture[part] = _bytes(brush.paint())
    return picture.reshape(n, size, size, 3), fields.reshape(n, size, size, 3)


def _bytes(channels: Array) -> Array:
    """Numbers from 0 to 1 (3, n, p) as (n, p, 3)."""
    return (np.clip(np.moveaxis(channels, 0, -1), 0, 1) * 255 + 0.5).astype(np.uint8)


def _groups(names: Sequence[str]) -> dict[str, Array]:
    groups: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        groups.setdefault(name, []).append(i)
    return {name: np.array(rows) for name, rows in groups.items()}


def _draw(
    kind: str, bodies: list[Body], chance: Array, x: Array, y: Array, colours: Array, pixel: Array
) -> Drawing:
    """One class's individuals, seen from their views."""
    c = chance[:, :8, None]
    scale = 0.9 + 0.22 * c[:, 0]
    turn = (c[:, 1] - 0.5) * 0.42
    u, v = x - (c[:, 2] - 0.5) * 0.16, y - (c[:, 3] - 0.5) * 0.16
    cos, sin = np.cos(turn) / scale, np.sin(turn) / scale
    u, v = cos * u + sin * v, cos * v - sin * u
    u = np.where(c[:, 4] < 0.5, -u, u)
    stout, heavy, lean = (np.stack([b.build for b in bodies])[:, i, None] for i in range(3))
    u = u * (1 + 0.14 * stout + 0.2 * heavy * v) + 0.12 * lean * (v * v - 0.3)
    v = v * (1 - 0.1 * stout)
    pen = Pen(
        u,
        v,
        np.stack([b.genes for b in bodies]),
        np.stack([b.marks for b in bodies]),
        np.stack([b.emblem for b in bodies]),
        chance[:, 5 : 5 + POSES] * 2 - 1,
        colours,
        scale,
        pixel,
    )
    CLASSES[kind].draw(pen)
    return pen.drawing()


def _gather(parts: list[Drawing], order: Array) -> Drawing:
    def joined(name: str, axis: int) -> Array:
        return np.take(np.concatenate([getattr(d, name) for d in parts], axis), order, axis)

    return Drawing(
        joined("solid", 0),
        joined("edge", 0),
        joined("inside", 0),
        joined("colour", 1),
        joined("cover", 0),
        joined("sign", 0),
    )


def features(subject: Subject) -> tuple[Array, int]:
    """An individual's main colour and the number of its kind of marks."""
    body = body_of(subject)
    return body.colours[0], min(int(body.marks[0] * len(MARKS)), len(MARKS) - 1)
