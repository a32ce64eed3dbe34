"""LoRA.rar's trainer: its batched loss against the loss pair by pair, its network against numpy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lorarium.adapter import Adapter, LowRank, Module  # noqa: E402
from lorarium.bases.base import Base, modules  # noqa: E402
from lorarium.bases.branches import applied  # noqa: E402
from lorarium.bases.stack import Stack  # noqa: E402
from lorarium.encoders.training import FitConfig  # noqa: E402
from lorarium.errors import LorariumError  # noqa: E402
from lorarium.mergers import merge  # noqa: E402
from lorarium.mergers.lora_rar import load_network  # noqa: E402
from lorarium.recipes.merge import learned_net, save  # noqa: E402
from lorarium.training.distil import AdapterEnsemble, DistillationSet, distillation, likeness  # noqa: E402
from lorarium.training.merger import (  # noqa: E402
    LIKENESS,
    CoefficientNet,
    Member,
    PairedAdapters,
    distance,
    train_merger,
)
from tests.bases.tiny import micro, random_adapter, same_weights  # noqa: E402

torch.set_num_threads(1)
PROMPTS = ("a sub1 cat in photo", "a cat in sty1")


def member(base: Base, adapter: Adapter, prompt: str, seed: int, count: int = 3) -> Member:
    random = torch.Generator().manual_seed(seed)
    latents = torch.randn(count, *base.noise_shape(base.size), generator=random)
    return Member(adapter, DistillationSet(latents, [prompt] * count))


def roles(base: Base, count: int = 3, rank: int = 2, scale: float = 8.0) -> list[list[Member]]:
    return [
        [member(base, random_adapter(base, rank + k, 10 * k + i, scale), prompt, 20 * k + i)
         for i in range(count)]
        for k, prompt in enumerate(PROMPTS)
    ]  # fmt: skip


def stirred(net: CoefficientNet, seed: int = 0) -> CoefficientNet:
    """A network that says something else for each column."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        net.output.weight.normal_(0, 0.1, generator=random)
    return net


def without(adapter: Adapter, module: Module) -> Adapter:
    return adapter.with_(deltas={m: d for m, d in adapter.items() if m != module})


def test_the_loss_of_many_pairs_is_that_of_each_pair() -> None:
    base = micro()
    subjects, styles = roles(base)
    lacked = Module("denoiser", "transformer_blocks.1.attn1.to_q")
    subjects[1] = Member(without(subjects[1].adapter, lacked), subjects[1].dataset)
    # one picture each, so that both forms see the same ones
    subjects, styles = (
        [
            Member(m.adapter, DistillationSet(m.dataset.latents[:1], m.dataset.prompts[:1]))
            for m in side
        ]
        for side in (subjects, styles)
    )
    paired = PairedAdapters(base, subjects, styles)
    net = stirred(paired.network(16))
    picks = torch.tensor([1, 2]), torch.tensor([0, 2])
    share = torch.tensor([[0.3], [0.7]])
    losses = paired.losses(net, picks, share, torch.Generator().manual_seed(4))
    noise = torch.randn(2, *base.noise_shape(base.size), generator=torch.Generator().manual_seed(4))
    total, alike = [], []
    for k, (i, j) in enumerate(zip(*(w.tolist() for w in picks), strict=True)):
        pair = [subjects[i], styles[j]]
        ensemble = AdapterEnsemble(base, [m.adapter for m in pair])
        gains = {m: [None, None] for m in ensemble.pairs}
        for module, (a, b) in ensemble.pairs.items():
            branches = [side.take(torch.tensor([0])) for side in
                        (PairedAdapters(base, pair[:1], pair[1:]).subjects,
                         PairedAdapters(base, pair[:1], pair[1:]).styles)]  # fmt: skip
            if a and b and net.reads(module, branches[0][module]):
                gains[module] = [m[0] for m in net(branches[0][module], branches[1][module])]
        alike.append(likeness(gains).detach())
        total.append(_pairwise(base, ensemble, pair, gains, noise[k : k + 1], share[k]))
    mean = torch.stack([torch.stack(row) for row in total]).mean(0)
    assert torch.allclose(losses["subject"], mean[0], rtol=1e-3)
    assert torch.allclose(losses["style"], mean[1], rtol=1e-3)
    # where a module is lacking both coefficients are 1, which adds a constant
    assert losses["likeness"].item() == pytest.approx(
        LIKENESS * (float(torch.stack(alike).mean()) + 0.5), rel=1e-4
    )


def _pairwise(base, ensemble, pair, gains, noise, share):  # type: ignore[no-untyped-def]
    from lorarium.bases.base import mixed

    t = base.sample_time(share)
    rows = []
    for one in pair:
        x = mixed(base, one.dataset.latents, noise, t)
        with torch.no_grad(), applied(base, Stack(base, [(one.adapter, 1.0)]).branches):
            target = base.predict(x, t, base.encode(one.dataset.prompts))
        with applied(base, ensemble.together(gains)):
            prediction = base.predict(x, t, base.encode(one.dataset.prompts))
        rows.append((base.loss_weight(t) * (prediction - target).square().mean()).squeeze())
    return rows


def test_ziplora_has_the_same_loss() -> None:
    base = micro()
    subjects, styles = roles(base, 1)
    sums = {}
    for name in ("pairs", "ensemble"):
        values = []
        for seed in range(40):
            random = torch.Generator().manual_seed(seed)
            if name == "pairs":
                share = torch.rand(1, 8, generator=random)
                zero = torch.tensor([0])
                paired = PairedAdapters(base, subjects, styles)
                with torch.no_grad():
                    parts = paired.losses(None, (zero, zero), share, random)
                values.append(float(parts["subject"] + parts["style"]))
            else:
                ensemble = AdapterEnsemble(base, [subjects[0].adapter, styles[0].adapter])
                datasets = [subjects[0].dataset, styles[0].dataset]
                with torch.no_grad():
                    values.append(
                        float(distillation(ensemble, datasets, ensemble.ones(), random, 8))
                    )
        sums[name] = np.mean(values)
    assert sums["pairs"] == pytest.approx(sums["ensemble"], rel=0.1)


