"""Many adapters as one batch equal each alone; a run goes on where it stopped; it learns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from lorarium.adapter import Adapter
from lorarium.bases.base import losses
from lorarium.bases.branches import applied
from lorarium.bases.sampling import sample
from lorarium.bases.stack import Stack
from lorarium.errors import LorariumError
from lorarium.training import chance
from lorarium.training.fit import Fit, fit, heat_at
from lorarium.training.recipe import OPTIMIZERS, Job, Recipe, defaults, recipe_from
from lorarium.world.scene import Style, Subject, View, render
from tests.bases.tiny import TINY, micro

pytestmark = pytest.mark.interop
BASE = micro()


def job(count: int, seed: int, **numbers: object) -> Job:
    pictures = render(
        [Subject("cat", 5000 + i) for i in range(count)],
        [Style("ink", seed)] * count,
        [View(i) for i in range(count)],
        TINY.size,
    )
    recipe = replace(Recipe(rank=4, alpha=4.0, steps=6, batch=2), **numbers)  # type: ignore[arg-type]
    return Job(pictures, ("a cat in sty1",) * count, recipe, seed)


def apart(one: Adapter, two: Adapter) -> float:
    """Largest difference of a change, against the largest change."""
    assert list(one) == list(two)
    size = max(float(np.abs(changed(one, m)).max()) for m in one)
    return max(float(np.abs(changed(one, m) - changed(two, m)).max()) for m in one) / size


def changed(adapter: Adapter, module: object) -> np.ndarray:
    delta = adapter[module]  # type: ignore[index]
    up, down = delta.up, delta.down  # type: ignore[union-attr]
    return delta.scale * up.reshape(len(up), -1) @ down.reshape(len(down), -1)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_batch_equals_each_alone(optimizer: str) -> None:
    jobs = [
        job(3, 1),
        job(5, 2, rank=2, lr=1e-3),
        job(4, 3, targets="attention", alpha=2.0),
        job(6, 4, targets="all", text_encoder=True, clip=0.1, drop=0.5),
    ]
    jobs = [replace(j, recipe=replace(j.recipe, optimizer=optimizer)) for j in jobs]
    for together, one in zip(fit(BASE, jobs), jobs, strict=True):
        alone = fit(BASE, [one])[0]
        assert apart(alone, together) < 1e-4
        assert dict(alone.metadata) == dict(together.metadata)


def test_equal_seeds_start_equally_whatever_else_differs() -> None:
    one = Fit(BASE, [job(3, 1)]).adapters()[0]
    two = Fit(BASE, [replace(job(4, 2, targets="all"), init_seed=1)]).adapters()[0]
    for module in one:
        np.testing.assert_array_equal(one[module].down, two[module].down)  # type: ignore[union-attr]
        assert not one[module].up.any()  # type: ignore[union-attr]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(optimizer: str) -> None:
    one = job(3, 1, optimizer=optimizer)
    uninterrupted = fit(BASE, [one])[0]
    first = Fit(BASE, [one])
    for _ in range(3):
        first.step()
    second = Fit(BASE, [one])
    second.resume(first.state())
    while second.done < second.steps:
        second.step()
    assert apart(uninterrupted, second.adapters()[0]) < 1e-6


def test_a_state_of_something_else_is_refused() -> None:
    state = Fit(BASE, [job(3, 1)]).state()
    with pytest.raises(LorariumError, match="other pictures"):
        Fit(BASE, [job(3, 2)]).resume(state)
    with pytest.raises(LorariumError, match="another base"):
        Fit(micro(seed=1), [job(3, 1)]).resume(state)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_it_learns_and_the_base_stays_as_it_was(optimizer: str) -> None:
    before = BASE.hash
    one = job(4, 1, steps=80, lr=1e-2, targets="all", optimizer=optimizer)
    adapter = fit(BASE, [one])[0]
    assert micro().hash == before
    assert error(one, adapter) < 0.8 * error(one, None)
    drawn = sample(BASE, ["a cat in sty1"], adapters=[(adapter, 1.0)], steps=4)
    assert (drawn != sample(BASE, ["a cat in sty1"], steps=4)).any()


def error(one: Job, adapter: Adapter | None) -> float:
    """The loss on the job's pictures at fixed times and noise."""
    x = torch.from_numpy(one.pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    noise = chance.normal(torch.tensor([9]), chance.NOISE, 0, tuple(x.shape))[0]
    branches = Stack(BASE, [(adapter, 1.0)]).branches if adapter else {}
    with torch.no_grad(), applied(BASE, branches):
        t = torch.linspace(0.2, 0.9, len(x))
        return float(losses(BASE, x, BASE.encode(list(one.prompts)), t, noise).mean())


def test_prior_pictures_keep_the_class() -> None:
    plain = job(3, 1, steps=40, prior=1.0, lr=1e-2)
    class_pictures = np.full((2, TINY.size, TINY.size, 3), 90, np.uint8)
    with_class = replace(plain, prior_pictures=class_pictures, prior_prompts=("a cat", "a cat"))
    run = Fit(BASE, [with_class])
    assert run.plan[0].rows.shape == (40, 4)
    assert run.plan[0].rows[:, 2:].min() == 3
    adapter = fit(BASE, [with_class])[0]
    assert apart(adapter, fit(BASE, [plain])[0]) > 0.01


def test_chance_is_a_function_of_seed_and_step() -> None:
    seeds = torch.tensor([1, 2, 3])
    one = chance.normal(seeds, chance.NOISE, 4, (2, 500))
    np.testing.assert_array_equal(one[1:2], chance.normal(seeds[1:2], chance.NOISE, 4, (2, 500)))
    assert not torch.equal(one, chance.normal(seeds, chance.NOISE, 5, (2, 500)))
    flat = chance.normal(torch.arange(50), chance.NOISE, 0, (4000,))
    assert abs(float(flat.mean())) < 0.01 and abs(float(flat.std()) - 1) < 0.01
    assert abs(float(torch.corrcoef(flat).sub(torch.eye(50)).abs().max())) < 0.09
    share = chance.uniform(torch.arange(50), chance.START, 0, (4000,))
    assert 0 < float(share.min()) and abs(float(share.mean()) - 0.5) < 0.01


def test_heat_rises_and_falls() -> None:
    assert heat_at(0, 100, 10, 0.5) == pytest.approx(0.1)
    assert heat_at(20, 100, 10, 0.5) == 1.0
    assert heat_at(75, 100, 10, 0.5) == pytest.approx(0.5)
    assert heat_at(99, 100, 0, 0.0) == 1.0


def test_a_rate_goes_with_its_optimizer() -> None:
    def usual(*asked: str) -> tuple[str, float]:
        recipe = defaults(*asked)
        return recipe.optimizer, recipe.lr

    assert usual("micro-2", "a {} in sty1") == ("muon", 2.5e-3)
    assert usual("micro-2", "a {} in sty1", "adam") == ("adam", 1e-2)
    assert usual("micro-2", "a sub1 cat") == ("adam", 5e-3)
    assert usual("micro-1", "a {} in sty1") == ("adam", 1e-2)
    assert usual("sdxl", "a {} in sty1", "muon") == ("muon", 1e-4)


def test_numbers_out_of_range_are_sentences() -> None:
    for name, value in (("rank", 0), ("lr", 0.0), ("lr", float("nan")), ("cooldown", 2.0)):
        with pytest.raises(LorariumError, match=name):
            recipe_from({name: value})
    with pytest.raises(LorariumError, match="no 'speed'"):
        recipe_from({"speed": 1})
    with pytest.raises(LorariumError, match="rank is 'four'"):
        recipe_from({"rank": "four"})
    with pytest.raises(LorariumError, match="no targets"):
        recipe_from({"targets": "nothing"})
    with pytest.raises(LorariumError, match="no optimizer"):
        recipe_from({"optimizer": "luck"})
    for other in ({"steps": 7}, {"optimizer": "muon"}):
        with pytest.raises(LorariumError, match="equal steps, batch, optimizer"):
            Fit(BASE, [job(3, 1), job(3, 1, **other)])
