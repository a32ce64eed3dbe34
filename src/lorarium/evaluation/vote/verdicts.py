"""What a judge says of all pictures of ballots, in the form that a tally compares with votes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lorarium.evaluation.judges import Judge
from lorarium.evaluation.vote.ballots import Ballot
from lorarium.evaluation.vote.judge_agreement import JudgeVerdicts


def judge_ballots(name: str, judge: Judge, ballots: Sequence[Ballot]) -> JudgeVerdicts:
    """Verdicts of a judge of the world; of a merge, both individual and artist."""

    def passes(ballot: Ballot) -> dict[str, list[bool]]:
        """All rows at once, so that references are looked at once."""
        known, rows = ballot.references, ballot.rows
        pictures = np.concatenate([row.pictures for row in rows])
        if ballot.kind == "merge":
            verdicts = judge.both_pass(pictures, known["subject"], known["style"])
        elif ballot.kind == "style":
            verdicts = judge.style_pass(pictures, known["style"])
        else:
            verdicts = judge.subject_pass(pictures, known["subject"])
        ends = np.cumsum([len(row.pictures) for row in rows])[:-1]
        return {
            row.source: [bool(v) for v in part]
            for row, part in zip(rows, np.split(verdicts, ends), strict=True)
        }

    return JudgeVerdicts(name, {ballot.target: passes(ballot) for ballot in ballots})
