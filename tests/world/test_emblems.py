"""Every individual's emblem is seen, whatever wears it."""

import numpy as np
import pytest

from lorarium.world.emblems import EMBLEMS, GENES, emblem, emblem_kind
from lorarium.world.scene import Style, Subject, View, render
from lorarium.world.styles import GENRES
from lorarium.world.styles.brush import genre
from lorarium.world.subjects import CLASSES


@pytest.fixture
def signs():
    """A genre that shows the emblem alone."""
    paint = genre("signs", ("linen",), {}, recolour=lambda b, colours: colours)
    paint(lambda b: np.repeat(b.d.sign[None], 3, 0))
    yield Style("signs", 0)
    del GENRES["signs"]


def test_emblems_are_distinct_shapes_of_one_size():
    genes = np.full((len(EMBLEMS), GENES), 0.5, np.float32)
    genes[:, 0] = (np.arange(len(EMBLEMS)) + 0.5) / len(EMBLEMS)
    assert emblem_kind(genes).tolist() == list(range(len(EMBLEMS)))
    axis = np.linspace(-1.5, 1.5, 90, dtype=np.float32)
    u, v = (np.tile(a.ravel(), (len(genes), 1)) for a in np.meshgrid(axis, axis))
    inside = emblem(genes, u, v) < 0
    areas = inside.mean(1) * 9
    assert (areas > 0.2).all() and (areas < 1.2).all()
    for i in range(len(genes)):
        for j in range(i):
            assert (inside[i] ^ inside[j]).sum() > 0.2 * inside[i].sum()


def test_every_class_shows_it(signs):
    views = [View(i) for i in range(12)]
    for kind in CLASSES:
        pictures = render([Subject(kind, i) for i in range(12)], [signs] * 12, views, 48)
        seen = (pictures[..., 0] > 127).sum((1, 2))
        assert np.median(seen) >= 12, kind
        assert (seen < 5).mean() <= 0.25, kind
