"""The tally: figures that can be worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("sklearn")

from lorarium.errors import LorariumError
from lorarium.evaluation.vote.answers import Vote
from lorarium.evaluation.vote.judge_agreement import JudgeVerdicts, compare_judge
from lorarium.evaluation.vote.sheets import Json
from lorarium.evaluation.vote.tally import kappa, open_votes, tally
from tests.evaluation.vote.examples import ballot, made, vote_by

SHARP = {"true renders": "yes", "strangers": "no", "our way": "no"}
LENIENT = {"true renders": "yes", "strangers": "yes", "our way": "yes"}
STRICT = dict.fromkeys(SHARP, "no")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Json]:
    ballots = [ballot(f"t{i}", held=i % 2 == 0) for i in range(4)]
    return made(tmp_path_factory.mktemp("made"), ballots)[1]


def rates(document: Json, kind: str = "style") -> dict[str, float]:
    return {row["source"]: row["mean"] for row in document["kinds"][kind]["rows"]}


def test_rates_and_intervals(key: dict[str, Json]) -> None:
    votes = vote_by(key, "a", SHARP) + vote_by(key, "b", {**SHARP, "our way": "yes"})
    document = tally(open_votes(votes, key))
    assert rates(document) == {"true renders": 1, "strangers": 0, "our way": 0.5}
    (ours,) = (r for r in document["kinds"]["style"]["rows"] if r["source"] == "our way")
    assert ours["low"] == 0 and ours["high"] == 1  # two voters who disagree wholly
    assert ours["voters"] == {"a": 0.0, "b": 1.0} and ours["answers"] == 24


def test_a_cell_without_an_answer_is_not_a_no(key: dict[str, Json]) -> None:
    votes = vote_by(key, "a", SHARP)
    first = votes[0]
    seen = {c: w for c, w in first.answers.items() if w == "no"}
    votes[0] = Vote(first.sheet, "a", first.kind_of_voter, seen)
    assert rates(tally(open_votes(votes, key)))["true renders"] == 1


def test_voters_who_fail_the_controls_are_named(key: dict[str, Json]) -> None:
    votes = vote_by(key, "sharp", SHARP) + vote_by(key, "kind", LENIENT)
    votes += vote_by(key, "severe", STRICT)
    figures = tally(open_votes(votes, key))["kinds"]["style"]
    assert figures["named"] == [
        "kind accepts 1.00 of the wrong ones", "severe accepts 0.00 of the true pictures"
    ]  # fmt: skip
    sharp = next(c for c in figures["controls"] if c["voter"] == "sharp")
    assert sharp["exact"] == 1 and sharp["controls"] == 24


def test_held_targets_are_counted_apart(key: dict[str, Json]) -> None:
    held = {name for name, entry in key.items() if entry["held"]}
    votes = [
        vote for vote in vote_by(key, "a", SHARP) if vote.sheet not in held
    ] + [vote for vote in vote_by(key, "a", LENIENT) if vote.sheet in held]  # fmt: skip
    assert rates(tally(open_votes(votes, key, "free")))["our way"] == 0
    assert rates(tally(open_votes(votes, key, "held")))["our way"] == 1
    assert rates(tally(open_votes(votes, key)))["our way"] == 0.5
    with pytest.raises(LorariumError, match="no part"):
        open_votes(votes, key, "half")


def test_kappa_is_agreement_above_chance() -> None:
    pairs = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    assert kappa(pairs) == pytest.approx(0.4)  # the example of the textbooks: 0.7 against 0.5
    assert kappa([("no", "no")] * 5) is None and kappa([]) is None


def test_agreement_is_told_without_the_easy_cells(key: dict[str, Json]) -> None:
    votes = vote_by(key, "a", SHARP) + vote_by(key, "b", {**SHARP, "our way": "yes"})
    (pair,) = tally(open_votes(votes, key))["kinds"]["style"]["agreement"]
    assert pair["cells"] == 36 and pair["cells without controls"] == 12
    assert pair["kappa"] > 0 and pair["kappa without controls"] == 0


def test_merges_tell_individual_and_artist_apart(tmp_path: Path) -> None:
    _, key = made(tmp_path, [ballot("m", "merge"), ballot("n", "merge")])
    words = {"true renders": "both", "strangers": "neither", "our way": "style"}
    figures = tally(open_votes(vote_by(key, "a", words), key))["kinds"]["merge"]
    ours = next(row for row in figures["rows"] if row["source"] == "our way")
    assert (ours["mean"], ours["subject"], ours["style"]) == (0, 0, 1)
    assert figures["named"] == [] and figures["controls"][0]["exact"] == 1


@pytest.mark.parametrize(("wish", "rate"), [("true renders", 1.0), ("strangers", 0.0)])
def test_pairs_count_what_is_preferred_on_either_side(
    tmp_path: Path, wish: str, rate: float
) -> None:
    _, key = made(tmp_path, [ballot(f"t{i}", "pair", 4, list(SHARP)[:2]) for i in range(3)])
    votes = [
        Vote(name, "a", "person", {
            cell: "a" if pair["a"]["source"] == wish else "b"
            for cell, pair in entry["cells"].items()
        })
        for name, entry in key.items()
    ]  # fmt: skip
    figures = tally(open_votes(votes, key))["kinds"]["pair"]
    (row,) = figures["rows"]
    assert row["mean"] == (rate if row["source"] == "true renders" else 1 - rate)
    assert bool(figures["named"]) == (rate == 0)
    same = [Vote(v.sheet, "b", "person", dict.fromkeys(v.answers, "same")) for v in votes]
    (row,) = tally(open_votes(same, key))["kinds"]["pair"]["rows"]
    assert row["mean"] == 0.5 and row["same"] == 1


def test_a_judge_beside_the_votes(key: dict[str, Json]) -> None:
    answers = open_votes(vote_by(key, "a", SHARP) + vote_by(key, "b", SHARP), key)
    targets = [entry["target"] for entry in key.values()]
    fooled = {"true renders": [True] * 3, "strangers": [False] * 3, "our way": [True, True, False]}
    judge = JudgeVerdicts("fooled", dict.fromkeys(targets, fooled))
    figures = compare_judge(answers, judge)["kinds"]["style"]
    assert {r["source"]: (r["votes"], r["judge"]) for r in figures["rows"]} == {
        "true renders": (1, 1), "strangers": (0, 0), "our way": (0, 0.6667)
    }  # fmt: skip
    assert figures["mean difference"] == pytest.approx(0.2222, abs=1e-4)
    assert figures["spearman"] == pytest.approx(0.866, abs=1e-3)
    with pytest.raises(LorariumError, match="no verdict"):
        compare_judge(answers, JudgeVerdicts("blind", {}))


def test_what_the_judge_did_not_see_is_left_out(key: dict[str, Json]) -> None:
    answers = open_votes(vote_by(key, "a", SHARP), key)
    target = next(iter(key.values()))["target"]
    judge = JudgeVerdicts("narrow", {target: {"true renders": [True]}})
    (row,) = compare_judge(answers, judge)["kinds"]["style"]["rows"]
    assert row == {"source": "true renders", "cells": 1, "votes": 1.0, "judge": 1.0}
