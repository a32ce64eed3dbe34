"""Direction, strength and consistency: by hand, and foretold where weights say them."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lorarium.encoders.nets import DinoLike, NetConfig  # noqa: E402
from lorarium.evaluation.describe import load, looks, read_zoo  # noqa: E402
from lorarium.evaluation.describe.behaviour import behaviour, carlos, effects  # noqa: E402
from lorarium.evaluation.describe.traces import compact, cross_predictions  # noqa: E402
from tests.bases.tiny import WHOLE, micro  # noqa: E402
from tests.evaluation.describe.minted import minted, noise  # noqa: E402

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = minted(tmp_path_factory.mktemp("zoo"), {"test": 5}, ("ink", "oil"), copies=2)
    return load(read_zoo(folder), "style", "test")


def test_the_three_by_hand():
    changes = np.array([[[3.0, 0], [3, 0]], [[1, 0], [0, 1]], [[0, 2], [0, -2]]])
    direction, strength, consistency = carlos(changes)
    np.testing.assert_allclose(direction, [[3, 0], [0.5, 0.5], [0, 0]])
    np.testing.assert_allclose(strength, [3, 1, 2])
    np.testing.assert_allclose(consistency, [1, 0, -1], atol=1e-6)


def test_what_weights_say_is_foretold_and_noise_is_not(corpus):
    n = len(corpus.entries)
    says = noise(n, 6)
    size = 1 + 0.2 * says[:, :1]
    mean = says @ noise(6, 12, 1) * size
    changes = mean[:, None] + 0.1 * noise(n * 6, 12, 2).reshape(n, 6, 12)
    figures = behaviour(corpus, {"weights": says, "noise": noise(n, 6, 3)}, changes)
    assert figures["weights"]["direction"] > 0.8 > 0.3 > figures["blind"]["direction"]
    assert figures["weights"]["direction"] > figures["noise"]["direction"] + 0.4
    assert figures["drawn again"]["direction"] > 0.95 and figures["drawn again"]["strength"] > 0.9
    assert figures["noise"]["strength"] < 0.3


def test_fewer_numbers_say_the_same(corpus):
    X, y = noise(len(corpus.entries), 200), noise(len(corpus.entries), 3, 1)
    short = compact(X)
    assert short.shape == (len(X), len(X))
    np.testing.assert_allclose(short @ short.T, X @ X.T, atol=1e-3)
    prediction = cross_predictions(X, y, corpus.artist)
    np.testing.assert_allclose(cross_predictions(short, y, corpus.artist), prediction, atol=1e-4)
    np.testing.assert_allclose(cross_predictions(X, y[:, 0], corpus.artist).shape, (len(X),))


def test_no_adapter_has_no_effect(corpus):
    """Pictures of the bare base differ in nothing from those of the bare base."""
    base = micro(WHOLE)
    view = looks.EncoderHead(DinoLike(NetConfig("conv", 16, depth=0)).eval(), "picture")
    words = looks.prompts(corpus.entries[0], 2, 0)
    plain = looks.sample(base, words, steps=1, seed=0)
    drawn = np.stack([plain] * len(corpus.entries))
    changes = effects(corpus, base, drawn, view, steps=1, seed=0)
    assert changes.shape[:2] == (len(drawn), 2) and np.abs(changes).max() == 0
