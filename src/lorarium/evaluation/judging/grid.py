"""MARS² on a grid of subjects x styles: the paper's figures, and ours beside them.

Ours adds what makes a yes worth something: the same pictures beside the references of *another*
subject and style of the grid (strangers), the share of questions without an answer, and an interval
over subjects and styles both drawn anew (evaluate/statistics.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from lorarium.errors import LorariumError
from lorarium.evaluation.judging.comparison import (
    ASPECTS,
    Array,
    Aspect,
    Comparison,
    PictureJudge,
    majority,
)
from lorarium.evaluation.judging.mars2 import BOTH, accepts_strangers, mars2, with_interval

Cell = tuple[int, int]  # subject, style


def mars2_of_grid(
    judge: PictureJudge,
    pictures: Mapping[Cell, Array],
    subjects: Sequence[Array],
    styles: Sequence[Array],
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """Scores of pictures (n, h, w, 3) of every cell beside references (m, h, w, 3) of its subject
    and of its style; two of each at least."""
    cells = [(i, j) for i in range(len(subjects)) for j in range(len(styles))]
    if min(len(subjects), len(styles)) < 2 or set(pictures) != set(cells):
        raise LorariumError(
            f"{len(pictures)} cells of {len(subjects)} subjects x {len(styles)} styles",
            where="MARS2", hint="pictures of every cell, two subjects and two styles at least",
        )  # fmt: skip
    references: dict[Aspect, Sequence[Array]] = {"subject": subjects, "style": styles}
    comparisons_of = {a: _against(judge, a, pictures, cells, references[a], 0) for a in ASPECTS}
    strange = {a: _against(judge, a, pictures, cells, references[a], 1) for a in ASPECTS}
    scenarios = np.concatenate([np.full(len(pictures[c]), n) for n, c in enumerate(cells)])
    joined = {aspect: _joined(comparisons) for aspect, comparisons in comparisons_of.items()}
    passes = {a: np.array([c.verdicts[1].mean() for c in comparisons_of[a]]) for a in ASPECTS}
    couples = zip(comparisons_of["subject"], comparisons_of["style"], strict=True)
    passes_both = np.array([(a.verdicts[1] & b.verdicts[1]).mean() for a, b in couples])
    shape = (len(subjects), len(styles))
    return {
        "judge": judge.name,
        "paper": mars2(joined, scenarios),
        "ours": {
            **{a: asdict(with_interval(passes[a].reshape(shape), seed=seed)) for a in ASPECTS},
            BOTH: asdict(with_interval(passes_both.reshape(shape), seed=seed)),
        },
        "strangers": {a: _control(comparisons) for a, comparisons in strange.items()},
        "unanswered": {a: sum(c.unanswered for c in comparisons_of[a]) for a in ASPECTS},
    }


def _against(
    judge: PictureJudge, aspect: Aspect, pictures: Mapping[Cell, Array], cells: Sequence[Cell],
    references: Sequence[Array], shift: int,
) -> list[Comparison]:  # fmt: skip
    """Each cell beside the references that are `shift` after its own."""
    place = ASPECTS.index(aspect)
    return [
        judge.compare(aspect, pictures[c], references[(c[place] + shift) % len(references)])
        for c in cells
    ]


def _joined(comparisons: Sequence[Comparison]) -> Comparison:
    """One below the other; references that are fewer than elsewhere count by their own majority."""
    passes = np.concatenate([majority(c.verdicts[0]) for c in comparisons])
    return Comparison(passes.astype(float), passes[:, None])


def _control(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    passes = np.concatenate([c.verdicts[1] for c in comparisons])
    return {"passes": float(passes.mean()), "accepts_strangers": accepts_strangers(passes)}
