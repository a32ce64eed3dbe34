"""ZipLoRA against its loss on dense weights, and on tiny real architectures."""

from __future__ import annotations

import numpy as np
import pytest

from deltas import difference, matrix
from lorarium import algebra
from lorarium.adapter import LowRank
from lorarium.mergers import merge, merge_with_report

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.interop

PROMPTS = ["a cat in ink", "a house in neon"]


@pytest.fixture
def micro_pair():
    from tests.bases.tiny import micro, random_adapter

    base = micro()
    return base, [random_adapter(base, 2 + s, s, 2.0) for s in range(2)]


def lessons_of(base):
    from lorarium.training.distil import DistillationSet

    random = torch.Generator().manual_seed(1)
    shape = (3, *base.noise_shape(base.size))
    return [DistillationSet(torch.randn(shape, generator=random), [p] * 3) for p in PROMPTS]


def reference(base, adapters, lessons, steps, lr, weight, seed):
    """The method with dense ΔW put into the weights, step by step."""
    from lorarium.bases.base import mixed
    from lorarium.bases.branches import layer_of

    modules = list(adapters[0])
    start = {m: layer_of(base, m).weight.data.clone() for m in modules}
    D = [{m: torch.from_numpy(matrix(a[m])).float() for m in modules} for a in adapters]
    gains = {m: [torch.ones(D[0][m].shape[1], requires_grad=True) for _ in D] for m in modules}
    adam = torch.optim.Adam([g for pair in gains.values() for g in pair], lr=lr)
    random = torch.Generator().manual_seed(seed)

    def said(x, t, prompt, change):
        from torch.func import functional_call

        changed = {m: start[m] + change[m] for m in modules}
        denoiser, encoder = (
            {f"{m.path}.weight": W for m, W in changed.items() if m.part == part}
            for part in ("denoiser", "text_encoder")
        )
        from lorarium.bases.micro2 import framed
        from lorarium.world.words import tokens

        words = framed(torch.tensor([tokens(prompt)]))
        hidden = functional_call(base.networks["text_encoder"], encoder, (words,))
        args = (x, base._step(t), hidden)
        return functional_call(base.networks["denoiser"], denoiser, args)

    for _ in range(steps):
        t = base.sample_time(torch.rand(1, generator=random).clamp(1e-4, 1 - 1e-4))
        noise = torch.randn(1, *lessons[0].latents.shape[1:], generator=random)
        loss = torch.zeros(())
        for k, lesson in enumerate(lessons):
            index = torch.randint(len(lesson.latents), (1,), generator=random)
            x = mixed(base, lesson.latents[index], noise, t)
            merged = {m: sum(d[m] * g for d, g in zip(D, gains[m], strict=True)) for m in modules}
            wanted = said(x, t, PROMPTS[k], D[k]).detach()
            error = said(x, t, PROMPTS[k], merged) - wanted
            loss = loss + base.loss_weight(t) * error.square().mean()
        for a, b in gains.values():
            loss = loss + weight * (a @ b / a.norm() / b.norm()).abs()
        adam.zero_grad()
        loss.sum().backward()
        adam.step()
    return {m: [g.detach().numpy() for g in pair] for m, pair in gains.items()}


def test_it_learns_what_the_formula_learns(micro_pair):
    from lorarium.training.distil import fit_gains

    base, adapters = micro_pair
    lessons = lessons_of(base)
    gains, losses = fit_gains(base, adapters, lessons, steps=4, lr=0.02, weight=0.05, seed=3)
    expected = reference(base, adapters, lessons, 4, 0.02, 0.05, 3)
    assert len(losses) == 4 and set(gains) == set(expected)
    moved = 0.0
    for module, pair in expected.items():
        for ours, theirs in zip(gains[module], pair, strict=True):
            # Adam's first steps are of one size, so a gradient of rounding size may turn them
            assert np.mean(np.abs(ours - theirs) > 2e-3) < 0.02, module
            moved = max(moved, float(np.abs(theirs - 1).max()))
    assert moved > 0.03


