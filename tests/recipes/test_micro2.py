"""The training of micro-2: it learns, and goes on where it stopped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lorarium.bases.micro2 import base_of
from lorarium.bases.micro2_folder import load_folder, save_folder
from lorarium.bases.sampling import sample
from lorarium.recipes import micro2
from lorarium.recipes.micro2 import Micro2Recipe, go_on, looked_at
from lorarium.recipes.rendered_ahead import CHUNK, RenderedAhead
from tests.bases.micro2 import SMALL

QUICK = Micro2Recipe(batch=16, warmup=5, pool=64, fresh=0.0, start_pool=64, report=10)


@pytest.mark.slow
def test_it_learns_resumes_and_draws(tmp_path: Path) -> None:
    go_on(tmp_path / "run", 9, QUICK, SMALL, max_steps=30)
    first = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    go_on(tmp_path / "run", 9, QUICK, SMALL, max_steps=30)
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert (first["step"], state["step"]) == (30, 60) and state["seconds"] > first["seconds"]
    lines = [json.loads(t) for t in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < 0.7 * lines[0]["loss"]
    pictures = sample(base_of(state), ["a cat in ink"], steps=2)
    assert pictures.shape == (1, 48, 48, 3)


@pytest.mark.slow
def test_other_processes_render_what_it_learns_from(tmp_path: Path) -> None:
    pool = RenderedAhead(48, 3 * CHUNK, 7, workers=1)
    try:
        pool.render(CHUNK + 1)
        first = pool.pictures[: 2 * CHUNK].copy()
        drawn = 0
        while pool.filled == 2 * CHUNK:  # until a third chunk is ready
            pictures, words = pool.batch(16, 0.5)
            drawn += 1
    finally:
        pool.close()
    assert pictures.shape == (16, 3, 48, 48) and (words != 0).any(1).all() and drawn
    # each chunk is of its own, and what came first is as it was
    assert len(np.unique(first.reshape(2 * CHUNK, -1), axis=0)) == 2 * CHUNK
    assert np.array_equal(pool.pictures[: 2 * CHUNK], first)
    go_on(tmp_path / "run", 9, QUICK, SMALL, max_steps=2, workers=1)
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert state["step"] == 2


def test_the_look_counts_where_noise_leaves_something_to_see() -> None:
    assert looked_at(replace(QUICK, look=0.0)) is None
    look = looked_at(replace(QUICK, look=0.5, look_until=700))
    assert look is not None
    true = torch.rand(2, 3, 48, 48) * 2 - 1
    made = torch.zeros_like(true, requires_grad=True)
    one, other, both = (
        look(made, true, torch.tensor(steps)) for steps in ([699, 700], [700, 699], [0, 10])
    )
    assert torch.allclose(one + other, both) and both > 0
    one.backward()
    assert made.grad is not None and made.grad[0].any() and not made.grad[1].any()


def test_a_new_run_may_begin_with_the_weights_of_another(tmp_path: Path) -> None:
    go_on(tmp_path / "a", 9, QUICK, SMALL, max_steps=2)
    go_on(tmp_path / "b", 9, QUICK, SMALL, max_steps=0, start=tmp_path / "a" / "checkpoint.pt")
    a, b = (torch.load(tmp_path / name / "checkpoint.pt", weights_only=True) for name in ("a", "b"))
    assert a["pictures"] > 0 and b["pictures"] == a["pictures"]
    for name, value in a["averaged"].items():
        assert torch.equal(value, b["averaged"][name])


def test_a_run_begins_with_what_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on(tmp_path / "a", 9, QUICK, SMALL, max_steps=2)
    base = base_of(torch.load(tmp_path / "a" / "checkpoint.pt", weights_only=True))
    made = {"pictures": 32, "recipe": {}, "grown_from": "somebody"}
    save_folder(base, tmp_path / "shipped", {"trained": made})
    monkeypatch.setattr(micro2, "ASSET", tmp_path / "shipped")
    micro2.begin(tmp_path / "start.pt")
    go_on(tmp_path / "b", 9, QUICK, SMALL, max_steps=0, start=tmp_path / "start.pt")
    state = torch.load(tmp_path / "b" / "checkpoint.pt", weights_only=True)
    assert state["pictures"] == 32
    for name, value in load_folder(tmp_path / "shipped").unet.state_dict().items():
        assert torch.equal(state["averaged"][f"unet.{name}"], value)
    again = base_of(state)
    words = ["a cat in ink"]
    assert torch.allclose(
        again.encode(words)["hidden"], load_folder(tmp_path / "shipped").encode(words)["hidden"]
    )
