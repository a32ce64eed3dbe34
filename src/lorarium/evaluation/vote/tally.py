"""Votes counted with the opened key: rates with intervals, controls, and who agrees with whom."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypeVar

import numpy as np

from lorarium.errors import LorariumError
from lorarium.evaluation.statistics import two_way_bootstrap
from lorarium.evaluation.vote.answers import Vote
from lorarium.evaluation.vote.ballots import Array
from lorarium.evaluation.vote.kinds import KINDS
from lorarium.evaluation.vote.sheets import Json

T = TypeVar("T")
PARTS = ("all", "free", "held")
LEAST_TRUE = 0.8  # of true pictures that a voter accepts, or is named
MOST_FALSE = 0.2  # of strangers
ROUNDED = 4


@dataclass(frozen=True)
class Answer:
    """One word of one voter, and what it is about. `sources` are two for a pair, A's first."""

    kind: str
    target: str
    held: bool
    sheet: str
    cell: str
    sources: tuple[str, ...]
    picture: int
    expected: tuple[str | None, ...]
    voter: str
    word: str

    @property
    def accepted(self) -> bool:
        return self.word in KINDS[self.kind].accepts


def open_votes(votes: Iterable[Vote], key: Mapping[str, Json], part: str = "all") -> list[Answer]:
    """Every answer beside what the key says of its cell; `part` leaves out targets that are held
    back, or all others."""
    if part not in PARTS:
        raise LorariumError(f"no part {part!r}", hint="one of " + ", ".join(PARTS))
    answers = []
    for vote in votes:
        entry = key[vote.sheet]
        if part != "all" and entry["held"] != (part == "held"):
            continue
        for cell, word in vote.answers.items():
            sealed = entry["cells"][cell]
            sides = (sealed["a"], sealed["b"]) if KINDS[entry["kind"]].paired else (sealed,)
            answers.append(Answer(
                entry["kind"], entry["target"], entry["held"], vote.sheet, cell,
                tuple(side["source"] for side in sides), sides[0]["picture"],
                tuple(side.get("expected") for side in sides), vote.voter, word,
            ))  # fmt: skip
    return answers


def tally(answers: Sequence[Answer], *, seed: int = 0) -> Json:
    """All figures of these answers, by kind of sheet."""
    if not answers:
        raise LorariumError("no answers to count")
    document: Json = {"voters": sorted({a.voter for a in answers}), "kinds": {}}
    for kind in KINDS:
        of_kind = [a for a in answers if a.kind == kind]
        if not of_kind:
            continue
        paired = KINDS[kind].paired
        controls = control_figures(of_kind)
        document["kinds"][kind] = {
            "sheets": len({a.sheet for a in of_kind}), "targets": len({a.target for a in of_kind}),
            "answers": len(of_kind),
            "rows": preference_rows(of_kind, seed) if paired else acceptance_rows(of_kind, seed),
            "controls": controls,
            "named": [line for line in map(complaint, controls) if line],
            "agreement": agreement(of_kind),
        }  # fmt: skip
    return document


def acceptance_rows(answers: Sequence[Answer], seed: int) -> list[Json]:
    """How often each source is accepted; both targets and voters are drawn anew for the interval.
    Merges also say how often the individual alone and the artist alone is seen."""
    rows = []
    for source in _in_order(a.sources[0] for a in answers):
        of_source = [a for a in answers if a.sources[0] == source]
        row: Json = {"source": source, "answers": len(of_source)}
        row |= _interval(of_source, [float(a.accepted) for a in of_source], seed)
        if of_source[0].kind == "merge":
            for part in ("subject", "style"):
                seen = [a.word in ("both", part) for a in of_source]
                row[part] = round(float(np.mean(seen)), ROUNDED)
        row["voters"] = {
            voter: round(
                float(np.mean([a.accepted for a in of_source if a.voter == voter])), ROUNDED
            )
            for voter in sorted({a.voter for a in of_source})
        }
        rows.append(row)
    return rows


def preference_rows(answers: Sequence[Answer], seed: int) -> list[Json]:
    """How often the first of two sources is preferred to the second; "same" is half of each."""
    rows = []
    for first, second in _in_order(tuple(sorted(a.sources)) for a in answers):
        of_pair = [a for a in answers if set(a.sources) == {first, second}]
        values = [0.5 if (c := choice_of(a)) is None else float(c == first) for a in of_pair]
        row = {"source": first, "over": second, "answers": len(of_pair)}
        row |= _interval(of_pair, values, seed)
        row["same"] = round(float(np.mean([choice_of(a) is None for a in of_pair])), ROUNDED)
        rows.append(row)
    return rows


