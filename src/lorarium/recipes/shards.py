"""Episodes that are rendered once, kept on disk and learned from several times.

    python -m lorarium.recipes.shards FOLDER --remainder 2 --most 1500

An episode crosses eight groups of artists of one genre with eight groups of individuals of one
class, as in `lorarium.encoders.episodes`; only numbers with one remainder by 3 are met, so that two
judges can be kept from ever seeing the same picture. Beside each picture lies what it was drawn
from: where the emblem, the silhouette and the lines are.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lorarium.encoders.episodes import COUNT, EACH, GROUPS, MEMBERS
from lorarium.world.scene import PHOTO, Style, Subject, View, render_fields
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES, TRAIN_NUMBERS, numbers

Array = np.ndarray
SIZE, CELLS = 48, 24


@dataclass(frozen=True)
class Shard:
    """One episode: artists and individuals by the numbers of their group and their own."""

    pictures: Array  # (n, 48, 48, 3) uint8
    fields: Array  # (n, 24, 24, 3) uint8: emblem, silhouette, lines
    genre: Array  # (n,) numbers among the seen genres
    artist: Array  # (n,)
    kind: Array  # (n,) numbers among the seen classes
    person: Array  # (n,)

    def styles(self) -> list[Style]:
        return [Style(SEEN_GENRES[g], int(a)) for g, a in zip(self.genre, self.artist, strict=True)]

    def subjects(self) -> list[Subject]:
        return [
            Subject(SEEN_CLASSES[k], int(p)) for k, p in zip(self.kind, self.person, strict=True)
        ]


def crossed(remainder: int, random: np.random.Generator) -> Shard:
    """A new episode; artist `i` has the rows EACH * i and on, as many for each individual."""
    others = [g for g in SEEN_GENRES if g != PHOTO]
    genres = [PHOTO, PHOTO, *random.choice(others, GROUPS - 2, replace=False)]
    classes = random.choice(SEEN_CLASSES, GROUPS, replace=False)
    artists = [(g, n) for g in genres for n in _numbers(remainder, random)]
    people = [(c, n) for c in classes for n in _numbers(remainder, random)]
    hands = [artists[i] for i in np.repeat(np.arange(len(artists)), EACH)]
    order = np.concatenate([random.permutation(len(people)) for _ in range(EACH)])
    individuals = [people[i] for i in order]
    pictures, fields = render_fields(
        [Subject(str(k), n) for k, n in individuals], [Style(str(g), n) for g, n in hands],
        [View(n) for n in numbers("train", COUNT, random)], SIZE,
    )  # fmt: skip
    side = SIZE // CELLS
    coarse = fields.reshape(COUNT, CELLS, side, CELLS, side, 3).mean((2, 4)).round()
    return Shard(
        pictures, coarse.astype(np.uint8),
        np.array([SEEN_GENRES.index(str(g)) for g, _ in hands], np.int16),
        np.array([n for _, n in hands], np.int64),
        np.array([SEEN_CLASSES.index(str(k)) for k, _ in individuals], np.int16),
        np.array([n for _, n in individuals], np.int64),
    )  # fmt: skip


def _numbers(remainder: int, random: np.random.Generator) -> list[int]:
    low, high = TRAIN_NUMBERS[0] // 3 + 1, TRAIN_NUMBERS[1] // 3
    return [3 * int(n) + remainder for n in random.integers(low, high, MEMBERS)]


def keep(shard: Shard, path: Path) -> None:
    beside = path.with_name(f".{os.getpid()}-{path.name}")
    np.savez(beside, **vars(shard))
    beside.rename(path)


def load(path: Path) -> Shard:
    with np.load(path, allow_pickle=False) as held:
        return Shard(**{name: held[name] for name in Shard.__dataclass_fields__})


def shard_paths(folder: Path) -> list[Path]:
    return sorted(folder.glob("[!.]*.npz"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--remainder", type=int, required=True)
    parser.add_argument("--most", type=int, default=1500, help="shards, 1.1 MB each")
    parser.add_argument("--seed", type=int, default=None)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(asked.seed)
    while len(shard_paths(asked.folder)) < asked.most:
        name = f"{int(random.integers(2**60)):015x}.npz"
        keep(crossed(asked.remainder, random), asked.folder / name)


if __name__ == "__main__":
    main()
