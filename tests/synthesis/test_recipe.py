"""A few steps of the recipe, on our base and on tiny architectures of diffusers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import pytest
import torch

from lorarium.adapter import Module
from lorarium.bases.base import Base
from lorarium.evaluation.describe.zoo import read_zoo
from lorarium.recipes import synth as stage
from lorarium.recipes.synth_data import (
    POOL,
    Batch,
    Endless,
    Source,
    assemble_batch,
    embed_source,
    look,
    own_source,
)
from lorarium.recipes.synth_loss import Words, batch_losses
from lorarium.recipes.synth_teachers import Teachers
from lorarium.synthesis.net import KINDS, Generator, SynthConfig
from lorarium.synthesis.store import load_synth
from lorarium.training.own_pictures import own_pictures
from tests.bases.tiny import WHOLE, micro, same_weights
from tests.evaluation.merge.tiny_zoo import tiny_zoo
from tests.synthesis.tiny import pictures
from tests.training.own import own_folder

pytestmark = pytest.mark.interop
torch.set_num_threads(1)
SMALL = {"rank": 2, "basis": 4, "width": 32}


def source(net: Generator, base: Base, kind: str, seed: int) -> Source:
    own = pictures(6, seed, base.size)
    return embed_source(net.eyes, (kind, own, ("a cat in ink",) * 6, np.ones(6, bool)))


def learned(base: Base, steps: int = 12) -> list[float]:
    """The loss of each step on two fixed sources, of either kind."""
    net = Generator(SynthConfig.of(base, **SMALL)).to(base.device)
    optimizer = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], 3e-2)
    words = Words(base)
    sources = [source(net, base, kind, i) for i, kind in enumerate(KINDS)]
    values = []
    for _ in range(steps):
        batch = assemble_batch(sources, 2, 4, np.random.default_rng(1))
        random = torch.Generator().manual_seed(1)
        loss = batch_losses(base, net, batch, words, random).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(float(loss.detach()))
    return values


def test_it_learns_on_a_tiny_base() -> None:
    values = learned(micro())
    assert values[-1] < 0.98 * values[0]


@pytest.mark.slow
@pytest.mark.parametrize("family", ["sd1", "flux1"])
def test_it_learns_on_tiny_real_architectures(family: str) -> None:
    pytest.importorskip("diffusers")
    from lorarium.bases.diffusers_base import from_pipeline
    from tests.bases.test_diffusers_base import MAKERS

    base = from_pipeline(MAKERS[family]())
    net = Generator(SynthConfig.of(base, **SMALL))
    assert net.queries.shape[1] <= 120 and len(net.mix) == len(net.config.modules)
    values = learned(base, 8)
    assert values[-1] < values[0]


def test_a_generator_of_nothing_is_the_base() -> None:
    base = micro()
    net = Generator(SynthConfig.of(base, **SMALL))
    words, batch = Words(base), assemble_batch([source(net, base, "style", 0)], 2, 4, _chance())
    values = [
        batch_losses(base, net, batch, words, torch.Generator().manual_seed(3)) for _ in range(2)
    ]
    assert torch.equal(values[0], values[1])
    with torch.no_grad():
        for bias in net.up:
            bias.normal_()
    again = batch_losses(base, net, batch, words, torch.Generator().manual_seed(3))
    assert torch.equal(values[0], again)  # S is zero, whatever U is


def test_the_basis_starts_where_the_weights_are_pulled(monkeypatch: pytest.MonkeyPatch) -> None:
    from lorarium.bases.branches import Branch
    from lorarium.recipes import synth_basis
    from lorarium.recipes.synth_loss import losses_with

    monkeypatch.setattr(synth_basis, "ROUNDS", 4)
    base = micro()
    net = Generator(SynthConfig.of(base, **SMALL))
    words, data = Words(base), Endless(24, net.eyes, [1], subjects=0.3)
    before = [up.detach().clone() for up in net.up]
    random_down = [down.detach().clone() for down in net.down]
    synth_basis.start_basis(base, net, data, words, 1)
    addresses = [Module(part, path) for part, path, _, _ in net.config.modules]
    batch = data.batch(1, 8)
    probes = synth_basis._probed(base, addresses, batch, words, torch.Generator().manual_seed(2))
    held = {"before": 0.0, "after": 0.0, "all": 0.0}
    for old, up, address in zip(before, net.up, addresses, strict=True):
        x, pull = probes[address]
        gradient = (pull[0].T @ x[0]).double()
        gradient /= gradient.norm()
        held["all"] += 1
        held["before"] += float((old.T.double() @ gradient).square().sum())
        held["after"] += float((up.detach().T.double() @ gradient).square().sum())
        assert torch.allclose(up.T @ up, torch.eye(up.shape[1]), atol=1e-4)
    assert held["after"] > 1.5 * held["before"] and held["after"] > 0.3 * held["all"]
    # its rows answer as strongly as the random ones that they replace
    inputs = [probes[address][0][0] for address in addresses]
    responses = [
        [float((x @ down.detach().T).square().mean()) for x, down in zip(inputs, rows, strict=True)]
        for rows in (random_down, net.down)
    ]
    assert 0.67 < median(new / old for old, new in zip(*responses, strict=True)) < 1.5
    # what the probes find is the gradient of the weights themselves
    address, (_, _, out, size) = addresses[3], net.config.modules[3]
    up = torch.zeros(1, out, size, requires_grad=True)
    eye = torch.eye(size)[None]
    loss = losses_with(
        base, {address: Branch(eye, up)}, batch, words, torch.Generator().manual_seed(2)
    )
    (wanted,) = torch.autograd.grad(loss.sum(), up)
    x, pull = probes[address]
    torch.testing.assert_close(pull[0].T @ x[0], wanted[0], rtol=1e-3, atol=1e-5)


def test_the_exam_asks_all_alike() -> None:
    from lorarium.recipes.synth_exam import Exam
    from lorarium.training.recipe import Recipe

    base = micro(WHOLE)
    net = Generator(SynthConfig.of(base, **SMALL))
    exam = Exam(base, "style", Words(base), net.eyes)
    exam.sources = exam.sources[:1]
    alone = exam.alone()
    assert exam.scores(net) == {"1": alone, "4": alone, "12": alone}
    short = Recipe(rank=2, alpha=2.0, steps=8, batch=2)
    assert exam.trained(short) < alone


def test_references_and_targets_are_apart() -> None:
    net = Generator(SynthConfig.of(micro(), **SMALL))
    data = Endless(24, net.eyes, [1], subjects=0.5)
    _check(net, data.batch(4, 8))


def test_pictures_of_ones_own_are_met_among_the_others(tmp_path: Path) -> None:
    net = Generator(SynthConfig.of(micro(), **SMALL))
    own = [own_source(one, 24) for one in own_pictures(own_folder(tmp_path))]
    prompts: list[str] = []
    for step in (0, 40):
        data = Endless(24, net.eyes, [1], subjects=0.5, own=own, step=step)
        for _ in range(8):
            batch = data.batch(4, 8)
            _check(net, batch)
            prompts += batch.prompts
    assert 0 < sum("green" in prompt for prompt in prompts) < len(prompts) / 3
    again = Endless(24, net.eyes, [1], subjects=0.5, own=own, step=40)
    assert again.batch(4, 8).prompts == tuple(prompts[8 * 32 : 9 * 32])


@pytest.mark.slow
def test_other_processes_draw_the_same_kind_of_thing() -> None:
    net = Generator(SynthConfig.of(micro(), **SMALL))
    data = Endless(24, net.eyes, [1], subjects=0.5, workers=1)
    for _ in range(3):
        _check(net, data.batch(4, 8))
    assert len(data.pool) >= 8


def test_whom_it_learned_from_can_be_brought_back() -> None:
    from lorarium.synthesis.wishes import LAST, learned_last

    net = Generator(SynthConfig.of(micro(), **SMALL))
    data = Endless(24, net.eyes, [3, 7], subjects=0.5)
    kept = [data._source(number) for number in range(6)]
    data.asked = 6
    card = {LAST: {"seed": [3, 7], "subjects": 0.5, "count": data.asked}}
    known = learned_last(card)
    assert known is not None and [k for k, _, _ in reversed(known)] == [s.kind for s in kept]
    assert all(
        (name in s.prompts[0]) == (k == "subject")
        for (k, name, _), s in zip(reversed(known), kept, strict=True)
    )
    assert learned_last({}) is None


def _check(net: Generator, batch: Batch) -> None:
    assert batch.targets.shape == (4, 8, 24, 24, 3) and len(batch.prompts) == 32
    for row, kind in enumerate(batch.kind.tolist()):
        words = batch.prompts[row * 8 : row * 8 + 8]
        assert all(("sty1" in w) == (KINDS[kind] == "style") for w in words)
        shown = look(net.eyes, batch.targets[row].numpy())
        nearest = torch.cdist(batch.seen[row], shown).min()
        assert nearest > 1e-3 or batch.seen.shape[1] + 8 > POOL


def test_it_goes_on_and_ships_what_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = micro(WHOLE)
    monkeypatch.setattr("lorarium.recipes.synth_exam.COUNT", 1)
    monkeypatch.setattr("lorarium.recipes.synth_basis.ROUNDS", 1)
    monkeypatch.setattr(stage, "WATCH", 1)
    monkeypatch.setattr("lorarium.recipes.synth_ship.TRAIN_PICTURES", 40)
    monkeypatch.setattr("lorarium.recipes.synth_ship.KNOWN_PICTURES", 20)
    monkeypatch.setattr("lorarium.recipes.synth_ship.SETS", 2)
    monkeypatch.setattr("lorarium.recipes.synth_ship.LABELLED", 40)
    for name, small in (("TARGETS", 1), ("CELLS", 2), ("STEPS", 2)):
        monkeypatch.setattr(f"lorarium.recipes.synth_strength.{name}", small)
    plan = replace(stage.PLANS["cpu"], total=4, batch=2)
    run, asset = tmp_path / "run", tmp_path / "synth.safetensors"
    monkeypatch.setattr("lorarium.recipes.teachers.STEPS", 2)
    taught = Teachers.of(read_zoo(tiny_zoo(tmp_path, base)), base, tmp_path / "walks")
    taught.make()
    first, _ = stage.train(taught, run, replace(plan, total=4), 5, sources=1)
    held, _ = stage.train(taught, run, replace(plan, total=8), 0, sources=1)
    learned, spent = stage.train(taught, run, replace(plan, total=8), 5, sources=1)
    assert spent["pictures"] == 8
    assert same_weights(held, first) and not same_weights(learned, first)
    seen = [json.loads(line) for line in (run / "validation.jsonl").read_text().splitlines()]
    assert seen[0]["step"] == 1 and set(seen[0]["style"]) == {"1", "4", "12"}
    assert stage.ship(base, run / "checkpoint.pt", plan, asset)
    made = load_synth(asset, base)
    assert made.card["learned last"]["seed"] == [plan.seed] and made.card["base_hash"] == base.hash
    assert made.card["scores"]["validation"]
    assert not stage.ship(base, run / "checkpoint.pt", plan, asset)


def _chance() -> np.random.Generator:
    return np.random.default_rng(0)
