"""What a picture costs in each kind of learning, measured by a step or two of the very code."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from lorarium.adapter import Adapter
from lorarium.bases.base import Base
from lorarium.bases.rounded import rounded
from lorarium.descriptors.sketch import sketch
from lorarium.mergers.roles import ROLES
from lorarium.recipes import roles, synth
from lorarium.recipes.adoption.effort import Effort
from lorarium.recipes.cell_teachers import Teachers
from lorarium.recipes.synth_data import Endless
from lorarium.recipes.synth_loss import Words, generated_branches, losses_with
from lorarium.recipes.teachers import Walk
from lorarium.synthesis.net import SynthConfig
from lorarium.training.distil import DistillationSet
from lorarium.training.fit import Fit
from lorarium.training.manifest import Entry
from lorarium.training.merger import Member, PairedAdapters
from lorarium.training.mint import BATCH, groups, job_of, usual_workers
from lorarium.world.scene import Style, Subject, View, render

GAIN = 0.75  # of one more process that mints, as a share of the first
SLOW = 2.0  # seconds of a picture from which the rest is reckoned, not measured


@dataclass(frozen=True)
class Timing:
    """Seconds: of a picture of the world, of one prediction; of a picture in a training of
    adapters, of a pair of LoRA.rar's network, of a picture of `roles` and of the generator; of
    reading an adapter. `workers` is how much faster all processes mint together than one."""

    render: float
    predict: float
    mint: float
    merge: float
    roles: float
    synth: float
    sketch: float
    workers: float = 1.0

    def as_json(self) -> dict[str, float]:
        return {name: round(value, 5) for name, value in asdict(self).items()}


# of a prediction, as the embedded base has them
RATIOS = {"mint": 2.5, "merge": 7.0, "roles": 10.0, "synth": 4.6}


def measure(base: Base, effort: Effort) -> Timing:
    """A step of everything, on adapters that were taught next to nothing."""
    drawing = _seconds(lambda: _pictures(base, 4), 4)
    predict = _seconds(lambda: _predict(base), AT_ONCE)
    if predict > SLOW:
        return reckoned(predict, drawing)
    entries = effort.merge_zoo().entries
    sides = [[e for e in entries if e.kind == k and e.split == "train"][:2] for k in ROLES]
    with rounded(base):
        return Timing(
            drawing, predict, _mint(base, entries), *_networks(base, sides), _read(base, sides),
            1 + GAIN * (usual_workers(base) - 1),
        )  # fmt: skip


def reckoned(predict: float, drawing: float) -> Timing:
    """Where a picture takes too long to measure steps of many."""
    others = {name: ratio * predict for name, ratio in RATIOS.items()}
    return Timing(drawing, predict, sketch=0.5, **others)


AT_ONCE = 4


def _pictures(base: Base, count: int) -> np.ndarray:
    views = [View(i) for i in range(count)]
    return render([Subject("cat", 5000)] * count, [Style("ink", 5000)] * count, views, base.size)


@torch.no_grad()
def _predict(base: Base) -> None:
    x = torch.zeros(AT_ONCE, *base.noise_shape(base.size), device=base.device)
    t = torch.full((AT_ONCE,), 0.5, device=base.device)
    base.predict(x, t, base.encode(["a cat in ink"] * AT_ONCE))


def _mint(base: Base, entries: tuple[Entry, ...]) -> float:
    group = max(groups(entries, BATCH.get(base.device.type, 8)), key=len)
    run = Fit(base, [job_of(entry, base) for entry in group])
    return _seconds(run.step, len(group) * group[0].numbers.batch)


def _members(base: Base, entries: list[Entry]) -> list[Member]:
    latents = torch.zeros(2, *base.noise_shape(base.size), device=base.device)
    members = []
    for job in (job_of(entry, base) for entry in entries):
        run = Fit(base, [job])
        run.step()  # or its change would be nothing
        dataset = DistillationSet(latents, job.prompts[:2])
        members += [Member(adapter, dataset) for adapter in run.adapters()]
    return members


def _networks(base: Base, sides: list[list[Entry]]) -> tuple[float, float, float]:
    """Of a pair of LoRA.rar's network, of a picture of `roles` and of the generator."""
    those = [_members(base, side) for side in sides]
    paired = PairedAdapters(base, *those)
    net, pairs = paired.network(128), 4
    picks = torch.zeros(pairs, dtype=torch.long), torch.ones(pairs, dtype=torch.long)

    def merging() -> None:
        random = torch.Generator().manual_seed(1)
        parts = paired.losses(net, picks, torch.full((pairs, 1), 0.5), random)
        _backward(torch.stack(list(parts.values())).sum(), net)

    words = Words(base)
    return _seconds(merging, pairs), _roles(base, sides, those, words), _generator(base, words)


def _roles(
    base: Base, sides: list[list[Entry]], those: list[list[Member]], words: Words, pairs: int = 2
) -> float:
    """Of a place, with teachers that have answered nothing."""
    first, second = (
        [(entry, member.adapter) for entry, member in zip(side, some, strict=True)]
        for side, some in zip(sides, those, strict=True)
    )
    teachers = Teachers(base, Path(), (first, second), most=1)
    x, t = torch.zeros(1, 1, *base.noise_shape(base.size)), torch.full((1, 1), 0.5)
    walk = Walk(x, x, t, ("a cat in ink",))
    vars(teachers)["cell_walks"] = [walk]
    vars(teachers)["single_walks"] = [walk] * len(first), [walk] * len(second)
    role_pairs = roles.RolePairs.of(teachers)
    net = roles.initial_net(role_pairs.read)

    def step() -> None:
        random = np.random.default_rng(1)
        _backward(role_pairs.losses(net, words, random, pairs).mean(), net)

    return _seconds(step, pairs * roles.PLACES)


def _generator(base: Base, words: Words, sources: int = 2, targets: int = 8) -> float:
    net = synth.initial_generator(base, SynthConfig.of(base), 1)
    data = Endless(base.size, net.eyes, [1], subjects=0.5, fresh=0.0)
    batch = data.batch(sources, targets)

    def step() -> None:
        random = torch.Generator().manual_seed(1)
        branches = generated_branches(base, net, batch)
        # what teachers answered costs the same as what is true
        _backward(losses_with(base, branches, batch, words, random).mean(), net)

    return _seconds(step, sources * targets)


def _backward(loss: torch.Tensor, net: nn.Module) -> None:
    for p in net.parameters():
        p.grad = None
    loss.backward()  # type: ignore[no-untyped-call]


def _read(base: Base, sides: list[list[Entry]]) -> float:
    adapters: list[Adapter] = [m.adapter for m in _members(base, sides[0])]
    return _seconds(lambda: [sketch(adapter) for adapter in adapters], len(adapters))


def _seconds(work: Callable[[], object], items: int) -> float:
    """Of an item, the better of two times, the first of which warms up."""
    times = []
    for _ in range(2):
        began = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return min(times) / items
