import pytest

from deltas import KINDS, difference, make, matrix
from lorarium import LorariumError, algebra

NO_FACTORS = {"lokr-whole", "full", "full-conv"}


@pytest.mark.parametrize("kind", sorted(set(KINDS) - NO_FACTORS))
def test_lowering_is_exact_and_costs_what_was_said(kind):
    delta = make(kind, r=2)
    cost = algebra.lowering_cost(delta)
    low = algebra.lower(delta)
    assert low.shape == delta.shape and low.mid is None
    assert low.rank == cost.rank
    assert low.up.size + low.down.size == cost.parameters
    assert difference(matrix(low), matrix(delta)) < 1e-6


@pytest.mark.parametrize("kind", sorted(NO_FACTORS))
def test_what_has_no_smaller_factors_is_refused(kind):
    assert algebra.lowering_cost(make(kind)).full
    with pytest.raises(LorariumError, match="no smaller factors"):
        algebra.lower(make(kind))
