"""Teachers of true cells: adapters trained on true pictures of one individual in one artist's hand,
which only the drawn world has.

Where a prompt asks for one of the two alone, the teacher is that adapter alone: the other is to
keep silent. So are others that answer to other words, in crowds of three and four.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from lorarium.adapter import Adapter
from lorarium.bases.base import Base
from lorarium.errors import TimeIsOver
from lorarium.evaluation.describe.zoo import Zoo, load
from lorarium.mergers.roles import ROLES
from lorarium.recipes.teachers import Places, Walk, keep_walks
from lorarium.recipes.timebox import ENDLESS, TimeBox
from lorarium.training.manifest import Entry
from lorarium.training.mint import train_jobs
from lorarium.training.recipe import Job, Recipe
from lorarium.world.scene import PHOTO, Style, Subject, View, render
from lorarium.world.splits import SEEN_CLASSES, numbers

CELLS = 80
SHOWN, DRAWN = 12, 4  # pictures that a teacher learns from, and draws
AT_ONCE = 8
TEACHER = Recipe(optimizer="muon", rank=8, alpha=8.0, steps=200, batch=4, lr=5e-3)
ALONE = 0.3  # share of pairs that are asked for one of the two
CROWD = 0.3  # share of steps in which one more of a role is there, for either role


@dataclass(frozen=True, eq=False)
class Teachers:
    """Walks of cells and of single adapters, in a folder; made once."""

    base: Base
    folder: Path
    sides: tuple[Sequence[tuple[Entry, Adapter]], Sequence[tuple[Entry, Adapter]]]
    split: str = "train"
    most: int = CELLS

    @cached_property
    def cells(self) -> list[tuple[tuple[str, int], tuple[str, int]]]:
        """Whom teachers show, each in whose hand."""
        people, hands = (list(dict.fromkeys(e.of for e, _ in side)) for side in self.sides)
        order = np.random.default_rng([5, len(people), len(hands)]).permutation(
            len(people) * len(hands)
        )
        return [
            (people[o // len(hands)], hands[o % len(hands)]) for o in map(int, order[: self.most])
        ]

    def make(self, box: TimeBox = ENDLESS) -> None:
        """What is missing of the walks."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for start in range(0, len(self.cells), AT_ONCE):
            cells = range(start, min(start + AT_ONCE, len(self.cells)))
            paths = [self._cell(i) for i in cells]
            if not all(path.exists() for path in paths):
                self._teach([self._job(i) for i in cells], paths, box, start)
        for role, side in enumerate(self.sides):
            for start in range(0, len(side), AT_ONCE):
                some = side[start : start + AT_ONCE]
                paths = [self._alone(role, start + i) for i in range(len(some))]
                if not all(path.exists() for path in paths):
                    box.check(f"{start} of {len(side)} adapters drew alone")
                    prompts = [self._asked(e, start + i) for i, (e, _) in enumerate(some)]
                    adapters = [a for _, a in some]
                    keep_walks(self.base, adapters, prompts, paths, 77_000 + start)

    def _teach(
        self, jobs: Sequence[Job], paths: Sequence[Path], box: TimeBox, start: int
    ) -> None:  # fmt: skip
        asked = f"{start} of {len(self.cells)} teachers were asked"
        box.check(asked)
        kept = self.folder / ".checkpoint"
        taught = train_jobs(self.base, jobs, kept, box.deadline)
        if taught is None:
            raise TimeIsOver(f"the time is over: {asked}", hint="run it again to go on")
        kept.unlink(missing_ok=True)
        asked_for = [[job.prompts[0]] * DRAWN for job in jobs]
        keep_walks(self.base, taught, asked_for, paths, 1000 * start)
        print(f"{start + len(jobs)}/{len(self.cells)} teachers", flush=True)

    def _cell(self, number: int) -> Path:
        return self.folder / f"cell-{number}.npz"

    def _alone(self, role: int, number: int) -> Path:
        return self.folder / f"{ROLES[role]}-{number}.npz"

    def _job(self, number: int) -> Job:
        person, hand = self.cells[number]
        a, b = (
            next(e for e, _ in side if e.of == of)
            for side, of in zip(self.sides, (person, hand), strict=True)
        )
        random = np.random.default_rng([number, 9])
        views = [View(n) for n in numbers(self.split, SHOWN, random)]
        pictures = render([Subject(*person)] * SHOWN, [Style(*hand)] * SHOWN, views, self.base.size)
        prompt = f"a {a.token} {person[0]} in {b.token}"
        return Job(pictures, (prompt,) * SHOWN, TEACHER, number, number)

    def _asked(self, entry: Entry, number: int) -> list[str]:
        """What an adapter alone is asked for."""
        if entry.kind == "subject":
            return [f"a {entry.token} {entry.of[0]} in {PHOTO}"] * DRAWN
        random = np.random.default_rng([number, 10])
        return [f"a {kind} in {entry.token}" for kind in random.choice(SEEN_CLASSES, DRAWN)]

    @cached_property
    def cell_walks(self) -> list[Walk]:
        return [Walk.load(self._cell(i)) for i in range(len(self.cells))]

    @cached_property
    def single_walks(self) -> tuple[list[Walk], list[Walk]]:
        first, second = (
            [Walk.load(self._alone(role, i)) for i in range(len(side))]
            for role, side in enumerate(self.sides)
        )
        return first, second

    def batch(
        self, random: np.random.Generator, count: int, places: int
    ) -> tuple[list[tuple[int, int]], Places]:
        """Adapters that meet, and places where a teacher of theirs answered."""
        pairs, walks = [], []
        for _ in range(count):
            if random.random() < ALONE:
                pair = tuple(int(random.integers(len(side))) for side in self.sides)
                role = int(random.integers(2))
                walks.append(self.single_walks[role][pair[role]])
            else:
                number = int(random.integers(len(self.cells)))
                pair = tuple(
                    int(random.choice(self._adapters_of(role, of)))
                    for role, of in enumerate(self.cells[number])
                )
                walks.append(self.cell_walks[number])
            pairs.append((pair[0], pair[1]))
        return pairs, Places.of(walks, places, random)

    def _adapters_of(self, role: int, of: tuple[str, int]) -> list[int]:
        """Those that answer to the word by which their teacher was asked."""
        entries = [entry for entry, _ in self.sides[role]]
        word = next(e.word for e in entries if e.of == of)
        return [i for i, e in enumerate(entries) if (e.of, e.word) == (of, word)]

    def others(
        self, pairs: Sequence[tuple[int, int]], random: np.random.Generator
    ) -> list[tuple[int, list[int]]]:
        """Roles, and one more adapter of each pair's, of somebody else, that its prompt does not
        ask for."""
        met = []
        for role in range(2):
            if random.random() >= CROWD:
                continue
            entries = [entry for entry, _ in self.sides[role]]
            asked = [entries[pair[role]] for pair in pairs]
            strangers = [
                [i for i, e in enumerate(entries) if e.word != one.word and e.of != one.of]
                for one in asked
            ]
            if all(strangers):
                met.append((role, [int(random.choice(some)) for some in strangers]))
        return met


def teachers_of(
    zoo: Zoo, base: Base, folder: Path, split: str = "train", most: int = CELLS
) -> Teachers:
    """For the adapters of a split; `photo` is what subjects come in, and no style of its own."""
    corpora = (load(zoo, kind, split) for kind in ROLES)
    sides = [
        [(e, a) for e, a in zip(c.entries, c.adapters, strict=True) if e.of[0] != PHOTO]
        for c in corpora
    ]
    return Teachers(base, folder, (sides[0], sides[1]), split, most)
