import numpy as np
import pytest

from deltas import difference, make, matrix
from lorarium import algebra


@pytest.mark.parametrize("side", ["out", "in"])
@pytest.mark.parametrize("kind", ["lora", "loha", "lokr", "lokr-whole", "full"])
def test_projection_keeps_what_lies_in_the_space(side, kind):
    a, onto = make(kind, 1), make("lora", 2)
    Q = algebra.basis(onto, side)
    expected = Q @ Q.T @ matrix(a) if side == "out" else matrix(a) @ Q @ Q.T
    assert difference(matrix(algebra.project(a, onto, side)), expected) < 1e-5
    assert difference(matrix(algebra.project(onto, onto, side)), matrix(onto)) < 1e-6


@pytest.mark.parametrize("side", ["out", "in"])
def test_overlap_runs_from_0_to_1(side):
    a, b = make("lora", 1), make("lora", 2)
    assert algebra.overlap(a, a, side) == pytest.approx(1, abs=1e-6)
    Q = algebra.basis(b, side)
    X = algebra.basis(a, side)
    expected = float(np.linalg.norm(X.T @ Q) ** 2 / 3)
    assert algebra.overlap(a, b, side) == pytest.approx(expected, rel=1e-5)
    assert (np.diff(algebra.principal_cosines(a, b, side)) <= 0).all()


def test_effective_rank():
    assert algebra.effective_rank(np.ones(5)) == pytest.approx(5)
    assert algebra.effective_rank(np.array([1.0, 0, 0])) == pytest.approx(1)
    assert algebra.effective_rank(np.zeros(3)) == 0
    assert 1 < algebra.effective_rank(make("lora", r=4)) < 4
