"""ΔW of LoHa and LoKr against LyCORIS's functional code."""

import warnings

import numpy as np
import pytest

from deltas import KINDS, difference, make
from lorarium import algebra
from lorarium.adapter import Hadamard, Kronecker, LowRank

pytestmark = pytest.mark.interop

LOHA = ("w1_b", "w1_a", "w2_b", "w2_a", "t1", "t2")
LOKR = ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2")


@pytest.fixture(scope="module")
def functional():
    pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("lycoris")
        from lycoris.functional import locon, loha, lokr
    return {LowRank: locon, Hadamard: loha, Kronecker: lokr}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "kind",
    [kind for kind in KINDS if not kind.startswith("full")],
)
def test_delta_w_agrees(functional, kind):
    import torch

    delta = make(kind, 5)
    module = functional[type(delta)]
    if isinstance(delta, LowRank):
        values = (delta.down, delta.up, delta.mid)
    else:
        names = LOHA if isinstance(delta, Hadamard) else LOKR
        values = tuple(getattr(delta, name) for name in names)
    tensors = [None if v is None else torch.from_numpy(v) for v in values]
    # its diff_weight of LoKr divides by what it takes for the rank; the product is kron_weight
    product = module.kron_weight if isinstance(delta, Kronecker) else module.diff_weight
    theirs = product(*tensors, backend="torch").numpy()
    ours = algebra.dense_delta(delta)
    assert difference(ours, np.float32(delta.scale) * theirs.reshape(ours.shape)) < 1e-6
