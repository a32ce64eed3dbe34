"""Patches tell strokes apart that no network was asked about."""

from __future__ import annotations

import numpy as np
import torch

from lorarium.encoders.nets import JudgeNet
from lorarium.evaluation.judges import Judge, Thresholds
from lorarium.evaluation.patches import fineness, relative_distance
from lorarium.recipes.judges import CONFIGS
from lorarium.world.scene import Style, Subject, View, render


def drawn(style: Style, count: int, first: int) -> np.ndarray:
    kinds = ("cat", "castle", "guitar", "fish", "tree", "car", "robot", "owl")
    subjects = [Subject(kinds[i % 8], first + i) for i in range(count)]
    return render(subjects, [style] * count, [View(first + i) for i in range(count)], 48)


def blurred(pictures: np.ndarray) -> np.ndarray:
    x = pictures.astype(np.float32)
    x = (x + np.roll(x, 1, 1) + np.roll(x, 1, 2) + np.roll(x, (1, 1), (1, 2))) / 4
    return x.round().astype(np.uint8)


def untrained() -> JudgeNet:
    torch.manual_seed(0)
    return JudgeNet(CONFIGS["judge_b"]).eval()


def test_the_own_hand_is_nearest_and_blur_is_seen() -> None:
    for genre in ("ink", "mosaic", "watercolour", "hatching"):
        references = drawn(Style(genre, 3), 12, 100)
        own = relative_distance(drawn(Style(genre, 3), 12, 200), references).mean()
        other = "neon" if genre != "neon" else "ink"
        assert 0.6 < own < 1.6
        assert relative_distance(drawn(Style(other, 4), 12, 200), references).mean() > 1.3 * own
        assert relative_distance(blurred(drawn(Style(genre, 3), 12, 200)), references).mean() > own


def test_blur_is_less_fine_and_noise_finer() -> None:
    pictures = drawn(Style("oil", 3), 8, 100)
    noise = np.random.default_rng(0).normal(0, 12, pictures.shape)
    noisy = np.clip(pictures + noise, 0, 255).astype(np.uint8)
    assert (fineness(blurred(pictures)) < fineness(pictures)).all()
    assert (fineness(noisy) > fineness(pictures)).all()
    assert np.isfinite(fineness(np.full((1, 48, 48, 3), 90, np.uint8))).all()


def test_an_artist_is_known_by_how_fine_the_strokes_are() -> None:
    references, asked = drawn(Style("oil", 3), 12, 100), drawn(Style("oil", 3), 8, 200)
    all_alike = Thresholds(-2.0, -2.0), {}, Thresholds(9.0, 9.0)
    judge = Judge(untrained(), *all_alike, fineness=0.14)
    assert judge.style_pass(asked, references).mean() > 0.7
    assert judge.style_pass(blurred(asked), references).mean() < 0.3
    assert judge.subject_pass(blurred(asked), references).all()


def test_lightness_alone_does_not_count_without_colour() -> None:
    references = drawn(Style("ink", 3), 12, 100)
    asked = drawn(Style("ink", 3), 4, 300)
    darker = np.clip(asked.astype(int) - 20, 0, 255).astype(np.uint8)
    plain = relative_distance(asked, references)
    assert np.abs(relative_distance(darker, references) - plain).max() < 0.2
    assert (
        np.abs(
            relative_distance(darker, references, colour=True)
            - relative_distance(asked, references, colour=True)
        ).max()
        > 0.05
    )


def test_a_judge_with_strokes_is_never_more_lenient() -> None:
    net = untrained()
    references, asked = drawn(Style("ink", 3), 12, 100), drawn(Style("ink", 3), 12, 200)
    open_to_all = Thresholds(-2.0, -2.0)
    lenient, strict = (
        Judge(net, open_to_all, {}, strokes)
        for strokes in (
            None,
            Thresholds(0.9, float(np.median(relative_distance(asked, references)))),
        )
    )
    assert lenient.style_pass(asked, references).all()
    assert strict.style_pass(asked, references).sum() == 6
    assert (strict.subject_pass(asked, references) <= lenient.subject_pass(asked, references)).all()
