"""How often judges accept each source's pictures, for the tables of benchmarks with votes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lorarium.evaluation.synth.targets import Target
from lorarium.evaluation.vote.ballots import Ballot, Candidates
from lorarium.evaluation.vote.judge_agreement import JudgeVerdicts
from lorarium.evaluation.vote.sources import CONTROLS, PictureStore


def ballots_of(
    store: PictureStore, targets: Sequence[Target], names: Sequence[str]
) -> list[Ballot]:
    """Of the targets whose rows are all drawn."""
    made = []
    for t in targets:
        rows = [(name, store.get(t.name, name)) for name in names]
        if all(pictures is not None for _, pictures in rows):
            candidates = tuple(Candidates(n, p, CONTROLS[t.kind].get(n)) for n, p in rows)
            made.append(Ballot(t.name, t.kind, {t.kind: t.references}, candidates, False))
    return made


def rates(drawn: Sequence[Ballot], judges: Sequence[JudgeVerdicts]) -> dict[str, dict[str, float]]:
    rows: dict[str, dict[str, float]] = {}
    for judge in judges:
        for kind in ("style", "subject"):
            of_kind = [judge.verdicts[b.target] for b in drawn if b.kind == kind]
            for source in of_kind[0] if of_kind else ():
                rate = np.mean([v for target in of_kind for v in target[source]])
                rows.setdefault(f"{kind}: {source}", {})[judge.judge] = round(float(rate), 4)
    return rows
