"""A judge's verdicts beside the votes on the same pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lorarium.errors import LorariumError
from lorarium.evaluation.statistics import spearman
from lorarium.evaluation.vote.answers import read_json
from lorarium.evaluation.vote.sheets import Json
from lorarium.evaluation.vote.tally import ROUNDED, Answer, kappa

Verdicts = Mapping[str, Mapping[str, Sequence[bool]]]


@dataclass(frozen=True)
class JudgeVerdicts:
    """`verdicts[target][source]` says of each picture whether the judge accepts it: of a merge,
    both the individual and the artist."""

    judge: str
    verdicts: Verdicts


def read_verdicts(path: Path) -> JudgeVerdicts:
    document = read_json(path)
    try:
        verdicts = {
            str(target): {str(source): [bool(v) for v in values] for source, values in rows.items()}
            for target, rows in document["verdicts"].items()
        }
        return JudgeVerdicts(str(document["judge"]), verdicts)
    except (KeyError, TypeError, AttributeError):
        hint = 'write {"judge": NAME, "verdicts": {target: {source: [true, false]}}}'
        raise LorariumError("not a judge's verdicts", where=str(path), hint=hint) from None


def compare_judge(answers: Sequence[Answer], judge: JudgeVerdicts) -> Json:
    """By kind: each source's rate by votes and by the judge on the cells that both have, Spearman
    of the two over sources, the mean (absolute) difference, and kappa with the voters' majority."""
    kinds: Json = {}
    for kind in dict.fromkeys(a.kind for a in answers if len(a.sources) == 1):
        cells: dict[tuple[str, str, int], list[bool]] = {}
        for a in answers:
            if a.kind == kind:
                cells.setdefault((a.target, a.sources[0], a.picture), []).append(a.accepted)
        verdicts = {cell: _verdict(judge.verdicts, *cell) for cell in cells}
        known = [cell for cell in cells if verdicts[cell] is not None]
        if not known:
            continue
        rows = []
        for source in dict.fromkeys(cell[1] for cell in known):
            source_cells = [cell for cell in known if cell[1] == source]
            rows.append({
                "source": source, "cells": len(source_cells),
                "votes": float(np.mean([np.mean(cells[cell]) for cell in source_cells])),
                "judge": float(np.mean([verdicts[cell] for cell in source_cells])),
            })  # fmt: skip
        vote_rates, judge_rates = (
            np.array([row[name] for row in rows]) for name in ("votes", "judge")
        )
        varied = len(rows) > 1 and np.ptp(vote_rates) > 0 and np.ptp(judge_rates) > 0
        majority = [
            (str(2 * sum(cells[cell]) > len(cells[cell])), str(verdicts[cell])) for cell in known
            if 2 * sum(cells[cell]) != len(cells[cell])
        ]  # fmt: skip
        differences = judge_rates - vote_rates
        kinds[kind] = {
            "rows": [{k: round(v, ROUNDED) if isinstance(v, float) else v for k, v in row.items()}
                     for row in rows],
            "spearman": round(spearman(vote_rates, judge_rates), ROUNDED) if varied else None,
            "mean difference": round(float(differences.mean()), ROUNDED),
            "mean absolute difference": round(float(np.abs(differences).mean()), ROUNDED),
            "kappa with the majority": kappa(majority),
        }  # fmt: skip
    if not kinds:
        raise LorariumError("no verdict is about a picture that was voted on", where=judge.judge)
    return {"judge": judge.judge, "kinds": kinds}


def _verdict(verdicts: Verdicts, target: str, source: str, picture: int) -> bool | None:
    values = verdicts.get(target, {}).get(source, ())
    return bool(values[picture]) if picture < len(values) else None
