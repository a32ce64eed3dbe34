"""TIES, DARE and pruning agree with PEFT's own functions; svd and cat with its adapters."""

import numpy as np
import pytest

from deltas import difference, make, matrix
from lorarium.adapter import Adapter, Module
from lorarium.mergers import merge
from lorarium.mergers.dense_dare import mask

torch = pytest.importorskip("torch")
merge_utils = pytest.importorskip("peft.utils.merge_utils")
pytestmark = pytest.mark.interop

PLACE = Module("denoiser", "x")
WEIGHTS = [0.7, 1.3, -0.4]
KINDS = ("lora", "loha", "full")


def inputs(kinds=KINDS):
    adapters = [Adapter({PLACE: make(k, i)}) for i, k in enumerate(kinds)]
    return adapters, [torch.from_numpy(matrix(a[PLACE])).float() for a in adapters]


def ours(adapters, method, **options):
    return matrix(merge(adapters, WEIGHTS, method=method, rank="full", **options)[PLACE])


@pytest.mark.parametrize("election", ["total", "frequency"])
@pytest.mark.parametrize("density", [0.2, 0.5, 0.999])
def test_ties(density, election):
    adapters, tensors = inputs()
    theirs = merge_utils.ties(tensors, torch.tensor(WEIGHTS), density, election)
    assert (
        difference(ours(adapters, "ties", density=density, election=election), theirs.numpy())
        < 1e-6
    )


@pytest.mark.parametrize("density", [0.1, 0.5])
def test_prune(density):
    adapters, tensors = inputs()
    theirs = merge_utils.magnitude_prune(tensors, torch.tensor(WEIGHTS), density)
    assert difference(ours(adapters, "prune", density=density), theirs.numpy()) < 1e-6


@pytest.mark.parametrize("method", ["dare-linear", "dare-ties"])
def test_dare_with_the_same_masks(method, monkeypatch):
    adapters, tensors = inputs()
    masks = iter([mask(5, k, PLACE, (24, 18), 0.3) for k in range(3)])
    monkeypatch.setattr(torch, "bernoulli", lambda x: torch.from_numpy(next(masks)).float())
    theirs = getattr(merge_utils, method.replace("-", "_"))(tensors, torch.tensor(WEIGHTS), 0.3)
    assert next(masks, None) is None
    assert difference(ours(adapters, method, density=0.3, seed=5), theirs.numpy()) < 1e-6


def test_masks_drop_what_they_should():
    kept = mask(0, 0, PLACE, (500, 400), 0.3).mean()
    assert abs(kept - 0.3) < 0.005
    assert (mask(0, 0, PLACE, (5, 4), 0.3) != mask(0, 1, PLACE, (5, 4), 0.3)).any()


@pytest.mark.parametrize("method,theirs", [("cat", "cat"), ("svd", "svd"), ("ties", "ties_svd")])
def test_whole_adapters(method, theirs):
    from peft import LoraConfig, get_peft_model

    adapters = [Adapter({PLACE: make("lora", s, r=3)}) for s in (1, 2)]
    net = torch.nn.ModuleDict({"x": torch.nn.Linear(18, 24, bias=False)})
    config = LoraConfig(r=3, lora_alpha=3, target_modules=["x"])
    model = get_peft_model(net, config, adapter_name="a0")
    model.add_adapter("a1", config)
    layer = model.base_model.model["x"]
    for k, adapter in enumerate(adapters):
        delta = adapter[PLACE]
        layer.lora_A[f"a{k}"].weight.data = torch.from_numpy(delta.down * delta.scale)
        layer.lora_B[f"a{k}"].weight.data = torch.from_numpy(delta.up)
    model.base_model.add_weighted_adapter(
        ["a0", "a1"], [0.7, 0.4], "both", combination_type=theirs,
        density=0.5, svd_rank=None if theirs == "cat" else 5,
    )  # fmt: skip
    expected = layer.get_delta_weight("both").detach().numpy()
    rank = None if method == "cat" else 5
    found = matrix(merge(adapters, [0.7, 0.4], method=method, rank=rank)[PLACE])
    assert difference(found, expected) < 1e-5
    assert np.isfinite(found).all()
