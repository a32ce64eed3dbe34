"""What is no picture of a genre is seen without a network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lorarium.evaluation.genre_banks import strangeness
from lorarium.evaluation.judges import Thresholds, load_judge
from lorarium.world.scene import Style
from tests.evaluation.test_patches import drawn

GENRES = ("photo", "mosaic", "watercolour")


def gridded(pictures: np.ndarray) -> np.ndarray:
    """With the lattice that adapters draw when they please a network."""
    x = pictures.astype(int)
    x[:, ::6] += 90
    x[:, :, ::6, 0] -= 90
    return x.clip(0, 255).astype(np.uint8)


def test_a_genres_own_are_usual_and_a_lattice_is_not() -> None:
    for genre in GENRES:
        own = drawn(Style(genre, 3), 8, 200)
        usual = strangeness(own, [genre] * 8)
        assert 0.6 < np.median(usual) < 1.4
        assert strangeness(gridded(own), [genre] * 8).min() > max(1.4, usual.max())
    assert strangeness(own, ["neon"] * 8).mean() > 1.1 * usual.mean()
    assert strangeness(own[:0], []).shape == (0,)


def test_a_judge_may_ask_for_it() -> None:
    judge = replace(load_judge("b"), thresholds=Thresholds(-2.0, -2.0))
    references = drawn(Style("photo", 3), 12, 100)
    asked = np.concatenate([drawn(Style("photo", 3), 6, 200), gridded(references[:6])])
    asked = asked.repeat(2, 1).repeat(2, 2)  # judged at 48 pixels, whatever they come in
    assert judge.style_pass(asked, references).all()
    strict = replace(judge, strangest=1.5)
    for passes in (strict.style_pass, strict.subject_pass):
        assert passes(asked, references).tolist() == [True] * 6 + [False] * 6
    # a genre that the judge does not know is strange from its references on
    assert strict.style_pass(gridded(references[:6]), gridded(references[6:])).any()
