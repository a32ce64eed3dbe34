"""The stage of the learned descriptors, on planted adapters."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from lorarium.describe.learned import load_learned  # noqa: E402
from lorarium.encoders.nets import JudgeNet, NetConfig  # noqa: E402
from lorarium.errors import LorariumError  # noqa: E402
from lorarium.evaluate.describe.zoo import load, read_zoo  # noqa: E402
from lorarium.recipes import describe as stage  # noqa: E402
from lorarium.recipes.describe_data import Augmented, Examples, gather  # noqa: E402
from lorarium.recipes.describe_nets import (  # noqa: E402
    CrossFitted,
    ProbeNet,
    Tower,
    place,
    projection,
)
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES  # noqa: E402
from lorarium.world.words import VOCABULARY  # noqa: E402
from tests.evaluate.describe.minted import minted, noise  # noqa: E402

torch.set_num_threads(1)
D, F = 168, 4


def examples(artists: int = 40, each: int = 6, recipe: float = 4.0) -> Examples:
    """Artists in 8 shared directions; recipes in others, far stronger."""
    random = np.random.default_rng(0)
    artist = np.repeat(np.arange(artists), each)
    recipes = np.tile(np.arange(each), artists)
    x = noise(artists, 8)[artist] @ noise(8, D, 1) + recipe * noise(each, D, 2)[recipes]
    facts = np.stack([recipes, recipes**2, np.ones_like(recipes), random.random(len(x))], 1)
    return Examples(
        (x + 0.3 * noise(len(x), D, 3)).astype("f4"), facts.astype("f4"), artist,
        np.array([f"R{r}" for r in recipes]), np.arange(artists) // 8, (None,) * artists,
    )  # fmt: skip


def found_again(z: np.ndarray, artist: np.ndarray) -> float:
    z = z / np.linalg.norm(z, axis=1, keepdims=True)
    near = (z @ z.T - 2 * np.eye(len(z))).argmax(1)
    return float((artist[near] == artist).mean())


def test_axes_forget_recipes_of_artists_that_they_never_saw() -> None:
    whole = examples(60)
    known = whole.artist < 40
    few = Examples(
        whole.vectors[known], whole.facts[known], whole.artist[known], whole.recipe[known],
        whole.group[:40], (),
    )  # fmt: skip
    axes = projection(few, 0.1)
    new = whole.artist[~known]
    raw = whole.vectors[~known] - whole.vectors.mean(0)
    assert found_again(raw, new) < 0.2
    assert found_again(place(axes, whole.vectors[~known], whole.facts[~known]), new) > 0.9


def test_coordinates_out_of_the_fit_are_like_those_of_all() -> None:
    held = examples()
    axes = projection(held, 0.1)
    rows = np.arange(len(held.vectors))
    z = CrossFitted(held, axes, 0.1)(rows, held.vectors, held.facts)
    inside = place(axes, held.vectors, held.facts)
    assert np.corrcoef(z.ravel(), inside.ravel())[0, 1] > 0.5
    assert found_again(z, held.artist) > 0.9


def test_augmentation_keeps_length_and_seed() -> None:
    held = examples(20)
    one, two = (Augmented(held, [3]) for _ in range(2))
    rows = one.rows(one.artists(8, 4), 4)
    np.testing.assert_array_equal(rows, two.rows(two.artists(8, 4), 4))
    assert (held.artist[rows].reshape(-1, 4) == held.artist[rows][::4, None]).all()
    x = one.vectors(rows)
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, rtol=1e-4)
    assert (x.reshape(len(x), 24, -1) == 0).all(2).any()


def test_a_correction_starts_at_nothing_and_towers_are_those_of_numpy() -> None:
    from lorarium.describe.learned import layers

    z = torch.from_numpy(noise(3, 40))
    assert torch.equal(ProbeNet(40)(z), z)
    tower = Tower(40, 8, 5)
    with torch.no_grad():
        said = tower(z).numpy()
    np.testing.assert_allclose(layers(z.numpy(), tower.weights("t"), "t"), said, atol=1e-5)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("zoo")
    splits = {"train": 18, "validation": 2}
    return read_zoo(minted(folder, splits, copies=2, content=0.8))


def test_the_stage_ships_what_it_learned_once(zoo, tmp_path: Path, capsys) -> None:
    torch.manual_seed(0)
    judge = JudgeNet(NetConfig("conv", 16, len(SEEN_CLASSES), len(SEEN_GENRES), len(VOCABULARY), 1))
    plans = stage.shortened(stage.PROBE, 4), stage.shortened(stage.ALIGNED, 4)
    asset = tmp_path / "describe.safetensors"
    ways = {"minutes": 5, "plans": plans}
    assert stage.train(zoo, judge.eval(), tmp_path / "runs", asset, **ways)
    shipped = load_learned(asset)
    assert shipped.card == json.loads(asset.with_suffix(".json").read_text())
    assert shipped.card["zoo"] == stage.mark(zoo) and shipped.card["artists"] == 36
    corpus = load(zoo, "style", "validation")
    again = stage.validation(shipped, [corpus])["score"]
    assert again == pytest.approx(shipped.card["scores"]["validation"]["score"], abs=0.03)
    width = shipped.words(["a ink"]).shape[1]
    assert shipped.aligned(corpus.sketches).shape == (len(corpus.entries), width)
    assert not stage.train(zoo, judge, tmp_path / "runs", asset, **ways)
    assert "keep their place" in capsys.readouterr().out


def test_too_little_to_learn_from_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LorariumError, match="10 adapters of 2 artists"):
        gather(read_zoo(minted(tmp_path, {"train": 1})))


def test_due_is_never_without_a_zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage.zoo_stage, "FOLDER", tmp_path / "nothing")
    assert not stage.due()
    minted(tmp_path / "zoo", {"train": 1})
    monkeypatch.setattr(stage.zoo_stage, "FOLDER", tmp_path / "zoo")
    monkeypatch.setattr(stage, "ASSET", tmp_path / "none")
    assert stage.due()
