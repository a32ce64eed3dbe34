"""MARS² as the paper counts it, controls, and agreement."""

from __future__ import annotations

import numpy as np
import pytest

from lorarium.errors import LorariumError
from lorarium.evaluation.judging.comparison import Comparison, majority
from lorarium.evaluation.judging.grid import mars2_of_grid
from lorarium.evaluation.judging.mars2 import (
    accepts_strangers,
    agreement,
    kappa,
    mars2,
    mars2_points,
    with_interval,
)


def comparison(*rows: str) -> Comparison:
    """`y`, `n`, or `-` for no answer, a letter for each reference."""
    letters = np.array([list(row) for row in rows])
    yes = letters == "y"
    return Comparison(yes.mean(1), yes, letters != "-")


def test_more_than_half_of_all_references() -> None:
    verdicts = comparison("yyn", "ynn", "yy-", "y--", "---")
    assert verdicts.passes is not None
    assert verdicts.passes.tolist() == [True, False, True, False, False]
    assert verdicts.unanswered == 6
    assert not majority(np.array([[True, False]]))[0]  # a half is not more than half


def test_mean_of_pictures_then_of_scenarios() -> None:
    subject = comparison("yyy", "yyn", "nnn", "yyy")
    style = comparison("y", "n", "y", "y")
    scenarios = np.array([0, 0, 0, 1])
    scores = mars2({"subject": subject, "style": style}, scenarios)
    assert scores["subject"] == pytest.approx((2 / 3 + 1) / 2)
    assert scores["style"] == pytest.approx((2 / 3 + 1) / 2)
    assert scores["both"] == pytest.approx((1 / 3 + 1) / 2)
    assert mars2({"style": style}, scenarios).keys() == {"style"}


def test_points() -> None:
    grades = {"subject": np.array([0.5, 1.0, 0.0]), "style": np.array([1.0, 1.0, 1.0])}
    scores = mars2_points(grades, np.array([0, 0, 1]))
    assert scores == {"subject": 37.5, "style": 100.0, "both": 68.75}


def test_a_yes_without_an_answer_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="without an answer"):
        Comparison(np.ones(1), np.array([[True]]), np.array([[False]]))


def test_a_judge_without_thresholds_has_no_mars2() -> None:
    with pytest.raises(LorariumError, match="no yes"):
        mars2({"style": Comparison(np.ones(2))}, np.zeros(2))


def test_strangers() -> None:
    assert accepts_strangers(np.array([True, False, False]))
    assert not accepts_strangers(np.array([True] + [False] * 9))
    assert not accepts_strangers(None) and not accepts_strangers(np.empty(0, bool))


def test_kappa() -> None:
    pytest.importorskip("sklearn")
    a, b = [True, True, False, False], [True, False, False, False]
    assert kappa(a, a) == 1 and kappa(a, b) == pytest.approx(0.5)
    assert kappa([True] * 4, [True] * 4) is None  # chance explains it
    assert kappa([True] * 4, a) == pytest.approx(0)
    with pytest.raises(LorariumError, match="beside"):
        kappa(a, b[:2])
    couples = agreement({"x": np.array(a), "y": np.array(b), "z": np.array(a)})
    assert [(*c["judges"], c["kappa"]) for c in couples] == [
        ("x", "y", 0.5), ("x", "z", 1.0), ("y", "z", 0.5),
    ]  # fmt: skip


def test_interval_over_subjects_and_styles() -> None:
    passes = np.random.default_rng(0).random((5, 5, 10)) < 0.4
    interval = with_interval(passes)
    assert interval.low < interval.mean < interval.high
    assert interval.mean == pytest.approx(passes.mean())


class Colours:
    """Says yes to pictures whose colour is the references'; to everything where `blind`."""

    name, card = "colours", {}

    def __init__(self, blind: bool = False) -> None:
        self.blind = blind

    def compare(self, aspect: str, pictures: np.ndarray, references: np.ndarray) -> Comparison:
        channel = ("subject", "style").index(aspect)
        a, b = pictures[..., channel].mean((1, 2)), references[..., channel].mean((1, 2))
        yes = (np.abs(a[:, None] - b[None]) < 5) | self.blind
        return Comparison(yes.mean(1), yes)


def coloured(subject: int, style: int, count: int) -> np.ndarray:
    picture = np.zeros((count, 4, 4, 3), np.uint8)
    picture[..., 0], picture[..., 1] = 20 * subject, 20 * style
    return picture


def test_a_grid_of_subjects_and_styles() -> None:
    cells = {(i, j): coloured(i, j, 4) for i in range(3) for j in range(4)}
    cells[0, 0] = np.concatenate([coloured(0, 0, 2), coloured(0, 3, 2)])  # style lost in half
    subjects = [coloured(i, 9, 3) for i in range(3)]
    styles = [coloured(9, j, 1) for j in range(4)]
    report = mars2_of_grid(Colours(), cells, subjects, styles)
    assert report["paper"] == pytest.approx({"subject": 1, "style": 11.5 / 12, "both": 11.5 / 12})
    assert report["ours"]["both"]["mean"] == pytest.approx(11.5 / 12)
    assert report["ours"]["both"]["low"] < 11.5 / 12 <= report["ours"]["both"]["high"] <= 1
    assert report["strangers"]["subject"] == {"passes": 0.0, "accepts_strangers": False}
    blind = mars2_of_grid(Colours(blind=True), cells, subjects, styles)
    assert blind["paper"]["both"] == 1 and blind["strangers"]["style"]["accepts_strangers"]
    with pytest.raises(LorariumError, match="every cell"):
        mars2_of_grid(Colours(), {(0, 0): cells[0, 0]}, subjects, styles)
