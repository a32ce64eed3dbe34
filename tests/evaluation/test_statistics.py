"""Figures against brute force, closed forms and scikit-learn."""

from statistics import NormalDist

import numpy as np
import pytest

from lorarium.evaluation.statistics import (
    average_precision,
    equal_error_rate,
    mean_average_precision,
    permutation_null,
    recall_at_1,
    spearman,
    threshold_at,
    two_way_bootstrap,
    unbiased_mmd2,
)


def test_equal_error_rate_of_apart_mixed_and_reversed_scores():
    low, high = np.arange(50.0), np.arange(50.0) + 100
    assert equal_error_rate(high, low) == 0
    assert equal_error_rate(low, high) == pytest.approx(1, abs=0.03)
    assert equal_error_rate(low, low) == pytest.approx(0.5, abs=0.02)


def test_equal_error_rate_is_where_brute_force_finds_it():
    random = np.random.default_rng(0)
    yes, no = random.normal(1, 1, 400), random.normal(0, 1, 900)
    gaps = [
        (abs((yes < t).mean() - (no >= t).mean()), ((yes < t).mean() + (no >= t).mean()) / 2)
        for t in np.concatenate([yes, no])
    ]
    assert equal_error_rate(yes, no) == pytest.approx(min(gaps)[1], abs=1e-9)
    many = equal_error_rate(random.normal(1, 1, 200_000), random.normal(0, 1, 200_000))
    assert many == pytest.approx(NormalDist().cdf(-0.5), abs=0.005)


def test_equal_error_rate_agrees_with_the_roc_curve():
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(1)
    yes, no = random.normal(0.7, 1, 1500), random.normal(0, 1, 1500)
    truth = np.r_[np.ones(1500), np.zeros(1500)]
    false, true, _ = metrics.roc_curve(truth, np.r_[yes, no])
    i = np.argmin(np.abs(false - (1 - true)))
    assert equal_error_rate(yes, no) == pytest.approx((false[i] + 1 - true[i]) / 2, abs=2e-3)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5])
def test_a_threshold_lets_no_more_than_its_share_pass(share):
    negative = np.random.default_rng(2).normal(size=1000)
    accepted = (negative >= threshold_at(negative, share)).mean()
    assert accepted <= share
    assert accepted >= share - 1e-3


def test_a_threshold_counts_ties_as_accepted():
    assert (np.ones(100) >= threshold_at(np.ones(100), 0.05)).mean() == 0


def test_recall_at_1():
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.3]])
    assert recall_at_1(scores, np.array([0, 1, 1])) == pytest.approx(2 / 3)


def by_rank(scores, relevant):
    """Average precision of one ranking without ties, from its definition."""
    places = [place for place, i in enumerate(np.argsort(-scores), 1) if relevant[i]]
    return np.mean([(earlier + 1) / place for earlier, place in enumerate(places)])


def test_average_precision_is_what_its_definition_says():
    pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(3)
    scores, relevant = random.normal(size=(20, 50)), random.random((20, 50)) < 0.2
    relevant[4] = False
    expected = np.array([by_rank(*row) if row[1].any() else np.nan
                         for row in zip(scores, relevant, strict=True)])  # fmt: skip
    np.testing.assert_allclose(average_precision(scores, relevant), expected, rtol=1e-12)
    assert np.isnan(expected[4])
    assert mean_average_precision(scores, relevant) == pytest.approx(np.nanmean(expected))
    assert np.isnan(mean_average_precision(scores[4:5], relevant[4:5]))


def test_precision_of_equals_does_not_depend_on_their_order():
    pytest.importorskip("sklearn.metrics")
    scores = np.array([[2.0, 1, 1, 0]])
    first, second = (np.array([[False, *pair, False]]) for pair in ((True, False), (False, True)))
    for relevant in (first, second):
        assert average_precision(scores, relevant)[0] == pytest.approx(1 / 3)
        assert mean_average_precision(scores, relevant) == pytest.approx(1 / 3)


