"""Signals from whole pictures: what is pulled by them comes to look as it should."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lorarium.bases.branches import applied  # noqa: E402
from lorarium.bases.sampling import sample  # noqa: E402
from lorarium.recipes.rollout import Rollout, wrong_kind  # noqa: E402
from lorarium.recipes.synth_data import assemble_batch, embed_source  # noqa: E402
from lorarium.recipes.synth_loss import Words, generated_branches  # noqa: E402
from lorarium.recipes.synth_rollout import apart, rollout_losses  # noqa: E402
from lorarium.synthesis.net import KINDS, Generator, SynthConfig  # noqa: E402
from tests.bases.tiny import micro  # noqa: E402
from tests.synthesis.tiny import pictures  # noqa: E402

torch.set_num_threads(1)


def chance(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_rollout_sees_what_sampling_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lorarium.recipes.rollout.MIN_STEPS", 4)
    monkeypatch.setattr("lorarium.recipes.rollout.MAX_STEPS", 4)
    monkeypatch.setattr("lorarium.bases.sampling.starting_noise", lambda seeds, shape: noise)
    base = micro()
    random = chance()
    torch.randint(4, 5, (), generator=random)
    noise = torch.randn((2, *base.noise_shape(base.size)), generator=random)
    rollout = Rollout(base)
    prompts = ["a cat in ink", "a dog in ink"]
    drawn = sample(base, prompts, steps=4, guidance=1.0)
    truth = rollout.see(torch.from_numpy(drawn).permute(0, 3, 1, 2).float() / 127.5 - 1)
    with applied(base, {}), torch.no_grad():
        seen = rollout.drawn({}, base.encode(prompts), 2, chance())
    assert torch.allclose(seen["style"], truth["style"], atol=0.05)
    right, wrong = (wrong_kind(seen, [f"a {word} in ink"] * 2) for word in ("cat", "house"))
    assert right.shape == (2,) and not torch.equal(right, wrong)


def test_a_generator_is_pulled_towards_its_artist() -> None:
    base = micro()
    torch.manual_seed(0)
    net = Generator(SynthConfig.of(base, rank=2, basis=4, width=32))
    words, rollout = Words(base), Rollout(base)
    sources = [
        embed_source(
            net.eyes, (kind, pictures(6, i, base.size), ("a cat in ink",) * 6, np.ones(6, bool))
        )
        for i, kind in enumerate(KINDS)
    ]
    batch = assemble_batch(sources, 2, 4, np.random.default_rng(1))
    optimizer = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], 3e-2)
    values = []
    for _ in range(10):
        loss, far = rollout_losses(
            rollout, generated_branches(base, net, batch), batch, 2, words, chance()
        )
        assert loss.shape == far.shape == (2,)
        optimizer.zero_grad()
        loss.mean().backward()
        optimizer.step()
        values.append(float(loss.detach().mean()))
    assert values[-1] < values[0] - 0.01


def test_sets_alike_are_not_apart_and_a_mean_is() -> None:
    random = torch.Generator().manual_seed(0)
    alike, other = (torch.randn(400, 6, 5, generator=random) for _ in range(2))
    assert abs(float(apart(alike, other).mean())) < 0.02
    assert apart(alike + 1, other).mean() > 0.3
    assert apart(torch.zeros_like(alike), other).mean() > 0.3
