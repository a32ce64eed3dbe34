"""The stage of the learned descriptors, on planted adapters."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from lorarium.descriptors.gram import unit  # noqa: E402
from lorarium.descriptors.learned import load_learned  # noqa: E402
from lorarium.encoders.nets import JudgeNet, NetConfig  # noqa: E402
from lorarium.errors import LorariumError  # noqa: E402
from lorarium.evaluation.describe.zoo import load, read_zoo  # noqa: E402
from lorarium.recipes import describe as stage  # noqa: E402
from lorarium.recipes.describe_data import SLOTS, Examples, TextExamples, read_examples  # noqa: E402
from lorarium.recipes.describe_maps import (  # noqa: E402
    aligned_maps,
    hue_steps,
    place,
    projection,
    role_weights,
)
from lorarium.recipes.timebox import TimeIsOver  # noqa: E402
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES  # noqa: E402
from lorarium.world.words import COLOURS, VOCABULARY  # noqa: E402
from tests.evaluation.describe.minted import minted, noise  # noqa: E402
from tests.recipes.boxes import looks  # noqa: E402

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
    everybody = examples(60)
    known = everybody.artist < 40
    few = Examples(
        everybody.vectors[known], everybody.facts[known], everybody.artist[known],
        everybody.recipe[known], everybody.group[:40], (),
    )  # fmt: skip
    axes = projection(few, 0.1)
    new = everybody.artist[~known]
    raw = everybody.vectors[~known] - everybody.vectors.mean(0)
    assert found_again(raw, new) < 0.2
    assert found_again(place(axes, everybody.vectors[~known], everybody.facts[~known]), new) > 0.9


def test_roles_that_hold_the_artist_count_most() -> None:
    random = np.random.default_rng(0)
    artist = np.repeat(np.arange(20), 3)
    x = random.standard_normal((60, SLOTS, 32)).astype("f4")
    x[:, 5] += 3 * random.standard_normal((20, 32))[artist]
    held = Examples(x.reshape(60, -1), np.zeros((60, 1)), artist, np.array(["R0"] * 60), artist, ())
    weights = role_weights(held)
    assert weights.argmax() == 5 and np.median(weights) < 0.5


def test_maps_find_artists_that_they_never_saw_by_pictures_and_words() -> None:
    random = np.random.default_rng(1)
    turn, read = random.standard_normal((8, D)), random.standard_normal((8, 12))
    words = random.standard_normal((3, 8))  # what three words say of an artist
    word = np.arange(60) % 3
    taste = 2 * words[word] + random.standard_normal((60, 8))
    artist = np.repeat(np.arange(60), 2)
    x = taste[artist] @ turn + 0.3 * random.standard_normal((120, D))
    pictures = (taste @ read)[:, None] + 0.3 * random.standard_normal((60, 6, 12))
    known = artist < 40
    text_set = TextExamples(
        np.eye(3)[word[:40]], pictures[:40].mean(1), np.full(40, -1), np.zeros((40, 2))
    )
    maps = aligned_maps(unit(x[known]), artist[known], pictures[:40], text_set)
    adapters = unit(unit(x[~known]) @ maps["adapters.map"].T)
    vectors = unit((pictures[40:].mean(1) - maps["pictures.mean"]) @ maps["pictures.map"].T)
    near = artist[~known][(vectors @ adapters.T).argmax(1)]
    assert (near == np.arange(40, 60)).mean() > 0.8
    texts = unit(maps["words.table"] + maps["words.bias"])
    assert (word[artist[~known]][(texts @ adapters.T).argmax(1)] == np.arange(3)).all()


def test_colours_are_steps_inside_genres() -> None:
    """Told apart within a genre, whatever tells the genres apart."""
    random = np.random.default_rng(2)
    genre = np.arange(80) % 4
    genre_words = np.eye(12)[:4]
    hues = random.standard_normal((80, 3))
    ways = np.eye(12)[5:8]
    x = 5 * genre_words[genre] + hues @ ways + 0.2 * random.standard_normal((80, 12))
    # a genre that is red as a whole must not make its word a red one
    steps = hue_steps(
        x + genre_words[0] * hues[:, :1], hues + 3 * (genre == 0)[:, None], genre, genre_words
    )
    assert ((steps * ways).sum(1) > 0.85).all()
    assert np.abs(steps @ (genre_words - genre_words.mean(0)).T).max() < 1e-5


@pytest.fixture
def few_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three of the twenty-five that a stage tries."""
    monkeypatch.setattr(stage, "SHRINKS", (0.3,))
    monkeypatch.setattr(stage, "SHARES", (0.0, 0.5, 1.0))


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("zoo")
    splits = {"train": 18, "validation": 2}
    return read_zoo(minted(folder, splits, copies=2, content=0.8))


def test_the_stage_ships_what_it_learned_once(
    zoo, few_settings: None, tmp_path: Path, capsys
) -> None:
    torch.manual_seed(0)
    judge = JudgeNet(NetConfig("conv", 16, len(SEEN_CLASSES), len(SEEN_GENRES), len(VOCABULARY), 1))
    asset = tmp_path / "describe.safetensors"
    assert stage.train(zoo, judge.eval(), asset, words=(1, 1), runs=tmp_path)
    shipped = load_learned(asset)
    assert shipped.card == json.loads(asset.with_suffix(".json").read_text())
    assert shipped.card["zoo"] == stage.mark(zoo) and shipped.card["artists"] == 36
    corpus = load(zoo, "style", "validation")
    again = stage.validation(shipped, [corpus])["score"]
    assert again == pytest.approx(shipped.card["scores"]["validation"]["score"], abs=0.03)
    width = shipped.words(["a ink"]).shape[1]
    assert shipped.weights["words.hues"].shape == (len(COLOURS), width)
    assert shipped.aligned(corpus.sketches).shape == (len(corpus.entries), width)
    assert not stage.train(zoo, judge, asset, words=(1, 1), runs=tmp_path)
    assert "keep their place" in capsys.readouterr().out


def test_a_stage_out_of_time_goes_on_with_the_settings_that_are_left(
    zoo, few_settings: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    judge = JudgeNet(NetConfig("conv", 16, len(SEEN_CLASSES), len(SEEN_GENRES), len(VOCABULARY), 1))
    known = [e for e in zoo.entries if e.split == "train"]
    asset, runs = tmp_path / "describe.safetensors", tmp_path / "runs"
    with pytest.raises(TimeIsOver, match="1 of 3 settings are scored"):
        stage.train(zoo, judge.eval(), asset, words=(1, 1), runs=runs, box=looks(len(known) + 1))
    scored = []
    real = stage.validation
    monkeypatch.setattr(stage, "validation", lambda *a: scored.append(real(*a)) or scored[-1])
    assert stage.train(zoo, judge, asset, words=(1, 1), runs=runs)
    assert len(scored) == 2 and not list(runs.iterdir())


def test_too_little_to_learn_from_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LorariumError, match="10 adapters of 2 artists"):
        read_examples(read_zoo(minted(tmp_path, {"train": 1})))


def test_due_is_never_without_a_zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage.zoo_stage, "FOLDER", tmp_path / "nothing")
    assert not stage.due()
    minted(tmp_path / "zoo", {"train": 1})
    monkeypatch.setattr(stage.zoo_stage, "FOLDER", tmp_path / "zoo")
    monkeypatch.setattr(stage, "ASSET", tmp_path / "none")
    assert stage.due()
