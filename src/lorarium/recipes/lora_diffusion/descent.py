"""The loop of the paper's networks: AdamW, rates that fall to nothing; goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lorarium.files import open_regular
from lorarium.recipes.timebox import ENDLESS, TimeBox

Chance = torch.Generator | np.random.Generator


@dataclass(frozen=True)
class Schedule:
    steps: int
    batch: int
    lr: float
    seed: int


def descend(
    net: nn.Module, loss: Callable[[Tensor], Tensor], count: int, schedule: Schedule,
    chances: Sequence[Chance], unfinished: Path, box: TimeBox = ENDLESS,
) -> None:  # fmt: skip
    """Lower `loss` of rows below `count`. What a time that is over leaves is kept in `unfinished`
    with the state of `chances`, from which the loss draws, so that a pause changes nothing."""
    optimizer = torch.optim.AdamW(
        net.parameters(), schedule.lr, betas=(0.9, 0.98), weight_decay=0.01
    )
    random = torch.Generator().manual_seed(schedule.seed)
    chances = (random, *chances)
    step = 0
    if unfinished.exists():
        with open_regular(unfinished) as file:
            state = torch.load(file, map_location="cpu", weights_only=True)
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(state["optimizer"])
        for chance, past in zip(chances, state["chances"], strict=True):
            _go_on(chance, past)
        step = state["step"]
    while step < schedule.steps:
        if not box.left:
            past = [_state(chance) for chance in chances]
            states = {"net": net.state_dict(), "optimizer": optimizer.state_dict()}
            save_whole({**states, "chances": past, "step": step}, unfinished)
            box.check(f"{unfinished.stem} has {step} of {schedule.steps} steps")
        for group in optimizer.param_groups:
            group["lr"] = schedule.lr * min(1.0, (step + 1) / 100) * (1 - step / schedule.steps)
        value = loss(torch.randint(count, (min(schedule.batch, count),), generator=random))
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        step += 1


def save_whole(state: Any, path: Path) -> None:
    torch.save(state, path.with_suffix(".new"))
    path.with_suffix(".new").rename(path)


def _state(chance: Chance) -> Tensor | str:
    if isinstance(chance, torch.Generator):
        return chance.get_state()
    return json.dumps(chance.bit_generator.state)


def _go_on(chance: Chance, past: Tensor | str) -> None:
    if isinstance(chance, torch.Generator):
        assert isinstance(past, Tensor)
        chance.set_state(past)
    else:
        assert isinstance(past, str)
        chance.bit_generator.state = json.loads(past)
