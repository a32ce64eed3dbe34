"""What `evaluate files` says of one judge: rows, the ranking, and what weakens it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lorarium.evaluation.files.drawing import BASE_NAME, DrawSettings, FileContender
from lorarium.evaluation.files.ranking import LEAST_PROMPTS, Pair, Ranking, rank, together
from lorarium.evaluation.judging.chat_judge import ChatJudge
from lorarium.evaluation.judging.comparison import Array, Aspect, Comparison, PictureJudge
from lorarium.evaluation.judging.mars2 import mars2, mars2_points
from lorarium.evaluation.judging.wording import POINTS

MANY_FAILURES = 0.05  # share of questions without an answer from which on a judge is named


@dataclass(frozen=True)
class JudgeScores:
    """What one judge says of all pictures."""

    judge: PictureJudge
    comparisons: Mapping[Aspect, Comparison]  # of all contenders' pictures, one after another
    controls: dict[str, Any]

    @property
    def grades(self) -> Array:
        return together([c.grades for c in self.comparisons.values()])

    @property
    def passes(self) -> Array | None:
        verdicts = [c.passes for c in self.comparisons.values()]
        if any(v is None for v in verdicts):
            return None
        return np.logical_and.reduce([v for v in verdicts if v is not None])


def judge_report(
    scores: JudgeScores, rows: Sequence[FileContender], settings: DrawSettings
) -> dict[str, Any]:
    count, judge = settings.count, scores.judge
    scenarios = np.repeat(np.arange(len(settings.prompts)), settings.each)
    grades = {
        row.name: scores.grades[i * count : (i + 1) * count].reshape(len(settings.prompts), -1)
        for i, row in enumerate(rows)
    }
    ranking = rank({k: v for k, v in grades.items() if k != BASE_NAME})
    with_base = rank(grades)
    document: dict[str, Any] = {
        "judge": judge.name,
        "card": judge.card,
        "rows": [
            _row(scores, row, slice(i * count, (i + 1) * count), scenarios)
            for i, row in enumerate(rows)
        ],
        "ranking": list(ranking.names),
        "leaders": list(ranking.leaders),
        "sentence": ranking.sentence,
        "pairs": [_pair(pair) for pair in with_base.pairs],
        "controls": scores.controls,
        "notes": _notes(scores, ranking, with_base, settings),
    }
    if isinstance(judge, ChatJudge):
        readings = judge.readings
        document["readings"] = {
            **asdict(readings), "failures": readings.failures, "order_effect": readings.order_effect
        }  # fmt: skip
        document["books"] = judge.asker.ledger.report()
    return document


def _pair(pair: Pair) -> dict[str, Any]:
    """As JSON, which knows no infinity: of one prompt nothing is known."""
    document = asdict(pair)
    document["told"] = document.pop("significant")
    ends = document["difference"]
    document["difference"] = {k: v if np.isfinite(v) else None for k, v in ends.items()}
    return document


def _row(scores: JudgeScores, row: FileContender, part: slice, scenarios: Array) -> dict[str, Any]:
    comparisons = {
        aspect: Comparison(
            c.grades[part],
            None if c.yes is None else c.yes[part],
            None if c.answered is None else c.answered[part],
            None if c.passes is None else c.passes[part],
        )
        for aspect, c in scores.comparisons.items()
    }
    passes = None if scores.passes is None else float(scores.passes[part].mean())
    figures: dict[str, Any] = {
        "name": row.name,
        "grade": float(scores.grades[part].mean()),
        "passes": passes,
        "aspects": {
            aspect: {
                "grade": float(c.grades.mean()),
                "passes": None if c.passes is None else float(c.passes.mean()),
                "unanswered": c.unanswered,
            }
            for aspect, c in comparisons.items()
        },
        "mars2": None if passes is None else mars2(comparisons, scenarios),
    }
    if isinstance(scores.judge, ChatJudge) and scores.judge.settings.scale == POINTS:
        figures["mars2_points"] = mars2_points(
            {a: c.grades for a, c in comparisons.items()}, scenarios
        )
    return figures


def _notes(
    scores: JudgeScores, ranking: Ranking, with_base: Ranking, settings: DrawSettings
) -> list[str]:
    """What makes the ranking less than it looks."""
    notes, name = [], scores.judge.name
    for aspect, control in scores.controls.items():
        if control["accepts_strangers"]:
            notes.append(
                f"{name} says yes to strangers ({control['strangers']:.2f} as {aspect}): "
                "its yes says little"
            )
        if control["references"] is not None and control["references"] < 0.5:
            notes.append(f"{name} passes {control['references']:.2f} of the references as {aspect}")
    if len(settings.prompts) < LEAST_PROMPTS:
        notes.append(f"{len(settings.prompts)} prompts are too few: use {LEAST_PROMPTS} at least")
    if isinstance(scores.judge, ChatJudge):
        readings = scores.judge.readings
        if readings.failures > MANY_FAILURES * max(1, readings.asked):
            notes.append(f"{readings.failures} of {readings.asked} questions brought no answer")
    significant = {(p.better, p.worse) for p in with_base.pairs if p.significant}
    first = ranking.names[0]
    if (first, BASE_NAME) not in significant:
        notes.append(f"{first} cannot be told from the base alone")
    return notes
