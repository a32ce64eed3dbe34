"""What a judge says of all pictures of ballots, in the form that a tally compares with votes."""

from __future__ import annotations

from collections.abc import Sequence

from lorarium.evaluate.judges import Judge
from lorarium.evaluate.vote.ballots import Array, Ballot
from lorarium.evaluate.vote.judged import JudgeVerdicts


def judge_ballots(name: str, judge: Judge, ballots: Sequence[Ballot]) -> JudgeVerdicts:
    """Verdicts of a judge of the world; of a merge, both individual and artist."""

    def passes(ballot: Ballot, pictures: Array) -> list[bool]:
        known = ballot.references
        if ballot.kind == "merge":
            return [bool(v) for v in judge.both_pass(pictures, known["subject"], known["style"])]
        check = judge.style_pass if ballot.kind == "style" else judge.subject_pass
        return [bool(v) for v in check(pictures, known[ballot.kind])]

    return JudgeVerdicts(name, {
        ballot.target: {row.source: passes(ballot, row.pictures) for row in ballot.rows}
        for ballot in ballots
    })  # fmt: skip
