"""What the learned descriptors are trained on: sketches of a zoo, and its pictures and words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import nn

from lorarium.adapter import Adapter, Array, LowRank
from lorarium.algebra import recompress
from lorarium.descriptors.learned import FACTS, recipe_facts
from lorarium.descriptors.select import MODULE_ROLES
from lorarium.descriptors.sketch import sketch
from lorarium.errors import LorariumError
from lorarium.evaluation.describe.looks import aligned_inputs
from lorarium.evaluation.describe.words import attribute_words, hues_of, texts_of
from lorarium.evaluation.describe.zoo import Zoo
from lorarium.formats import read
from lorarium.pictures import picture_files, read_pictures
from lorarium.recipes.kept import kept_rows
from lorarium.recipes.timebox import ENDLESS, TimeBox
from lorarium.training.manifest import OWN, POOL, Entry, pool_cell
from lorarium.training.mint import path_of
from lorarium.world.scene import render
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES, TRAIN_NUMBERS
from lorarium.world.words import COLOURS, VOCABULARY, tokens

SLOTS = 2 * len(MODULE_ROLES)  # of an effect
SIZE = 48
MIN_ARTISTS = 36  # artists: fewer have too few axes for a network


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


def read_examples(
    zoo: Zoo, split: str = "train", box: TimeBox = ENDLESS, kept: Path | None = None
) -> Examples:
    """Sketches of a split's adapters, and of each at half its rank; what was read is kept in a
    folder."""
    splits = (split, OWN) if split == "train" else (split,)
    chosen = [e for e in zoo.entries if e.split in splits and e.kind in ("style", "subject")]
    names = list(dict.fromkeys((e.kind, *e.of) for e in chosen))
    if len(names) < MIN_ARTISTS or len(chosen) < 2 * len(names):
        what = f"{len(chosen)} adapters of {len(names)} artists in the split {split}"
        raise LorariumError(what, where=str(zoo.folder), hint="mint more of them first")

    def both(number: int) -> Array:
        adapter = read(path_of(zoo.folder, chosen[number]))
        some = sketch(adapter), sketch(halved(adapter))
        return np.stack([np.concatenate([s.effect, recipe_facts(s)]) for s in some])

    made = kept_rows(
        kept and kept / "sketches.npy", len(chosen), both,
        f"{{}} of {len(chosen)} adapters were read", box,
    ).reshape(2 * len(chosen), -1)  # fmt: skip
    rows = [entry for entry in chosen for _ in range(2)]
    place = {name: i for i, name in enumerate(names)}
    groups = {key: i for i, key in enumerate(dict.fromkeys(name[:2] for name in names))}
    first = {(e.kind, *e.of): e for e in reversed(chosen)}
    return Examples(
        made[:, :-FACTS],
        made[:, -FACTS:],
        np.array([place[e.kind, *e.of] for e in rows]),
        np.array([e.recipe for e in rows]),
        np.array([groups[name[:2]] for name in names]),
        tuple(first[name] for name in names),
    )


def subset(examples: Examples, rows: Array) -> Examples:
    """Some rows, their artists numbered anew."""
    artists, artist = np.unique(examples.artist[rows], return_inverse=True)
    return Examples(
        examples.vectors[rows], examples.facts[rows], artist, examples.recipe[rows],
        examples.group[artists], tuple(examples.entries[i] for i in artists),
    )  # fmt: skip


def halved(adapter: Adapter) -> Adapter:
    ranks = [d.rank for _, d in adapter.items() if isinstance(d, LowRank)]
    return recompress(adapter, rank=max(1, max(ranks, default=2) // 2))[0]


def by_artist(x: Array, artist: Array, count: int) -> Array:
    """Means (count, d)."""
    total = np.zeros((count, x.shape[1]), x.dtype)
    np.add.at(total, artist, x)
    return total / np.maximum(np.bincount(artist, minlength=count), 1)[:, None]


def picture_table(
    entries: Sequence[Entry], judge: nn.Module, count: int = POOL, box: TimeBox = ENDLESS,
    kept: Path | None = None,
) -> Array:  # fmt: skip
    """What judge A sees in pictures of each artist or individual, (artists, count, f)."""

    def seen(number: int) -> Array:
        return aligned_inputs(list(pictures_of(entries[number], count)[:, None]), judge)

    return kept_rows(
        kept, len(entries), seen, f"pictures of {{}} of {len(entries)} artists were seen", box
    )


def pictures_of(entry: Entry, count: int) -> Array:
    """So many pictures of an artist or individual."""
    if entry.split == OWN:
        pictures = read_pictures(picture_files([entry.of[0]]), SIZE)
        return pictures[np.arange(count) % len(pictures)]
    cells = [pool_cell(entry, i) for i in range(count)]
    subjects, styles, views, _ = zip(*cells, strict=True)
    return render(subjects, styles, views, SIZE)


class TextExamples(NamedTuple):
    """Texts as counts of words (n, vocabulary), and what judge A sees of whom they are about. Texts
    that name an artist's genre alone have its number, the others -1, and the artist's hues."""

    bags: Array
    seen: Array
    genre: Array
    hues: Array


def text_examples(
    judge: nn.Module, artists: int, individuals: int, pictures: int = 12, box: TimeBox = ENDLESS,
    kept: Path | None = None,
) -> TextExamples:  # fmt: skip
    """Of train artists of each genre and train individuals of each class, for whom there are no
    adapters: words need none."""
    first = TRAIN_NUMBERS[0] + 100_000
    labels = [("style", g, first + i) for g in SEEN_GENRES for i in range(artists)]
    labels += [("subject", c, first + i) for c in SEEN_CLASSES for i in range(individuals)]
    entries = [
        Entry("", kind, (word, number), "train", "", None, 0, 0, ())  # type: ignore[arg-type]
        for kind, word, number in labels
    ]
    seen = picture_table(entries, judge, pictures, box, kept).mean(1)
    bags, rows, genre, hues = [], [], [], []
    unknown = np.zeros(len(COLOURS))
    for i, entry in enumerate(entries):
        word, number = entry.of
        style = entry.kind == "style"
        hue = hues_of(word, number, entry.split) if style else unknown
        texts = texts_of(attribute_words(entry.kind, *entry.of, entry.split))
        for general, text in enumerate(texts):
            bags.append(np.bincount([t for t in tokens(text) if t], minlength=len(VOCABULARY)))
            rows.append(i)
            genre.append(SEEN_GENRES.index(word) if style and general == 0 else -1)
            hues.append(hue)
    counts = np.stack(bags).astype(np.float64)
    return TextExamples(counts, seen[rows].astype(np.float64), np.array(genre), np.stack(hues))
