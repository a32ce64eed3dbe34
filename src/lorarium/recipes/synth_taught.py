"""The generator learned from teachers: LoRAs that were trained on the pictures of train artists and
individuals, and what they answered on their way to pictures of them.

    python -m lorarium.recipes.synth_taught runs --minutes 170

The student sees other pictures of the same hand, one to twelve, and is to say the same in the same
places. Beside that stands the base's own loss on endless new artists, since teachers are few.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from lorarium.adapter import Adapter
from lorarium.bases.base import Base, open_base
from lorarium.bases.rounded import rounded
from lorarium.encoders.training import FitConfig, Loss, Losses, fit
from lorarium.evaluation.describe.zoo import Zoo, load, read_zoo
from lorarium.recipes import merge
from lorarium.recipes.synth import PLANS, SUBJECTS, initial_generator
from lorarium.recipes.synth_basis import start_basis
from lorarium.recipes.synth_data import (
    POOL,
    Batch,
    Endless,
    Source,
    artist,
    assemble_batch,
    embed_source,
    individual,
)
from lorarium.recipes.synth_loss import Words, generated_branches, losses_with
from lorarium.recipes.teachers import Places, Walk, keep_walks, missed
from lorarium.recipes.timebox import ENDLESS, TimeBox
from lorarium.synthesis.net import Eyes, Generator, SynthConfig
from lorarium.training.manifest import Entry
from lorarium.world.scene import PHOTO, Style, Subject
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES

RUN = "synth-taught"
RECIPES = {"style": "style", "subject": "subject"}  # of `merge.toml`: those that votes accept most
DRAWN, AT_ONCE = 8, 8  # pictures that a teacher draws, and teachers at once
OTHER_GENRES = 0.25  # share of an individual's prompts that ask for another genre
SOURCES, PLACES = 4, 8  # of a step: teachers, and places of each
FREE = 0.5  # what the base's own loss on endless artists counts


@dataclass(frozen=True, eq=False)
class TaughtSources:
    """Artists and individuals, with pictures for the student to see and their teachers' walks."""

    base: Base
    folder: Path
    teachers: Sequence[tuple[Entry, Adapter]]

    def make(self, box: TimeBox = ENDLESS) -> None:
        """What is missing of the walks."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for start in range(0, len(self.teachers), AT_ONCE):
            some = self.teachers[start : start + AT_ONCE]
            paths = [self._path(entry) for entry, _ in some]
            if all(path.exists() for path in paths):
                continue
            box.check(f"{start} of {len(self.teachers)} teachers were asked")
            prompts = [prompts_of(entry, start + i) for i, (entry, _) in enumerate(some)]
            keep_walks(self.base, [a for _, a in some], prompts, paths, 1000 * start)

    def _path(self, entry: Entry) -> Path:
        return self.folder / f"{entry.id}.npz"

    def sources(self, eyes: Eyes) -> list[Source]:
        """Pictures that the student may see."""
        made = []
        for entry, _ in self.teachers:
            random = np.random.default_rng([*entry.id.encode()])
            drawn = (
                artist(Style(*entry.of), "train", POOL, self.base.size, random)
                if entry.kind == "style"
                else individual(Subject(*entry.of), "train", POOL, self.base.size, random)
            )
            made.append(embed_source(eyes, drawn))
        return made

    def walks(self) -> list[Walk]:
        return [Walk.load(self._path(entry)) for entry, _ in self.teachers]


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


def teachers_of(zoo: Zoo) -> list[tuple[Entry, Adapter]]:
    """The adapters of a zoo's train split that are worth learning from."""
    chosen = []
    for kind, recipe in RECIPES.items():
        corpus = load(zoo, kind, "train")
        some = list(zip(corpus.entries, corpus.adapters, strict=True))
        chosen += [pair for pair in some if pair[0].recipe == recipe] or some
    return chosen


def train(
    taught: TaughtSources, folder: Path, plan: FitConfig, minutes: float, **numbers: int
) -> tuple[Generator, dict[str, float]]:
    """Go on with the run in a folder."""
    base = taught.base
    words, net = Words(base), initial_generator(base, SynthConfig.of(base, **numbers), plan.seed)
    if not (folder / "checkpoint.pt").exists():
        first = Endless(base.size, net.eyes, [plan.seed, 0], subjects=SUBJECTS)
        start_basis(base, net, first, words, plan.seed)
    known, walks = taught.sources(net.eyes), taught.walks()

    def begin(step: int) -> Loss:
        data = Endless(base.size, net.eyes, [plan.seed], subjects=SUBJECTS, step=step)
        now = step

        def loss(net: nn.Module) -> Losses:
            nonlocal now
            assert isinstance(net, Generator)
            random = np.random.default_rng([plan.seed, 2, now])
            noise = torch.Generator().manual_seed(plan.seed * 1_000_003 + now)
            now += 1
            met = random.integers(len(known), size=SOURCES)
            batch = lesson([known[i] for i in met], random)
            places = Places.of([walks[i] for i in met], PLACES, random)
            beside = generated_branches(base, net, batch)
            values = {"taught": missed(base, beside, places, words(places.prompts)).mean()}
            if FREE:
                new = data.batch(SOURCES, PLACES)
                free = losses_with(base, generated_branches(base, net, new), new, words, noise)
                values["free"] = FREE * free.mean()
            return values

        return loss

    with rounded(base):
        trained, spent = fit(folder, net, begin, plan, minutes, str(base.device))
    assert isinstance(trained, Generator)
    return trained, spent


def lesson(sources: Sequence[Source], random: np.random.Generator) -> Batch:
    """Some pictures of each to look at; what is to be answered then the walks know."""
    return assemble_batch(sources, int(random.integers(1, 13)), 1, random)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--base")
    asked = parser.parse_args()
    base, box = open_base(asked.base), TimeBox(asked.minutes)
    folder = asked.runs / RUN
    taught = TaughtSources(base, folder / "walks", teachers_of(read_zoo(asked.runs / merge.FOLDER)))
    taught.make(box)
    _, spent = train(taught, folder, PLANS[base.device.type], box.left)
    print(json.dumps(spent))


if __name__ == "__main__":
    main()
