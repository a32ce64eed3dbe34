"""Figures against cases that can be worked out by hand."""

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from lorarium.errors import LorariumError
from lorarium.evaluation.describe.measures import (
    clusters,
    linear_cka,
    mantel,
    overlap,
    retrieval,
    structure,
)
from lorarium.evaluation.describe.retrieved import Answers, Retrieval, figures, paired_differences
from lorarium.evaluation.describe.rows import Placed, VectorContender
from lorarium.evaluation.describe.traces import r_squared
from lorarium.evaluation.statistics import (
    average_precision,
    mean_average_precision,
)
from tests.evaluation.describe.minted import noise


def placed(gallery, queries=None, metric="cosine"):
    gallery = np.asarray(gallery, np.float32)
    queries = gallery[:0] if queries is None else np.asarray(queries, np.float32)
    return Placed(gallery, np.arange(len(gallery)), queries, metric)


def test_average_precision_by_hand():
    scores = np.array([[4.0, 3, 2, 1], [1, 2, 3, 4], [1, 2, 3, 4]])
    relevant = np.array([[1, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]], bool)
    precisions = average_precision(scores, relevant)
    np.testing.assert_allclose(precisions[:2], [(1 + 2 / 3) / 2, 1 / 4])
    assert np.isnan(precisions[2])
    assert mean_average_precision(scores, relevant) == pytest.approx((5 / 6 + 1 / 4) / 2)


def test_retrieval_by_hand():
    # artists 0 and 1 are of one group, artist 2 stands alone in another
    gallery = [[1, 0, 0], [0.9, 0.1, 0], [0, 1, 0], [0, 0, 1]]
    queries = [[1, 0.2, 0], [0.6, 0.5, 0], [0, 0.8, 0.7]]
    tags, truth = np.array([0, 0, 1, 2]), np.array([0, 1, 2])
    answer = retrieval(placed(gallery, queries), tags, truth, np.array([0, 0, 1]), 3)
    assert answer.hit.tolist() == [1, 0, 0]
    assert answer.centroid.tolist() == [1, 0, 0]
    np.testing.assert_allclose(answer.precision, [1, 1 / 3, 1 / 2])
    assert answer.within[:2].tolist() == [1, 0] and np.isnan(answer.within[2])
    assert answer.nearest.shape == (3, 3)


def test_distance_counts_where_the_metric_says_so():
    far = placed([[1, 0], [0.1, 0.1]], [[0.2, 0]], "euclidean")
    assert far.scores().argmax() == 1
    assert placed(far.gallery, far.queries).scores().argmax() == 0


def test_only_members_count():
    part = Placed(np.eye(2, dtype="f4"), np.array([1, 3]), np.eye(2, dtype="f4"), "cosine")
    answer = retrieval(part, np.array([9, 0, 9, 1]), np.array([0, 1]), np.zeros(10, int), 10)
    assert answer.hit.tolist() == [1, 1]


def test_clusters_of_islands_and_of_noise():
    labels = np.repeat(np.arange(4), 6)
    islands = 10 * np.eye(4, 300)[labels] + 0.1 * noise(24, 300)
    agreement = clusters(placed(islands), labels, seed=0)
    assert agreement["ari k-means"] == agreement["nmi linkage"] == pytest.approx(1)
    assert agreement["silhouette"] > 0.9
    lost = clusters(placed(noise(24, 300)), labels, seed=0)
    assert abs(lost["ari k-means"]) < 0.3 and lost["silhouette"] < 0.05
    assert clusters(placed(islands), np.zeros(24), seed=0) == {}
    assert clusters(placed(np.ones((24, 3))), labels, seed=0) == {}


def test_maps_of_one_structure():
    X = noise(30, 5)
    turned = X @ np.linalg.qr(noise(5, 5, 1))[0] * 3
    assert linear_cka(X, turned) == pytest.approx(1, abs=1e-5)
    same = structure(placed(X), placed(turned), seed=0, rounds=99)
    assert same["mantel"] == pytest.approx(1, abs=1e-4) and same["mantel p"] == 0.01
    assert same["neighbours"] == 1 and same["neighbours by chance"] == pytest.approx(10 / 29)
    other = structure(placed(X), placed(noise(30, 5, 2)), seed=0, rounds=99)
    assert abs(other["mantel"]) < 0.2 and other["mantel p"] > 0.05
    with pytest.raises(LorariumError, match="different adapters"):
        structure(placed(X), placed(X[:5]), seed=0)


def test_mantel_and_overlap_by_hand():
    a = np.array([[0, 1, 2], [1, 0, 3], [2, 3, 0.0]])
    b = 10 - a - 10 * np.eye(3)
    assert mantel(a, b, seed=0, rounds=9)[0] == pytest.approx(-1)
    line = np.abs(np.arange(4)[:, None] - np.arange(4)).astype(float)
    swapped = line[np.ix_([1, 0, 2, 3], [1, 0, 2, 3])]
    # nearest: 1 0 1 2 on the line, 1 0 0 2 after the swap
    assert overlap(line, swapped, 1) == 0.75


def test_traces_are_read_where_they_are_and_not_where_they_are_not():
    X, groups = noise(120, 40), np.repeat(np.arange(30), 4)
    assert r_squared(X, X[:, 3] + 2 * X[:, 5], groups) > 0.9
    assert r_squared(X, noise(120, 1, 7)[:, 0].astype(float), groups) < 0.15
    assert np.isnan(r_squared(X, X[:, 0], np.zeros(120, int)))


def answers(hits, precision):
    n = len(hits)
    nearest = np.where(np.eye(n, dtype=bool) == np.array(hits, bool)[:, None], 1.0, 0.0)
    hit = np.array(hits, float)
    result = Retrieval(hit, np.array(precision, float), hit, np.full(n, np.nan), nearest)
    return {"same": Answers(result, np.arange(n), np.zeros(n, int))}


def test_figures_and_their_null():
    report = figures(answers([1] * 8, [1] * 8))["same"]
    assert report["r_at_1"] == 1 and report["p"] < 0.01 and report["null"] < 0.3
    assert report["r_at_1 in its group"] is None and report["r_at_1 interval"] == [1, 1]


def test_paired_differences_are_on_the_same_queries():
    rows = [VectorContender(name, noise(8, 3), sort) for name, sort in
            (("output", "weights"), ("probe", "learned"), ("raw", "weights"))]  # fmt: skip
    results = {
        "output": answers([0] * 8, [0.5] * 8),
        "probe": answers([1] * 8, [1] * 8),
        "raw": answers([0] * 8, [0.25] * 8),
    }
    differences = {(p["row"], p["less"]): p for p in paired_differences(rows, results)}
    assert set(differences) == {("probe", "output"), ("probe", "raw"), ("output", "raw")}
    assert differences["probe", "output"]["r_at_1"] == {"mean": 1, "low": 1, "high": 1}
    assert differences["output", "raw"]["map"]["mean"] == pytest.approx(0.25)