def choice_of(answer: Answer) -> str | None:
    """The source that is preferred."""
    return {"a": answer.sources[0], "b": answer.sources[-1]}.get(answer.word)


def control_figures(answers: Sequence[Answer]) -> list[Json]:
    """For each voter: the share of true pictures accepted, of wrong ones accepted (of pairs, of
    which the wrong one is preferred), and of controls answered exactly as expected."""
    rows = []
    for voter in sorted({a.voter for a in answers}):
        of_voter = [a for a in answers if a.voter == voter]
        if KINDS[of_voter[0].kind].paired:
            known = [a for a in of_voter if set(a.expected) == {"yes", "no"}]
            true = [choice_of(a) == a.sources[a.expected.index("yes")] for a in known]
            false = [choice_of(a) == a.sources[a.expected.index("no")] for a in known]
            exact = true
        else:
            accepts = KINDS[of_voter[0].kind].accepts
            known = [a for a in of_voter if a.expected[0] is not None]
            true = [a.accepted for a in known if a.expected[0] in accepts]
            false = [a.accepted for a in known if a.expected[0] not in accepts]
            exact = [a.word == a.expected[0] for a in known]
        figures = {"true accepted": _mean(true), "false accepted": _mean(false)}
        rows.append({"voter": voter, "controls": len(known), **figures, "exact": _mean(exact)})
    return rows


def complaint(figures: Json) -> str:
    """Why a voter is named, or nothing."""
    true, false = figures["true accepted"], figures["false accepted"]
    reasons = []
    if true is not None and true < LEAST_TRUE:
        reasons.append(f"accepts {true:.2f} of the true pictures")
    if false is not None and false > MOST_FALSE:
        reasons.append(f"accepts {false:.2f} of the wrong ones")
    return f"{figures['voter']} {' and '.join(reasons)}" if reasons else ""


def agreement(answers: Sequence[Answer]) -> list[Json]:
    """Of every two voters: cells that both answered, the share of equal words, and Cohen's kappa
    with and without the controls, which are easy to agree on."""
    words: dict[str, dict[tuple[str, str], str]] = {}
    controls = set()
    for a in answers:
        words.setdefault(a.voter, {})[a.sheet, a.cell] = a.word
        if any(a.expected):
            controls.add((a.sheet, a.cell))
    rows = []
    for one, other in itertools.combinations(sorted(words), 2):
        cells = sorted(words[one].keys() & words[other].keys())
        if not cells:
            continue
        pairs = [(words[one][c], words[other][c]) for c in cells]
        rest = [pair for c, pair in zip(cells, pairs, strict=True) if c not in controls]
        rows.append({
            "voters": [one, other], "cells": len(cells),
            "equal": _mean([a == b for a, b in pairs]), "kappa": kappa(pairs),
            "cells without controls": len(rest), "kappa without controls": kappa(rest),
        })  # fmt: skip
    return rows


def kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Cohen's kappa; none where chance alone would agree always."""
    from sklearn.metrics import cohen_kappa_score

    if not pairs or len({word for pair in pairs for word in pair}) < 2:
        return None
    first, second = zip(*pairs, strict=True)
    return round(float(cohen_kappa_score(first, second)), ROUNDED)


def _interval(answers: Sequence[Answer], values: Sequence[float], seed: int) -> Json:
    """Mean over targets and voters (a target's pictures are one figure), and its interval."""
    targets = _in_order(a.target for a in answers)
    voters = sorted({a.voter for a in answers})
    total: Array = np.zeros((len(targets), len(voters)))
    count: Array = np.zeros_like(total)
    for a, value in zip(answers, values, strict=True):
        place = targets.index(a.target), voters.index(a.voter)
        total[place] += value
        count[place] += 1
    table = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    interval = asdict(two_way_bootstrap(table, seed=seed))
    return {name: round(value, ROUNDED) for name, value in interval.items()}


def _in_order(items: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(items))


def _mean(values: Sequence[bool]) -> float | None:
    return round(float(np.mean(values)), ROUNDED) if values else None
