"""Teachers of the generator: LoRAs that were trained on the pictures of train artists and
individuals, and what they answered on their way to pictures of them.

The student sees other pictures of the same hand, one to twelve, and is to say the same in the same
places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lorarium.adapter import Adapter
from lorarium.bases.base import Base
from lorarium.evaluation.describe.zoo import Zoo, load
from lorarium.recipes.synth_data import (
    POOL,
    Batch,
    Source,
    artist,
    assemble_batch,
    embed_source,
    individual,
)
from lorarium.recipes.teachers import Places, Walk, keep_walks
from lorarium.recipes.timebox import ENDLESS, TimeBox
from lorarium.synthesis.net import KINDS, Eyes
from lorarium.training.manifest import Entry
from lorarium.world.scene import PHOTO, Style, Subject
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES

DRAWN, AT_ONCE = 8, 8  # pictures that a teacher draws, and teachers at once
OTHER_GENRES = 0.25  # share of an individual's prompts that ask for another genre


@dataclass(frozen=True, eq=False)
class Teachers:
    """Adapters of artists and individuals, and the folder of their walks."""

    base: Base
    folder: Path
    adapters: Sequence[tuple[Entry, Adapter]]

    @staticmethod
    def of(zoo: Zoo, base: Base, folder: Path) -> Teachers:
        corpora = (load(zoo, kind, "train") for kind in KINDS)
        pairs = [pair for c in corpora for pair in zip(c.entries, c.adapters, strict=True)]
        return Teachers(base, folder, pairs)

    def make(self, box: TimeBox = ENDLESS) -> None:
        """What is missing of the walks."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for start in range(0, len(self.adapters), AT_ONCE):
            some = self.adapters[start : start + AT_ONCE]
            paths = [self._path(entry) for entry, _ in some]
            if all(path.exists() for path in paths):
                continue
            box.check(f"{start} of {len(self.adapters)} teachers were asked")
            prompts = [prompts_of(entry, start + i) for i, (entry, _) in enumerate(some)]
            keep_walks(self.base, [a for _, a in some], prompts, paths, 1000 * start)

    def _path(self, entry: Entry) -> Path:
        return self.folder / f"{entry.id}.npz"

    def lessons(self, eyes: Eyes) -> Lessons:
        size, sources = self.base.size, []
        for entry, _ in self.adapters:
            random = np.random.default_rng([*entry.id.encode()])
            drawn = (
                artist(Style(*entry.of), "train", POOL, size, random)
                if entry.kind == "style"
                else individual(Subject(*entry.of), "train", POOL, size, random)
            )
            sources.append(embed_source(eyes, drawn))
        return Lessons(sources, [Walk.load(self._path(entry)) for entry, _ in self.adapters])


@dataclass(frozen=True, eq=False)
class Lessons:
    """Pictures that the student may see, and the walks of their teachers."""

    sources: Sequence[Source]
    walks: Sequence[Walk]

    def batch(self, count: int, places: int, random: np.random.Generator) -> tuple[Batch, Places]:
        """Some pictures of each to look at, and what is to be answered then."""
        met = random.integers(len(self.sources), size=count)
        seen = int(random.integers(1, 13))
        batch = assemble_batch([self.sources[i] for i in met], seen, 1, random)
        return batch, Places.of([self.walks[i] for i in met], places, random)


def prompts_of(entry: Entry, number: int) -> list[str]:
    """What a teacher draws: an artist all kinds of things, an individual mostly photographs."""
    random = np.random.default_rng([number, 12])
    if entry.kind == "style":
        return [f"a {k} in {entry.token}" for k in random.choice(SEEN_CLASSES, DRAWN)]
    genres = [
        str(random.choice(SEEN_GENRES)) if random.random() < OTHER_GENRES else PHOTO
        for _ in range(DRAWN)
    ]
    return [f"a {entry.token} {entry.of[0]} in {genre}" for genre in genres]
