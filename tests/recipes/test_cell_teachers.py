"""Teachers of true cells: what they answered they answer again, and students come nearer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lorarium.bases.base import Base  # noqa: E402
from lorarium.bases.sampling import sample  # noqa: E402
from lorarium.bases.stack import each  # noqa: E402
from lorarium.errors import TimeIsOver  # noqa: E402
from lorarium.evaluation.describe.zoo import Zoo, read_zoo  # noqa: E402
from lorarium.recipes import cell_teachers, teachers  # noqa: E402
from lorarium.recipes.cell_teachers import teachers_of  # noqa: E402
from lorarium.recipes.roles import RolePairs, initial_net  # noqa: E402
from lorarium.recipes.synth_loss import Words  # noqa: E402
from lorarium.recipes.teachers import Places, Walk, missed, walked  # noqa: E402
from lorarium.recipes.timebox import TimeBox  # noqa: E402
from lorarium.training.recipe import Recipe  # noqa: E402
from tests.bases.tiny import micro  # noqa: E402
from tests.evaluation.merge.tiny_zoo import tiny_zoo  # noqa: E402

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Zoo, Base]:
    base = micro()
    return read_zoo(tiny_zoo(tmp_path_factory.mktemp("zoo"), base)), base


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teachers, "STEPS", 3)
    for name, value in {
        "SHOWN": 2, "AT_ONCE": 2,
        "TEACHER": Recipe(rank=2, alpha=2.0, steps=4, batch=2, lr=5e-2),
    }.items():  # fmt: skip
        monkeypatch.setattr(cell_teachers, name, value)


def test_who_drew_says_the_same_again(zoo: tuple[Zoo, Base], tmp_path: Path) -> None:
    known, base = zoo
    teaching = teachers_of(known, base, tmp_path, most=3)
    pair = [teaching.sides[0][0][1], teaching.sides[1][0][1]]
    prompts = [["a sub1 cat in photo", "a dog in oil"], ["a cat in sty1", "a house in sty1"]]
    walks = walked(base, pair, prompts, seed=4)
    assert [w.prompts for w in walks] == [tuple(p) for p in prompts]
    assert walks[0].x.shape == (2, 3, *base.noise_shape(base.size))
    places = Places.of(walks, 3, np.random.default_rng(0))
    assert sorted(places.t[:3].tolist()) == sorted(walks[0].t[0].tolist())  # all levels alike
    text = Words(base)(places.prompts)
    again = missed(base, each(base, pair), places, text)
    other = missed(base, each(base, pair[::-1]), places, text)
    assert again.shape == (6,) and again.max() < 1e-9 < other.min()
    walks[0].save(tmp_path / "w.npz")
    kept = Walk.load(tmp_path / "w.npz")
    assert kept.prompts == walks[0].prompts and torch.allclose(
        kept.answers, walks[0].answers, atol=2e-3
    )


def test_watching_changes_nothing(zoo: tuple[Zoo, Base]) -> None:
    _, base = zoo
    seen: list[float] = []
    watched = sample(base, ["a cat in ink"], steps=3, watch=lambda x, t, s: seen.append(float(t)))
    assert np.array_equal(watched, sample(base, ["a cat in ink"], steps=3)) and len(seen) == 3


def test_teachers_are_asked_once_and_gone_on_with(zoo: tuple[Zoo, Base], tmp_path: Path) -> None:
    known, base = zoo
    teaching = teachers_of(known, base, tmp_path / "a", most=3)
    with pytest.raises(TimeIsOver, match="0 of 3 teachers"):
        teaching.make(TimeBox(0.0))
    teaching.make()
    files = {path.name: path.read_bytes() for path in sorted((tmp_path / "a").iterdir())}
    assert len([name for name in files if name.startswith("cell-")]) == 3
    assert len(files) == 3 + sum(len(side) for side in teaching.sides)
    # a cell's teacher was trained on true pictures of that person in that hand
    job = teaching._job(0)
    walk = Walk.load(tmp_path / "a" / "cell-0.npz")
    assert set(walk.prompts) == {job.prompts[0]} and job.pictures.shape[0] == 2
    # what is missing is made as it was, and nothing else is
    times = {name: (tmp_path / "a" / name).stat().st_mtime_ns for name in files}
    (tmp_path / "a" / "cell-2.npz").unlink()
    teaching.make()
    assert (tmp_path / "a" / "cell-2.npz").read_bytes() == files["cell-2.npz"]
    again = {name: (tmp_path / "a" / name).stat().st_mtime_ns for name in files}
    assert {name for name in files if again[name] != times[name]} == {"cell-2.npz"}


def test_others_that_nobody_asks_for_are_there(
    zoo: tuple[Zoo, Base], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, base = zoo
    teaching = teachers_of(known, base, tmp_path, most=3)
    random = np.random.default_rng(0)
    monkeypatch.setattr(cell_teachers, "CROWD", 1.0)
    met = [(0, 1), (1, 0)]
    assert teaching.others(met, random) == []  # all answer to one word
    first, second = ([e.of for e, _ in side] for side in teaching.sides)
    assert first[0] != first[1] and second[0] != second[1]
    # the second of either side answers to another word
    sides = [
        [(replace(e, word=1 + i), a) for i, (e, a) in enumerate(side)] for side in teaching.sides
    ]
    crowded = replace(teaching, sides=(sides[0], sides[1]))
    assert crowded.others(met, random) == [(0, [1, 0]), (1, [0, 1])]
    crowded.make()
    pairs, words = RolePairs.of(crowded), Words(base)
    net = initial_net(pairs.read)

    def loss() -> torch.Tensor:
        with torch.no_grad():
            return pairs.losses(net, words, np.random.default_rng(1))

    among_others = loss()
    monkeypatch.setattr(cell_teachers, "CROWD", 0.0)
    assert not torch.allclose(among_others, loss())
