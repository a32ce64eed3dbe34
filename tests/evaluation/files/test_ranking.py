"""What is told holds for other prompts and other noise; between equals nothing is told."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy")

from lorarium.evaluation.files.ranking import rank, student_interval, together


def equals(random: np.random.Generator, prompts: int, yes_no: bool) -> dict[str, np.ndarray]:
    if yes_no:
        return {f"f{k}": (random.random((prompts, 4)) < 0.5).astype(float) for k in range(4)}
    return {
        f"f{k}": random.normal(0, 0.3, (prompts, 1)) + random.normal(0, 0.2, (prompts, 4))
        for k in range(4)
    }


@pytest.mark.parametrize("prompts", [4, 8, 24])
@pytest.mark.parametrize("yes_no", [False, True])
def test_between_equals_something_is_told_in_one_of_twenty_trials(
    prompts: int, yes_no: bool
) -> None:
    random = np.random.default_rng(prompts)
    false_alarms = [
        any(p.significant for p in rank(equals(random, prompts, yes_no)).pairs) for _ in range(300)
    ]
    assert np.mean(false_alarms) < 0.09  # 0.05 and what 300 trials leave open


def test_files_that_differ_are_put_in_order() -> None:
    random = np.random.default_rng(0)
    prompt = random.normal(0, 0.3, (8, 1))  # hard prompts are hard for all
    grades = {
        name: prompt + level + random.normal(0, 0.05, (8, 4))
        for name, level in (("low", 0.0), ("high", 0.6), ("middle", 0.3))
    }
    ranking = rank(grades)
    assert ranking.names == ("high", "middle", "low") and ranking.leaders == ("high",)
    assert (
        all(pair.significant for pair in ranking.pairs) and ranking.sentence == "high is the best"
    )


def test_no_difference_can_be_told() -> None:
    same = np.linspace(0, 1, 32).reshape(8, 4)
    ranking = rank({"a": same, "b": same.copy()})
    assert ranking.sentence == "no difference can be told" and set(ranking.leaders) == {"a", "b"}


def test_leaders_are_named_together() -> None:
    random = np.random.default_rng(0)
    noise = [random.normal(0, 0.05, (8, 4)) for _ in range(3)]
    ranking = rank({"a": 1 + noise[0], "b": 1 + noise[1], "c": noise[2]})
    assert set(ranking.leaders) == {"a", "b"} and "no difference can be told to" in ranking.sentence


@pytest.mark.parametrize("prompts", [1, 3])
def test_few_prompts_tell_nothing(prompts: int) -> None:
    ranking = rank({"a": np.ones((prompts, 50)), "b": np.zeros((prompts, 50))})
    assert not ranking.pairs[0].significant and ranking.means == {"a": 1.0, "b": 0.0}


def test_student_against_scipy() -> None:
    from scipy import stats

    values = np.random.default_rng(0).normal(size=9)
    low, high = stats.t.interval(0.95, 8, values.mean(), stats.sem(values))
    interval = student_interval(values)
    assert (interval.low, interval.high) == pytest.approx((low, high))


def test_the_weakest_aspect_counts() -> None:
    assert together([np.array([1.0, 0.2]), np.array([0.5, 0.9])]).tolist() == [0.5, 0.2]
