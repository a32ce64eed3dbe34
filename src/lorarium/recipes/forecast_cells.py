"""Judged merges for the forecast: random pairs of the zoo, drawn by the ways it chooses among."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lorarium.adapter import Array
from lorarium.evaluation.base_checks import reference_pictures
from lorarium.evaluation.describe.zoo import Zoo
from lorarium.evaluation.judges import Judge
from lorarium.evaluation.merge.cells import Cell
from lorarium.evaluation.merge.drawing import PictureCache
from lorarium.evaluation.merge.rows import MergeContender
from lorarium.forecasts.rates import SETTINGS, MergeSetting
from lorarium.recipes.timebox import ENDLESS, TimeBox
from lorarium.training.manifest import Entry
from lorarium.training.mint import path_of
from lorarium.world.scene import PHOTO
from lorarium.world.splits import SEEN_GENRES

USUAL = {"subject": ("subject", "S0"), "style": ("style", "R0")}  # of either zoo
STEPS = 12
SOFT = 0.1


@dataclass(frozen=True, eq=False)
class JudgeMargins:
    """What a judge says of each way of each cell: (cells, ways, pictures), for the subject and the
    style, how far above its threshold; and whether a picture passes in both."""

    subject: Array
    style: Array

    @property
    def rates(self) -> Array:
        """(cells, ways, 3): who, how, and both."""
        subject, style = self.subject >= 0, self.style >= 0
        return np.stack([subject.mean(-1), style.mean(-1), (subject & style).mean(-1)], -1)

    @property
    def soft(self) -> Array:
        """The same where a near miss is nearly a pass: few pictures say more so."""
        subject, style = (1 / (1 + np.exp(-above / SOFT)) for above in (self.subject, self.style))
        return np.stack([subject.mean(-1), style.mean(-1), (subject * style).mean(-1)], -1)


def rows(ways: Sequence[MergeSetting] = SETTINGS) -> list[MergeContender]:
    return [MergeContender(way.name, way.method, way.weights) for way in ways]


def pairs(zoo: Zoo, split: str, count: int, seed: int) -> list[Cell]:
    """Random pairs of usual recipes; styles that the language has words for, and no photographs."""
    random = np.random.default_rng(seed)

    def entries_of(kind: str) -> list[Entry]:
        entries = [e for e in zoo.part(kind, split) if e.recipe in USUAL[kind]]
        if kind == "style":
            entries = [e for e in entries if e.of[0] in SEEN_GENRES and e.of[0] != PHOTO]
        return entries

    subjects, styles = entries_of("subject"), entries_of("style")
    total = len(subjects) * len(styles)
    chosen = random.choice(total, min(count, total), replace=False)
    places = [(int(i) // len(styles), int(i) % len(styles)) for i in chosen]
    paths = [[path_of(zoo.folder, entry) for entry in side] for side in (subjects, styles)]
    return [Cell(i, j, (subjects[i], styles[j]), (paths[0][i], paths[1][j])) for i, j in places]


def judge_cells(
    drawings: PictureCache, cells: Sequence[Cell], judge: Judge, pictures: int, noise: int = 0,
    ways: Sequence[Sequence[MergeSetting]] | None = None, box: TimeBox = ENDLESS,
) -> JudgeMargins:  # fmt: skip
    """Draw what is not there yet, and ask; all ways of each cell, or its own."""
    ways_of_cells = ways or [SETTINGS] * len(cells)
    tasks = [
        [(row, cell, pictures, STEPS, noise) for row in rows(of)]
        for cell, of in zip(cells, ways_of_cells, strict=True)
    ]

    def show(done: int, total: int, words: str) -> None:
        if done % 100 == 0 or done == total:
            print(f"{done}/{total} {words}", flush=True)
        if done < total:
            box.check(f"{done} of {total} merges are drawn")

    drawings.fill([task for of_cell in tasks for task in of_cell], show)
    subject, style = [], []
    for cell, of_cell in zip(cells, tasks, strict=True):
        drawn = np.concatenate([drawings[task].pictures for task in of_cell])
        persons, hands = (reference_pictures(entry, drawings.base.size) for entry in cell.entries)
        shape = len(of_cell), pictures
        subject.append(judge.margins("subject", drawn, persons).reshape(shape))
        style.append(judge.margins("style", drawn, hands).reshape(shape))
    return JudgeMargins(np.stack(subject), np.stack(style))


FOLDER = Path("runs/forecast")
