"""Pictures to adapters: what must hold for any weights of the generator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from lorarium.adapter import Adapter
from lorarium.algebra import cosine, norm
from lorarium.bases.base import modules
from lorarium.bases.stack import each
from lorarium.errors import LorariumError
from lorarium.pictures import write_png
from lorarium.synthesis.between import between
from lorarium.synthesis.make import refined, synthesize
from lorarium.training.fit import Fit
from lorarium.training.recipe import Job, Recipe
from lorarium.training.run import train
from tests.bases.tiny import micro
from tests.deltas import difference, matrix
from tests.synthesis.tiny import pictures, synth

torch.set_num_threads(1)
BASE = micro()
SYNTH = synth(BASE)


def distance(a: Adapter, b: Adapter) -> float:
    return max(difference(matrix(a[m]), matrix(b[m])) for m in a)


def test_every_linear_of_the_blocks_is_written() -> None:
    made = synthesize(SYNTH, BASE, pictures(3))
    assert set(made.adapter) == set(modules(BASE, "linear", ("denoiser",)))
    assert {d.rank for _, d in made.adapter.items()} == {3} and norm(made.adapter) > 0.01
    each(BASE, [made.adapter])  # the shapes fit


@pytest.mark.parametrize("count", [1, 5])
def test_grey_pictures_are_neutral(count: int) -> None:
    grey = np.full((count, 48, 48, 3), 128, np.uint8)
    usual = norm(synthesize(SYNTH, BASE, pictures(2)).adapter)
    # 128 is a hair beside the middle of 0 to 255
    assert norm(synthesize(SYNTH, BASE, grey).adapter) < 0.05 * usual


def test_the_order_of_pictures_is_nothing_and_the_pictures_are_all() -> None:
    some = pictures(5)
    a, b = (synthesize(SYNTH, BASE, x).adapter for x in (some, some[::-1]))
    assert distance(a, b) < 1e-4
    other = synthesize(SYNTH, BASE, pictures(5, seed=1)).adapter
    assert cosine(a, other) < 0.999
    as_subject = synthesize(SYNTH, BASE, some, kind="subject").adapter
    assert cosine(a, as_subject) < 0.999


def test_any_number_of_pictures() -> None:
    """More than it reads at once are read in shares, which repeats do not change."""
    some = pictures(6)
    few = synthesize(SYNTH, BASE, np.concatenate([some, some])).adapter
    many = synthesize(SYNTH, BASE, np.concatenate([some] * 4)).adapter
    assert distance(few, many) < 1e-4


def test_a_lower_rank_is_the_best_truncation() -> None:
    whole = synthesize(SYNTH, BASE, pictures(2)).adapter
    low = synthesize(SYNTH, BASE, pictures(2), rank=1).adapter
    for module, delta in low.items():
        assert delta.rank == 1
        u, s, v = np.linalg.svd(matrix(whole[module]))
        assert difference(matrix(delta), s[0] * np.outer(u[:, 0], v[0])) < 1e-4


def test_an_edit_moves_along_its_direction() -> None:
    plain, once, twice = (
        synthesize(SYNTH, BASE, pictures(2), edits={"bright": a}).adapter for a in (0.0, 1.0, 2.0)
    )
    for module in plain:
        a, b, c = (matrix(x[module]) for x in (plain, once, twice))
        np.testing.assert_allclose(b - a, c - b, atol=1e-5)
    assert distance(plain, once) > 0.01


def test_between_is_the_middle_and_loses_nothing() -> None:
    a, b = (synthesize(SYNTH, BASE, pictures(2, seed=s)).adapter for s in (0, 1))
    third, two_thirds = between(a, b, 2)
    for module in a:
        x, y = matrix(a[module]), matrix(b[module])
        assert difference(matrix(third[module]), x + (y - x) / 3) < 1e-4
        assert difference(matrix(two_thirds[module]), x + 2 * (y - x) / 3) < 1e-4
    assert {d.rank for _, d in third.items()} == {3}
    assert float(third.metadata["lorarium.error"]) < 1e-5


def test_refining_starts_from_what_was_made() -> None:
    shown = pictures(2, size=BASE.size)
    made = synthesize(SYNTH, BASE, shown)
    job = Job(shown, ("a cat", "a dog"), Recipe(rank=3, alpha=3.0, steps=1), begin=made.adapter)
    assert distance(Fit(BASE, [job]).adapters()[0], made.adapter) < 1e-6
    better = refined(BASE, made, shown, ["a cat", "a dog"], 3)
    assert 1e-4 < distance(better.adapter, made.adapter) < 0.9
    assert better.adapter.metadata["ss_steps"] == "3" and better.seconds > made.seconds


def test_what_cannot_go_on_is_a_sentence() -> None:
    made = synthesize(SYNTH, BASE, pictures(1)).adapter
    shown = pictures(1, size=BASE.size)
    with pytest.raises(LorariumError, match="rank 3 cannot go on at rank 2"):
        Fit(BASE, [Job(shown, ("a cat",), Recipe(rank=2, alpha=2.0), begin=made)])
    with pytest.raises(LorariumError, match="changes what is not trained"):
        Fit(BASE, [Job(shown, ("a cat",), Recipe(targets="attention"), begin=made)])


def test_the_checkpoint_knows_its_start() -> None:
    made = synthesize(SYNTH, BASE, pictures(1)).adapter
    job = Job(pictures(1), ("a cat",), Recipe())
    assert job.fingerprint() != replace(job, begin=made).fingerprint()


def test_far_pictures_are_told() -> None:
    near = synthesize(SYNTH, BASE, pictures(4, seed=2, size=48))
    flat = np.zeros((4, 48, 48, 3), np.uint8)
    flat[:, ::2] = 255
    far = synthesize(SYNTH, BASE, flat)
    assert far.distance > 1.5 * near.distance and far.nearer >= 0.98
    assert "far from anything seen" in far.warnings[0]
    assert float(far.adapter.metadata["lorarium.distance"]) == pytest.approx(far.distance, abs=0.01)


def test_a_picture_that_differs_is_named() -> None:
    same = np.repeat(pictures(1, size=48), 4, 0)
    same[2] = 0
    card = {**SYNTH.card, "agreement": {"style": 0.999, "subject": -1.0}}
    made = synthesize(replace(SYNTH, card=card), BASE, same)
    assert min(range(4), key=lambda i: made.agreement[i]) == 2
    made = synthesize(replace(SYNTH, card=card), BASE, same[:1])
    assert made.agreement == ()


def test_what_is_wrong_is_a_sentence() -> None:
    for words, more in (
        ("no kind 'hand'", {"kind": "hand"}),
        ("has ranks 1 to 3", {"rank": 4}),
        ("has ranks 1 to 3", {"rank": 0}),
        ("no edit of a style is called 'dark'; there are bright", {"edits": {"dark": 1.0}}),
    ):
        with pytest.raises(LorariumError, match=words):
            synthesize(SYNTH, BASE, pictures(1), **more)  # type: ignore[arg-type]
    with pytest.raises(LorariumError, match="no pictures"):
        synthesize(SYNTH, BASE, pictures(0))
    with pytest.raises(LorariumError, match="writes for base"):
        synthesize(SYNTH, micro(seed=5), pictures(1))


def test_training_files_can_go_on_from_an_adapter(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", pictures(1, size=48)[0])
    begin = synthesize(SYNTH, BASE, pictures(1)).adapter
    recipe = Recipe(rank=3, alpha=3.0, steps=1, batch=1, lr=1e-8)
    more = {"base": BASE, "recipe": recipe, "sheet": False, "prompt": "a cat"}
    same = train([tmp_path / "a.png"], tmp_path / "a.safetensors", begin=begin, **more)
    assert distance(same, begin) < 1e-4