def test_the_result_is_the_weighted_columns(micro_pair):
    from lorarium.mergers.ziplora import _lessons
    from lorarium.training.distil import fit_gains

    base, adapters = micro_pair
    weights = [1.0, 0.5]
    options = {"prompts": PROMPTS, "steps": 3, "drawn": 2, "seed": 4}
    merged = merge(adapters, weights, method="ziplora", base=base, **options)
    parts = [algebra.scale(a, w) for a, w in zip(adapters, weights, strict=True)]
    lessons = _lessons(base, parts, [[p] for p in PROMPTS], None, 2, 4)
    gains, _ = fit_gains(base, parts, lessons, steps=3, seed=4)
    for module, delta in merged.items():
        expected = sum(matrix(a[module]) * m for a, m in zip(parts, gains[module], strict=True))
        assert difference(matrix(delta), expected) < 1e-5
        assert isinstance(delta, LowRank) and delta.rank == 2 + 3


def test_it_comes_nearer_than_the_sum(micro_pair):
    from lorarium.training.distil import AdapterEnsemble, distillation, fit_gains

    base, adapters = micro_pair
    adapters = [algebra.scale(a, 15.0) for a in adapters]
    lessons = lessons_of(base)
    gains, _ = fit_gains(base, adapters, lessons, steps=80, lr=0.02, weight=0.0, batch=2)
    ensemble = AdapterEnsemble(base, adapters)
    learned = {m: [torch.from_numpy(g) for g in row] for m, row in gains.items()}
    with torch.no_grad():
        before, after = (
            float(distillation(ensemble, lessons, g, torch.Generator().manual_seed(9), 16))
            for g in (ensemble.ones(), learned)
        )
    assert after < 0.8 * before


def test_the_penalty_keeps_columns_apart(micro_pair):
    from lorarium.training.distil import fit_gains, likeness

    base, adapters = micro_pair
    found = {}
    for weight in (0.0, 3.0):
        gains, _ = fit_gains(
            base, adapters, lessons_of(base), steps=12, lr=0.05, weight=weight, kind="product"
        )
        as_tensors = {m: [torch.from_numpy(g) for g in row] for m, row in gains.items()}
        found[weight] = float(likeness(as_tensors, "product"))
    assert found[3.0] < 0.9 * found[0.0]


def test_pictures_of_ones_own_and_seeds(micro_pair, tmp_path):
    from lorarium.pictures import write_png

    base, adapters = micro_pair
    for k in range(2):
        (tmp_path / str(k)).mkdir()
        write_png(tmp_path / str(k) / "x.png", np.full((30, 30, 3), 90 * k, np.uint8))
    options = {"prompts": PROMPTS, "steps": 2, "base": base, "lr": 0.1}
    pictures = [tmp_path / "0", tmp_path / "1"]
    one, same, other = (
        merge(adapters, method="ziplora", **options, **more)
        for more in ({"pictures": pictures}, {"pictures": pictures}, {"drawn": 1})
    )
    module = next(iter(one))
    np.testing.assert_array_equal(one[module].down, same[module].down)
    assert difference(matrix(other[module]), matrix(one[module])) > 1e-4


@pytest.mark.parametrize("family", ["sd1", "sdxl", "flux1"])
@pytest.mark.parametrize("targets", ["attention", "all"])
def test_on_tiny_real_architectures(family, targets):
    pytest.importorskip("diffusers")
    from tests.bases.test_diffusers_base import MAKERS

    from lorarium.adapter import Adapter
    from lorarium.bases.base import modules
    from lorarium.bases.diffusers_base import from_pipeline

    base = from_pipeline(MAKERS[family]())
    parts = tuple(base.networks) if targets == "attention" else ("denoiser",)
    adapters = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        deltas = {}
        for module, shape in modules(base, targets, parts).items():
            up = 0.5 * rng.standard_normal((shape[0], 2, *(1 for _ in shape[2:])))
            down = 0.5 * rng.standard_normal((2, *shape[1:]))
            deltas[module] = LowRank(up.astype(np.float32), down.astype(np.float32))
        adapters.append(Adapter(deltas, family, dialect="diffusers"))
    options = {"prompts": ["a cat", "a cat in ink"], "steps": 3, "drawn": 1, "lr": 0.05}
    merged, report = merge_with_report(adapters, method="ziplora", base=base, **options)
    assert set(merged) == set(adapters[0]) and "distillation loss" in report.notes[-1]
    total = merge(adapters)
    moved = [difference(matrix(merged[m]), matrix(total[m])) for m in merged]
    assert np.isfinite(moved).all() and np.median(moved) > 0.02
    assert all(delta.rank == 4 for _, delta in merged.items())
