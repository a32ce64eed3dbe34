"""The learned descriptors in numpy: small random networks stand for trained ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from lorarium import trained
from lorarium.descriptors import learned
from lorarium.descriptors.effect import SIZE
from lorarium.descriptors.gram import unit
from lorarium.descriptors.learned import FACTS, FORMAT, REST, Aligned, Learned, Probe, load_learned
from lorarium.descriptors.sketch import SKETCH_VERSION, fold, sketch
from lorarium.errors import LorariumError
from lorarium.world.words import COLOURS, VOCABULARY
from tests.descriptors.planted import planted

K, D, PICTURE = 6, 5, 12


def weights(seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return random.standard_normal(shape).astype(np.float32)

    axes = np.ascontiguousarray(np.linalg.qr(draw(SIZE, 3))[0].T)
    arrays = {
        "probe.mean": 0.001 * draw(SIZE), "probe.project": draw(K, SIZE),
        "probe.roles": np.ones(24, "f4"),
        "probe.regress": 0.1 * draw(K, FACTS), "probe.share": np.array([0.5], "f4"),
        "facts.mean": draw(FACTS), "facts.scale": 0.1 * draw(FACTS),
        "nuisance.axes": axes, "nuisance.keep": np.ones(3, "f4"),
        "words.table": draw(len(VOCABULARY), D), "words.hues": draw(len(COLOURS), D),
    }  # fmt: skip
    arrays |= {
        "adapters.map": draw(D, SIZE), "words.bias": draw(D),
        "pictures.mean": draw(PICTURE), "pictures.map": draw(D, PICTURE),
    }  # fmt: skip
    return arrays


def written(path: Path, **changes: object) -> Path:
    card = {"family": "micro-1", "sketch": SKETCH_VERSION} | changes
    save_file(weights(), path, {"format": FORMAT, "card": json.dumps(card)})
    return path


@pytest.fixture
def small() -> Learned:
    return Learned("micro-1", weights(), {})


def test_a_colour_is_a_step_inside_a_genre_or_a_subjects_own(small: Learned) -> None:
    w = small.weights
    a, red, ink, cat = (
        w["words.table"][VOCABULARY.index(word)] for word in "a red ink cat".split()
    )
    plain, styled, subject = small.words(["a ink", "a red ink", "a red cat"])
    step = w["words.hues"][list(COLOURS).index("red")]
    np.testing.assert_allclose(styled, unit(plain + step), rtol=1e-5)
    np.testing.assert_allclose(subject, unit(a + red + cat + w["words.bias"]), rtol=1e-5)
    np.testing.assert_allclose(plain, unit(a + ink + w["words.bias"]), rtol=1e-5)


def test_vectors_are_of_unit_length_and_one_at_a_time_is_the_same(small: Learned) -> None:
    adapters = [planted(1, d) for d in range(3)]
    for kind in (Probe, Aligned):
        descriptor = kind(small).fit([])
        together = descriptor.describe_all(adapters)
        assert together.shape == (3, descriptor.size) and together.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-5)
        np.testing.assert_allclose(descriptor.describe(sketch(adapters[1])), together[1], atol=1e-5)
    assert Probe(small).size == K + REST


def test_the_part_without_learning_forgets_the_axes_of_nuisance() -> None:
    held = weights() | {"probe.share": np.array([0.0], "f4"), "probe.mean": np.zeros(SIZE, "f4")}
    plain = Learned("micro-1", held, {})
    one = sketch(planted(1, 1))
    axes = held["nuisance.axes"]
    by_hand = fold(one.effect - one.effect @ axes.T @ axes, REST)
    vectors = plain.probes([one])[0]
    assert (vectors[:K] == 0).all()
    np.testing.assert_allclose(vectors[K:], by_hand / np.linalg.norm(by_hand), atol=1e-5)


def test_words_are_sums_of_words(small: Learned) -> None:
    vectors = small.words(["a red ink", "ink a red", "a blue ink"])
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)
    assert np.abs(vectors[0] - vectors[2]).max() > 1e-3
    with pytest.raises(LorariumError, match="has no word 'rde'"):
        small.words(["a rde ink"])
    assert small.picture_features(np.ones((2, PICTURE), "f4")).shape == (2, D)


def test_another_base_is_refused(small: Learned) -> None:
    with pytest.raises(LorariumError, match="sd1 where"):
        Probe(small).describe(planted(1, 1).with_(family="sd1"))


def test_assets_round_trip_and_bad_ones_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = load_learned(written(tmp_path / "a.safetensors"))
    one = sketch(planted(1, 1))
    same = Learned("micro-1", weights(), {})
    np.testing.assert_allclose(read.probes([one]), same.probes([one]), atol=1e-5)
    with pytest.raises(LorariumError, match="sketches of version 99"):
        load_learned(written(tmp_path / "b.safetensors", sketch=99))
    monkeypatch.setattr(trained, "ASSETS", tmp_path)  # of what ships it says how to make it again
    (tmp_path / "c.safetensors").write_bytes(b"no tensors")
    save_file({"a": np.zeros(1)}, tmp_path / "d.safetensors")
    for name, words in (
        ("c", "cannot be read"),
        ("d", "not a learned"),
        ("e", "there is no"),
    ):
        with pytest.raises(LorariumError, match=words) as error:
            load_learned(tmp_path / f"{name}.safetensors")
        assert "recipes describe" in str(error.value) and "\n" not in str(error.value)
    monkeypatch.setattr(learned, "ASSET", tmp_path / "e.safetensors")
    for ask in (lambda: learned.probe(planted(1, 1)), lambda: learned.aligned_words("a ink")):
        with pytest.raises(LorariumError, match="there is no such learned descriptor"):
            ask()
    monkeypatch.setattr(learned, "ASSET", tmp_path / "a.safetensors")
    assert learned.aligned(planted(1, 1)) @ learned.aligned_words("a ink") <= 1
