"""The stage of the judges: what ships, and when."""

import json

import pytest

torch = pytest.importorskip("torch")

from lorarium.encoders.nets import NETS, NetConfig  # noqa: E402
from lorarium.encoders.store import load_encoder, save_encoder  # noqa: E402
from lorarium.recipes.judges import CONFIGS, PLANS, SHARES, TRAINERS, go_on, wins  # noqa: E402
from lorarium.world.mark import world_mark  # noqa: E402

torch.set_num_threads(1)


def card(**more):
    return {"world": world_mark(), "spent": {"pictures": 10.0}, **more}


def validation(style, subject):
    return {"validation": {"style": {"error": style}, "subject": {"error": subject}}}


def ship(path, about):
    save_encoder(path, NETS["DinoLike"](NetConfig(depth=0, width=8)), about)


def test_every_encoder_has_a_trainer_a_plan_and_a_share():
    assert set(TRAINERS) == set(PLANS) == set(SHARES) >= set(CONFIGS)
    assert sum(SHARES.values()) == pytest.approx(1)
    a, b = CONFIGS["judge_a"], CONFIGS["judge_b"]
    assert a.trunk != b.trunk and PLANS["judge_a"].seed != PLANS["judge_b"].seed


def test_a_judge_ships_when_its_errors_fall(tmp_path):
    path = tmp_path / "it.safetensors"
    assert wins(card(scores=validation(0.5, 0.5)), path)
    ship(path, card(scores=validation(0.1, 0.2)))
    assert wins(card(scores=validation(0.12, 0.15)), path)
    assert not wins(card(scores=validation(0.1, 0.2)), path)


def test_without_a_score_more_pictures_win_and_another_world_loses(tmp_path):
    path = tmp_path / "it.safetensors"
    ship(path, card())
    assert not wins(card(), path)
    assert wins(card(spent={"pictures": 11.0}), path)
    ship(path, card(world="00" + world_mark()[2:]))
    assert wins(card(), path)


@pytest.mark.slow
def test_a_run_leaves_an_asset_that_describes_itself(tmp_path):
    assert go_on("dino_like", minutes=5, runs=tmp_path, assets=tmp_path, total=3 * 128)
    about = json.loads((tmp_path / "dino_like.json").read_text())
    assert about["spent"]["pictures"] == 3 * 128
    assert {"data", "recipe", "world", "licence", "name"} <= set(about)
    assert load_encoder(tmp_path / "dino_like.safetensors").card == about
    assert not go_on("dino_like", minutes=5, runs=tmp_path, assets=tmp_path, total=3 * 128)