def test_two_way_bootstrap_is_wider_than_one_that_ignores_subjects():
    random = np.random.default_rng(4)
    cells = 0.1 + random.normal(0, 0.2, (14, 1)) + random.normal(0, 0.02, (14, 14))
    interval = two_way_bootstrap(cells, seed=0)
    assert interval.mean == pytest.approx(cells.mean())
    expected = 1.96 * cells.mean(1).std(ddof=1) / np.sqrt(14)
    assert interval.high - interval.low == pytest.approx(2 * expected, rel=0.15)
    assert interval == two_way_bootstrap(cells, seed=0)


def test_two_way_bootstrap_agrees_with_drawing_rows_and_columns():
    random = np.random.default_rng(5)
    cells = random.normal(0.2, 1, (8, 6))
    means = [
        cells[np.ix_(random.integers(8, size=8), random.integers(6, size=6))].mean()
        for _ in range(20_000)
    ]
    interval = two_way_bootstrap(cells, seed=1, rounds=20_000)
    assert interval.low == pytest.approx(np.quantile(means, 0.025), abs=0.02)
    assert interval.high == pytest.approx(np.quantile(means, 0.975), abs=0.02)


def test_two_way_bootstrap_covers_the_truth():
    """95% intervals hold the true mean in 90% of worlds or more, with 14 x 14 cells."""
    random = np.random.default_rng(6)
    covered = 0
    for _ in range(200):
        effects = random.normal(0, 0.2, (14, 1)) + random.normal(0, 0.2, (1, 14))
        cells = effects + random.normal(0, 0.2, (14, 14))
        interval = two_way_bootstrap(cells, seed=0, rounds=500)
        covered += interval.low <= 0 <= interval.high
    assert covered >= 180


def test_two_way_bootstrap_bears_missing_cells_and_repeats():
    cells = np.full((5, 4), 0.25)
    cells[0, 0] = np.nan
    interval = two_way_bootstrap(cells, seed=0)
    assert interval.mean == interval.low == interval.high == 0.25
    assert two_way_bootstrap(np.stack([cells, cells], 2)[1:], seed=0).mean == 0.25


def test_permutation_null():
    random = np.random.default_rng(7)
    truth = np.repeat(np.arange(10), 10)
    chance, p = permutation_null(random.normal(size=(100, 10)), truth, seed=0)
    assert chance == pytest.approx(0.1, abs=0.02)
    assert p > 0.01
    assert permutation_null(np.eye(10)[truth], truth, seed=0)[1] == pytest.approx(1 / 1001)


def test_mmd_is_unbiased_and_finds_a_shift():
    random = np.random.default_rng(8)
    same = [
        unbiased_mmd2(random.normal(size=(20, 3)), random.normal(size=(40, 3)), bandwidth=1.5)
        for _ in range(400)
    ]
    assert abs(np.mean(same)) < 3 * np.std(same) / 20
    assert min(same) < 0
    assert unbiased_mmd2(random.normal(1, 1, (64, 3)), random.normal(size=(64, 3))) > 0.05


def test_mmd_against_the_double_loop():
    random = np.random.default_rng(9)
    x, y = random.normal(size=(7, 2)), random.normal(size=(9, 2))

    def k(a, b):
        return np.exp(-((a - b) ** 2).sum() / 2)

    xx = np.mean([k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j])
    yy = np.mean([k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j])
    xy = np.mean([k(a, b) for a in x for b in y])
    assert unbiased_mmd2(x, y, bandwidth=1.0) == pytest.approx(xx + yy - 2 * xy)


def test_spearman_where_there_are_ties():
    pytest.importorskip("scipy.stats")
    a, b = np.array([1.0, 2, 2, 4]), np.array([3.0, 1, 4, 4])
    ranks = np.array([1, 2.5, 2.5, 4]), np.array([2, 1, 3.5, 3.5])
    assert spearman(a, b) == pytest.approx(np.corrcoef(*ranks)[0, 1])
    assert spearman(a, -a) == pytest.approx(-1)
    assert spearman(a, np.exp(a)) == pytest.approx(1)
