"""SSR-Merge against its formulas on what layers really see, and on tiny real architectures."""

from __future__ import annotations

import numpy as np
import pytest

from deltas import difference, matrix
from lorarium import LorariumError, algebra
from lorarium.adapter import Adapter, LowRank
from lorarium.mergers import merge
from lorarium.mergers.ssr import router

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.interop

PROMPTS = ["a cat in ink", "a house in neon"]


def reference(B, A, X, ridge):
    """R = (Q/N) (G/N + ridge I)^-1 with Q_k = (A_k X_k) Z_kᵀ; the merged matrix B R A."""
    stacked, N = np.concatenate(A), sum(x.shape[1] for x in X)
    Z = [stacked @ x for x in X]
    G = sum(z @ z.T for z in Z)
    Q = np.concatenate([a @ x @ z.T for a, x, z in zip(A, X, Z, strict=True)])
    R = (Q / N) @ np.linalg.inv(G / N + ridge * np.eye(len(G)))
    return np.concatenate(B, 1) @ R @ stacked


def test_the_router_is_the_formula():
    rng = np.random.default_rng(0)
    A = [rng.standard_normal((r, 20)) for r in (2, 3)]
    B = [rng.standard_normal((15, r)) for r in (2, 3)]
    X = [rng.standard_normal((20, n)) for n in (40, 70)]
    Z = [np.concatenate(A) @ x for x in X]
    R = router([(z @ z.T, z.shape[1]) for z in Z], [2, 3], 1e-4)
    found = np.concatenate(B, 1) @ R @ np.concatenate(A)
    assert difference(found, reference(B, A, X, 1e-4)) < 1e-9


def test_signals_that_do_not_mix_need_no_router():
    """Adapter k sees only its own rows: R is the identity and the merge is the sum."""
    A = [np.eye(4)[:2], np.eye(4)[2:]]
    X = [np.diag([1.0, 1, 0, 0]), np.diag([0, 0, 1.0, 1])]
    Z = [np.concatenate(A) @ x for x in X]
    np.testing.assert_allclose(router([(z @ z.T, 4) for z in Z], [2, 2], 0.0), np.eye(4))


def inputs_of(base, adapter, prompt, module):
    """What a layer sees while the adapter draws, with its change put into the weights."""
    from lorarium.bases.branches import layer_of

    kept, seen = {}, []
    for m, delta in adapter.items():
        weight = layer_of(base, m).weight
        kept[m] = weight.data.clone()
        change = algebra.dense_delta(delta).reshape(weight.shape)
        weight.data += torch.from_numpy(np.ascontiguousarray(change))
    layer = layer_of(base, module)
    handle = layer.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    try:
        with torch.no_grad():
            shape = base.noise_shape(base.size)
            noise = torch.randn(shape, generator=torch.Generator().manual_seed(5))[None]
            t = torch.ones(1)
            text = dict(base.encode([prompt]))
            if base.distilled:
                text["guidance"] = torch.full((1,), base.guidance)
            base.predict(noise * base.alpha_sigma(t)[1].reshape(1, 1, 1, 1), t, text)
    finally:
        handle.remove()
        for m, weight in kept.items():
            layer_of(base, m).weight.data = weight
    columns = []
    for x in seen:
        if isinstance(layer, torch.nn.Conv2d):
            x = torch.nn.functional.unfold(
                x, layer.kernel_size, layer.dilation, layer.padding, layer.stride
            ).transpose(1, 2)
        columns.append(x.reshape(-1, x.shape[-1]).T)
    return torch.cat(columns, 1).double().numpy()


def check(base, adapters, modules):
    weights, ridge = [1.0, 0.5], 1e-3
    merged = merge(adapters, weights, method="ssr", base=base, prompts=PROMPTS, seed=5, ridge=ridge)
    weighted = [algebra.scale(a, w) for a, w in zip(adapters, weights, strict=True)]
    for module in modules:
        X = [inputs_of(base, a, p, module) for a, p in zip(weighted, PROMPTS, strict=True)]
        deltas = [a[module] for a in weighted]
        A = [d.down.reshape(d.rank, -1).astype(np.float64) for d in deltas]
        B = [d.scale * d.up.reshape(-1, d.rank).astype(np.float64) for d in deltas]
        expected = reference(B, A, X, ridge)
        assert difference(matrix(merged[module]), expected) < 1e-3, module
        assert difference(matrix(merge(adapters, weights)[module]), expected) > 1e-2
    return merged


def test_it_is_the_formula_on_micro():
    from tests.bases.tiny import micro, random_adapter

    base = micro()
    adapters = [random_adapter(base, 2 + s, s, 2.0) for s in range(2)]
    modules = [m for m in adapters[0] if m.path.endswith(("to_q", "net.2"))]
    merged = check(base, adapters, modules)
    assert set(merged) == set(adapters[0])
    assert merged[modules[0]].rank == 2 + 3


def test_prompts_come_from_the_file_and_one_module_passes_through():
    from tests.bases.tiny import micro, random_adapter

    base = micro()
    a, b = (
        random_adapter(base, 2, s).with_(metadata={"lorarium.prompts": f'["{PROMPTS[s]}", "x"]'})
        for s in range(2)
    )
    only = next(iter(a))
    b = b.with_(deltas={m: d for m, d in b.items() if m != only})
    merged = merge([a, b], method="ssr", base=base)
    assert merged[only] is a[only]
    said = merge([a, b], method="ssr", base=base, prompts=PROMPTS)
    for module in a:
        np.testing.assert_array_equal(matrix(merged[module]), matrix(said[module]))
    assert PROMPTS[0] in merged.metadata["lorarium.options"]


@pytest.mark.parametrize("family", ["sd1", "sdxl", "flux1"])
def test_on_tiny_real_architectures(family):
    pytest.importorskip("diffusers")
    from tests.bases.test_diffusers_base import MAKERS

    from lorarium.bases.base import modules
    from lorarium.bases.diffusers_base import from_pipeline

    base = from_pipeline(MAKERS[family]())
    adapters = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        deltas = {}
        for module, shape in modules(base, "all", ("denoiser",)).items():
            up = 0.1 * rng.standard_normal((shape[0], 2, *(1 for _ in shape[2:])))
            down = 0.3 * rng.standard_normal((2, *shape[1:]))
            deltas[module] = LowRank(up.astype(np.float32), down.astype(np.float32))
        adapters.append(Adapter(deltas, family, dialect="diffusers"))
    chosen = [m for m in adapters[0] if m.path.endswith(("attn2.to_q", "attn.to_q", "conv1"))]
    assert chosen and (family == "flux1" or any("conv" in m.path for m in chosen))
    check(base, adapters, chosen[:4])


def test_bases_that_do_not_fit():
    from tests.bases.tiny import micro, random_adapter

    base = micro()
    a, b = (random_adapter(base, 2, s) for s in range(2))
    with pytest.raises(LorariumError, match="adapters are for sd1, the base is micro-2"):
        merge([a.with_(family="sd1"), b.with_(family="sd1")], method="ssr", base=base,
              prompts=PROMPTS)  # fmt: skip
    with pytest.raises(LorariumError, match="the world has no word"):
        merge([a, b], method="ssr", base=base, prompts=["xyzzy", "plugh"])


def test_a_layer_that_is_never_used_keeps_the_sum():
    nothing = (np.zeros((5, 5)), 0)
    np.testing.assert_array_equal(router([nothing, nothing], [2, 3], 1e-4), np.eye(5))
