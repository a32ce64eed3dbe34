"""Processes that train together learn what one would."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lorarium.recipes.micro2 import go_on
from lorarium.recipes.together import Together, train_together
from tests.bases.micro2 import SMALL
from tests.recipes.test_micro2 import QUICK


def batch() -> Tensor:
    return torch.randn(6, 3, generator=torch.Generator().manual_seed(1))


def net() -> nn.Linear:
    torch.manual_seed(2)
    return nn.Linear(3, 2)


def write_gradients(folder: Path, peers: Together) -> None:
    pupil, share = net(), peers.share(len(batch()))
    pupil(batch()[share * peers.number :][:share]).square().mean().backward()
    peers.mean_gradients(pupil.parameters())
    said = [peers.all_say(yes) for yes in (True, False, peers.first)]
    torch.save(
        {"said": said, "gradients": [p.grad for p in pupil.parameters()]},
        folder / f"{peers.number}.pt",
    )


def go_on_briefly(folder: Path, peers: Together) -> None:
    go_on(folder, 9, QUICK, SMALL, max_steps=2, peers=peers)


@pytest.mark.slow
def test_gradients_are_those_of_the_whole_batch(tmp_path: Path) -> None:
    train_together(partial(write_gradients, tmp_path), 2)
    whole = net()
    whole(batch()).square().mean().backward()
    for name in ("0.pt", "1.pt"):
        one = torch.load(tmp_path / name, weights_only=True)
        assert one["said"] == [True, False, False]
        for got, p in zip(one["gradients"], whole.parameters(), strict=True):
            assert torch.allclose(got, p.grad, atol=1e-6)


@pytest.mark.slow
def test_a_run_goes_on_in_two_processes(tmp_path: Path) -> None:
    train_together(partial(go_on_briefly, tmp_path), 2)
    train_together(partial(go_on_briefly, tmp_path), 1)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert (state["step"], state["pictures"]) == (4, 4 * QUICK.batch)


def test_alone_nobody_is_waited_for() -> None:
    alone = Together()
    assert alone.all_say(True) and not alone.all_say(False) and alone.first
    with pytest.raises(ValueError, match="no 4 equal shares"):
        Together(0, 4).share(6)
