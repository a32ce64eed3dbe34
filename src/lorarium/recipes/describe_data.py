"""What the learned descriptors are trained on: sketches of a zoo, and its pictures and words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from lorarium.adapter import Adapter, Array, LowRank
from lorarium.algebra import recompress
from lorarium.describe.learned import recipe_facts
from lorarium.describe.select import ROLES
from lorarium.describe.sketch import Sketch, sketch
from lorarium.errors import LorariumError
from lorarium.evaluate.describe.looks import aligned_inputs
from lorarium.evaluate.describe.words import said_of, texts_of
from lorarium.evaluate.describe.zoo import Zoo
from lorarium.formats import read
from lorarium.train.manifest import POOL, Entry, pool_cell
from lorarium.train.mint import path_of
from lorarium.world.scene import render

SLOTS = 2 * len(ROLES)  # of an effect
SIZE = 48
LEAST = 36  # artists: fewer have too few axes for a network


@dataclass(frozen=True, eq=False)
class Examples:
    """One row per adapter and per variant of it. `artist` are whole numbers without gaps."""

    vectors: Array  # (n, d)
    facts: Array  # (n, f)
    artist: Array
    recipe: Array  # names
    group: Array  # of each artist, (artists,)
    entries: tuple[Entry, ...]  # one of each artist

    @property
    def artists(self) -> int:
        return len(self.group)


def gather(zoo: Zoo, split: str = "train") -> Examples:
    """Sketches of a split's adapters, and of each at half its rank."""
    chosen = [e for e in zoo.entries if e.split == split and e.kind in ("style", "subject")]
    names = list(dict.fromkeys((e.kind, *e.of) for e in chosen))
    if len(names) < LEAST or len(chosen) < 2 * len(names):
        what = f"{len(chosen)} adapters of {len(names)} artists in the split {split}"
        raise LorariumError(what, where=str(zoo.folder), hint="mint more of them first")
    sketches: list[Sketch] = []
    rows: list[Entry] = []
    for entry in chosen:
        adapter = read(path_of(zoo.folder, entry))
        sketches += [sketch(adapter), sketch(halved(adapter))]
        rows += [entry, entry]
    place = {name: i for i, name in enumerate(names)}
    groups = {key: i for i, key in enumerate(dict.fromkeys(name[:2] for name in names))}
    first = {(e.kind, *e.of): e for e in reversed(chosen)}
    return Examples(
        np.stack([s.effect for s in sketches]),
        np.stack([recipe_facts(s) for s in sketches]),
        np.array([place[e.kind, *e.of] for e in rows]),
        np.array([e.recipe for e in rows]),
        np.array([groups[name[:2]] for name in names]),
        tuple(first[name] for name in names),
    )


def subset(examples: Examples, rows: Array) -> Examples:
    """Some rows, their artists numbered anew."""
    kept, artist = np.unique(examples.artist[rows], return_inverse=True)
    return Examples(
        examples.vectors[rows], examples.facts[rows], artist, examples.recipe[rows],
        examples.group[kept], tuple(examples.entries[i] for i in kept),
    )  # fmt: skip


def halved(adapter: Adapter) -> Adapter:
    ranks = [d.rank for _, d in adapter.items() if isinstance(d, LowRank)]
    return recompress(adapter, rank=max(1, max(ranks, default=2) // 2))[0]


class Augmented:
    """Draws adapters changed in ways that leave their content alone."""

    def __init__(self, examples: Examples, seed: Sequence[int]) -> None:
        self.examples, self.random = examples, np.random.default_rng(seed)
        x = examples.vectors
        means = by_artist(x, examples.artist, examples.artists)
        self.nuisance = x - means[examples.artist]
        self.alike = {r: np.flatnonzero(examples.recipe == r) for r in np.unique(examples.recipe)}
        order = np.argsort(examples.artist, kind="stable")
        ends = np.cumsum(np.bincount(examples.artist, minlength=examples.artists))[:-1]
        self.members = np.split(order, ends)

    def rows(self, artists: Array, each: int) -> Array:
        """`each` adapters of every artist, drawn again when there are fewer."""
        return np.concatenate(
            [self.random.choice(m, each, replace=len(m) < each) for m in
             (self.members[a] for a in artists)]
        )  # fmt: skip

    def artists(self, count: int, each_group: int) -> Array:
        """Artists in runs of `each_group` of one group as far as groups are large enough."""
        order = self.random.permutation(self.examples.artists)
        groups = self.random.permutation(self.examples.group.max() + 1)
        order = order[np.argsort(groups[self.examples.group[order]], kind="stable")]
        start = int(self.random.integers(len(order)))
        return np.roll(order, -start // each_group * each_group)[: min(count, len(order))]

    def vectors(self, rows: Array) -> Array:
        """Somebody else's nuisance of the same recipe for a part of the own; modules dropped."""
        x = self.examples.vectors[rows].copy()
        for i, row in enumerate(rows):
            if self.random.random() < 0.5:
                other = self.random.choice(self.alike[self.examples.recipe[row]])
                x[i] += self.random.random() * (self.nuisance[other] - self.nuisance[row])
            if self.random.random() < 0.5:
                gone = self.random.choice(SLOTS, self.random.integers(1, SLOTS // 4 + 1), False)
                x[i].reshape(SLOTS, -1)[gone] = 0
        return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)


def by_artist(x: Array, artist: Array, count: int) -> Array:
    """Means (count, d)."""
    total = np.zeros((count, x.shape[1]), x.dtype)
    np.add.at(total, artist, x)
    return total / np.maximum(np.bincount(artist, minlength=count), 1)[:, None]


def picture_table(entries: Sequence[Entry], judge: nn.Module) -> Array:
    """What judge A sees in every picture of the pools, (artists, POOL, f)."""
    found = []
    for entry in entries:
        subjects, styles, views, _ = zip(*[pool_cell(entry, i) for i in range(POOL)], strict=True)
        pictures = render(subjects, styles, views, SIZE)
        found.append(aligned_inputs(list(pictures[:, None]), judge))
    return np.stack(found)


def text_table(entries: Sequence[Entry]) -> list[list[str]]:
    """What can be said of each; an empty list where the language has no word."""
    return [texts_of(said_of(e.kind, *e.of, e.split)) for e in entries]
