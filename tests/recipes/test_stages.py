"""The staged command: what is due, exporting a base only when it wins, minting in bites."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from lorarium import recipes
from lorarium.bases.micro_base import MicroBase, load_micro
from lorarium.recipes import __main__ as door
from lorarium.recipes import base_stage, zoo
from lorarium.recipes.workplace import Workplace
from tests.bases.tiny import FIRST, first_micro, saved

pytestmark = pytest.mark.interop


def checkpoint(folder: Path, base: MicroBase) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "recipe.json").write_text(json.dumps({"config": asdict(FIRST), "total": 64}))
    state = {"averaged": base.model.state_dict(), "step": 7, "seconds": 1.5}
    torch.save(state, folder / "checkpoint.pt")
    return folder / "checkpoint.pt"


def test_a_base_ships_only_when_it_wins(tmp_path: Path) -> None:
    asset = tmp_path / "assets" / "micro-1.safetensors"
    worse, better = first_micro(), first_micro()
    with torch.no_grad():
        better.model.denoiser.proj_out.weight.mul_(0.05)
        better.model.denoiser.proj_out.bias.mul_(0.05)
    assert base_stage.export(checkpoint(tmp_path / "run", worse), asset)
    assert load_micro(asset).hash == worse.hash
    assert not base_stage.export(checkpoint(tmp_path / "run", worse), asset)
    better = MicroBase(better.model.half().float())  # as its file holds it
    assert base_stage.export(checkpoint(tmp_path / "run", better), asset)
    assert load_micro(asset).hash == better.hash


def test_the_next_stage_is_the_first_that_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    stages = {"base": "lorarium.recipes.base_stage", "zoo": "lorarium.recipes.zoo"}
    monkeypatch.setattr(recipes, "STAGES", stages)
    monkeypatch.setattr(door, "STAGES", stages)
    ran: list[tuple[str, float]] = []
    monkeypatch.setattr(base_stage, "due", lambda: False)
    monkeypatch.setattr(zoo, "due", lambda: True)
    monkeypatch.setattr(zoo, "run", lambda place, minutes: ran.append((place.runs.name, minutes)))
    done = CliRunner().invoke(door.command, ["next", "--minutes", "3"])
    assert done.exit_code == 0 and ran == [("runs", 3.0)]
    monkeypatch.setattr(zoo, "due", lambda: False)
    assert "nothing is due" in CliRunner().invoke(door.command, ["next"]).output


def test_only_micro2_cools(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, bool]] = []
    monkeypatch.setattr("lorarium.recipes.micro2.run", lambda *_, **more: calls.append(more))
    for asked in (["micro2"], ["micro2", "--cool"]):
        assert CliRunner().invoke(door.command, asked).exit_code == 0
    assert calls == [{}, {"cool": True}]
    refused = CliRunner().invoke(door.command, ["roles", "--cool"])
    assert refused.exit_code == 2 and "roles has no --cool" in refused.output


def test_the_zoo_stage_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LORARIUM_MICRO", str(saved(tmp_path / "base.safetensors")))
    monkeypatch.setattr(zoo, "FOLDER", tmp_path / "zoo")
    zoo.run(Workplace.shipped(), 0.0)
    assert zoo.due() and (tmp_path / "zoo" / "manifest.json").exists()
    assert "0 made" in capsys.readouterr().out