def test_the_file_says_what_the_network_says(tmp_path: Path) -> None:
    base = micro()
    paired = PairedAdapters(base, *roles(base))
    net = stirred(paired.network(16))
    save(tmp_path / "net.safetensors", net, {"base_hash": base.hash})
    loaded = load_network(tmp_path / "net.safetensors")
    assert loaded.ours and loaded.card["base_hash"] == base.hash
    sides = [bank.take(torch.tensor([1])) for bank in (paired.subjects, paired.styles)]
    adapters = [random_adapter(base, 2 + k, 10 * k + 1, 8.0) for k in range(2)]
    read = [m for m in sides[0] if net.reads(m, sides[0][m])]
    assert len(read) == 8
    for module in read:
        with torch.no_grad():
            gains = net(sides[0][module], sides[1][module])
            rebuilt = learned_net(loaded)(sides[0][module], sides[1][module])
        again = loaded.coefficients(*(a[module] for a in adapters))
        for ours, numpys, torchs in zip(gains, again, rebuilt, strict=True):
            assert float(ours.std()) > 0.01
            np.testing.assert_allclose(ours[0].numpy(), numpys, atol=2e-5)
            np.testing.assert_allclose(ours[0].numpy(), torchs[0].numpy(), atol=2e-5)
    merged = merge(adapters, method="lora-rar", network=loaded)
    assert set(merged) == set(adapters[0])


def test_it_begins_as_the_sum_and_learns(tmp_path: Path) -> None:
    base = micro()
    subjects, styles = roles(base, 2, scale=60.0)
    paired = PairedAdapters(base, subjects, styles)
    before = distance(paired, None, pairs=4)
    assert distance(paired, paired.network(), pairs=4) == pytest.approx(before, rel=1e-5)
    net, spent = train_merger(
        base, subjects, styles, tmp_path, minutes=5, likeness=0.0,
        plan=FitConfig(total=4 * 60, batch=4, muon=1e-2, adam=1e-2, ema=0.9, warmup=5, seed=3),
        targets=(".to_q", ".to_k", ".to_v", ".to_out.0", ".proj", ".net.2"),
    )  # fmt: skip
    assert spent["pictures"] == 4 * 60
    assert distance(paired, net, pairs=4) < 0.8 * before


def test_it_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    base = micro()
    sides = roles(base, 2)
    plan = FitConfig(total=4 * 6, batch=4, seed=3)
    half, _ = train_merger(base, *sides, tmp_path, plan=replace(plan, total=12), minutes=5)
    held, _ = train_merger(base, *sides, tmp_path, plan=plan, minutes=0)
    net, spent = train_merger(base, *sides, tmp_path, plan=plan, minutes=5)
    assert spent["pictures"] == 24
    assert same_weights(held, half) and not same_weights(net, half)
    again, spent = train_merger(base, *sides, tmp_path, plan=plan, minutes=5)
    assert spent["pictures"] == 24 and same_weights(again, net)


def test_nothing_to_read_is_one_line() -> None:
    base = micro()
    subjects, styles = roles(base, 1)
    with pytest.raises(LorariumError, match="share no module"):
        PairedAdapters(base, subjects, styles).network(targets=(".nowhere",))
    with pytest.raises(LorariumError, match="no adapters"):
        PairedAdapters(base, subjects, [])


@pytest.mark.interop
@pytest.mark.parametrize("family", ["sd1", "sdxl", "flux1"])
@pytest.mark.parametrize("targets", ["attention", "all"])
def test_on_tiny_real_architectures(family: str, targets: str, tmp_path: Path) -> None:
    pytest.importorskip("diffusers")
    from lorarium.bases.diffusers_base import from_pipeline
    from tests.bases.test_diffusers_base import MAKERS

    base = from_pipeline(MAKERS[family]())
    parts = tuple(base.networks) if targets == "attention" else ("denoiser",)
    sides = []
    for k in range(2):
        side = []
        for i in range(2):
            rng = np.random.default_rng(10 * k + i)
            deltas = {}
            for module, shape in modules(base, targets, parts).items():
                up = 0.5 * rng.standard_normal((shape[0], 2, *(1 for _ in shape[2:])))
                down = 0.5 * rng.standard_normal((2, *shape[1:]))
                deltas[module] = LowRank(up.astype(np.float32), down.astype(np.float32))
            adapter = Adapter(deltas, family, dialect="diffusers")
            side.append(member(base, adapter, "a cat" if k else "a cat in ink", i, 1))
        sides.append(side)
    plan = FitConfig(total=2 * 4, batch=2, muon=0.05, adam=0.05, warmup=1, seed=1)
    net, _ = train_merger(base, *sides, tmp_path / "run", plan=plan, hidden=32)
    save(tmp_path / "net.safetensors", net, {"base_hash": base.hash})
    pair = [sides[0][0].adapter, sides[1][0].adapter]
    merged = merge(pair, method="lora-rar", network=tmp_path / "net.safetensors")
    total = merge(pair)
    moved = [m for m in merged if not np.array_equal(merged[m].down, total[m].down)]
    assert moved and all(m.path.endswith((".to_q", ".to_out.0")) for m in moved)
    assert all(np.isfinite(merged[m].down).all() for m in moved)
