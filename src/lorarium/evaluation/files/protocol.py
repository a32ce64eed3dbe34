"""`evaluate files`: checkpoints of one run, or merges of one pair, drawn from the same noise and
judged, with controls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lorarium.bases.base import Base
from lorarium.errors import LorariumError
from lorarium.evaluation.files.copies import Copy, find_copies
from lorarium.evaluation.files.drawing import (
    BASE_NAME,
    DrawnPictures,
    DrawSettings,
    FileContender,
    Progress,
)
from lorarium.evaluation.files.report import JudgeScores, judge_report
from lorarium.evaluation.files.strangers import MOST_GIVEN, drawn_strangers, spread
from lorarium.evaluation.judging.chat_judge import ChatJudge
from lorarium.evaluation.judging.comparison import Aspect, Comparison, PictureJudge
from lorarium.evaluation.judging.mars2 import accepts_strangers, agreement

Array = np.ndarray
Say = Callable[[str], None]
KNOWN_AMONG_THEMSELVES = 4  # references of the positive control


@dataclass(frozen=True)
class References:
    """What to judge by: pictures of the subject, of the style, or of each; and strangers."""

    of: Mapping[Aspect, Array]
    names: Mapping[Aspect, tuple[str, ...]]  # of their files
    strangers: Array | None = None

    def __post_init__(self) -> None:
        if not self.of:
            raise LorariumError(
                "no references", where="evaluate files",
                hint="give --refs with pictures of the subject, --style-refs with the style's",
            )  # fmt: skip


def evaluate_files(
    base: Base,
    files: Sequence[FileContender],
    references: References,
    judges: Sequence[PictureJudge],
    settings: DrawSettings,
    folder: Path,
    *,
    progress: Progress = lambda *_: None,
    say: Say = lambda _: None,
) -> dict[str, Any]:
    """The whole report as JSON; `folder` keeps what was drawn."""
    rows = [*files, FileContender(BASE_NAME, None, 1.0, "")]
    drawn = DrawnPictures(base, folder, settings)
    drawn.draw(rows, progress)
    pictures = np.concatenate([drawn[row] for row in rows])
    copies = [_copies(drawn[row], references) for row in files]
    scores = [_judge(judge, pictures, references, settings, say) for judge in judges]
    verdicts = {j.judge.name: j.passes for j in scores if j.passes is not None}
    return {
        "base": base.family,
        "base_hash": base.hash,
        **{key: value for key, value in asdict(settings).items()},
        "files": [
            {
                "name": row.name, "path": str(row.path), "weight": row.weight,
                "sha256": row.hash, "copies": flagged,
            }
            for row, flagged in zip(files, copies, strict=True)
        ],
        "references": {aspect: len(known) for aspect, known in references.of.items()},
        "strangers": "drawn" if references.strangers is None else len(references.strangers),
        "judges": [judge_report(j, rows, settings) for j in scores],
        "kappa": agreement(verdicts),
    }  # fmt: skip


def count_questions(
    files: Sequence[FileContender], references: References, judges: Sequence[PictureJudge],
    settings: DrawSettings, base: Base, folder: Path,
) -> list[dict[str, Any]]:  # fmt: skip
    """What each chat judge would be asked: nothing is drawn and nothing is sent. Pictures that
    are there already are counted exactly, others as if no two were alike."""
    rows = [*files, FileContender(BASE_NAME, None, 1.0, "")]
    drawn = DrawnPictures(base, folder, settings)
    loaded = [drawn.load(row) for row in rows]
    known = [pictures for pictures in loaded if pictures is not None]
    missing = (len(rows) - len(known)) * settings.count
    plans = []
    for judge in judges:
        if not isinstance(judge, ChatJudge):
            continue
        every = unpaid = question_tokens = answer_tokens = 0
        for aspect, pictures in references.of.items():
            parts = _control_pairs(pictures, references, settings)
            if known:
                parts.append((np.concatenate(known), pictures))
            counts = np.array([judge.count(aspect, *part) for part in parts]).sum(0)
            new = missing * len(pictures) * judge.settings.votes
            every, unpaid = every + int(counts[0]) + new, unpaid + int(counts[1]) + new
            max_tokens = judge.max_tokens(aspect)
            question_tokens += (int(counts[1]) + new) * max_tokens.question
            answer_tokens += (int(counts[1]) + new) * max_tokens.answer
        ledger = judge.asker.ledger
        money = ledger.price.question * question_tokens + ledger.price.answer * answer_tokens
        plans.append(
            {
                "judge": judge.name, "questions": every, "unpaid": unpaid, "exact": not missing,
                "at_most_tokens": question_tokens + answer_tokens,
                "at_most_money": str(money / 1_000_000), "books": ledger.report(),
            }
        )  # fmt: skip
    return plans


def _control_pairs(
    known: Array, references: References, settings: DrawSettings
) -> list[tuple[Array, Array]]:
    """Pictures beside references: some references beside the others, then strangers."""
    chosen = np.linspace(0, len(known) - 1, min(len(known), KNOWN_AMONG_THEMSELVES))
    pairs = [
        (known[i : i + 1], np.delete(known, i, axis=0))
        for i in chosen.round().astype(int)
        if len(known) > 1
    ]
    return [*pairs, (_strangers(references, known), known)]


def _strangers(references: References, known: Array) -> Array:
    if references.strangers is None:
        return drawn_strangers(known.shape[1])
    # every second one may have set a threshold
    strangers = references.strangers
    return spread(strangers[1::2] if len(strangers) > 1 else strangers, MOST_GIVEN)


def _judge(
    judge: PictureJudge, pictures: Array, references: References, settings: DrawSettings, say: Say
) -> JudgeScores:
    comparisons: dict[Aspect, Comparison] = {}
    controls: dict[str, Any] = {}
    for aspect, known in references.of.items():
        judge = _calibrated(judge, aspect, known, references)
        say(f"{judge.name}: {aspect}, {len(pictures)} pictures x {len(known)} references")
        *among, strange = (
            judge.compare(aspect, *pair) for pair in _control_pairs(known, references, settings)
        )
        controls[aspect] = {
            "references": _share([c.passes for c in among]),
            "strangers": _share([strange.passes]),
            "accepts_strangers": accepts_strangers(strange.passes),
        }
        comparisons[aspect] = judge.compare(aspect, pictures, known)
    return JudgeScores(judge, comparisons, controls)


def _calibrated(
    judge: PictureJudge, aspect: Aspect, known: Array, references: References
) -> PictureJudge:
    """Embedding judges take their threshold from every second stranger."""
    calibrate = getattr(judge, "calibrated", None)
    if calibrate is None or references.strangers is None:
        return judge
    if len(references.strangers) < 4:
        raise LorariumError(
            f"{len(references.strangers)} strangers are too few for a threshold",
            where="--strangers", hint="four at least, twenty or more are better",
        )  # fmt: skip
    calibrated: PictureJudge = calibrate(aspect, references.strangers[::2], known)
    return calibrated


def _share(verdicts: Sequence[Array | None]) -> float | None:
    known = [v for v in verdicts if v is not None]
    return float(np.concatenate(known).mean()) if known else None


def _copies(pictures: Array, references: References) -> list[dict[str, Any]]:
    rows = []
    for aspect, known in references.of.items():
        copies: list[Copy] = find_copies(pictures, known)
        names = references.names[aspect]
        rows += [{**asdict(c), "aspect": aspect, "reference": names[c.reference]} for c in copies]
    return rows
