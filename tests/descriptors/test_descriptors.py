import numpy as np
import pytest

from lorarium import LorariumError
from lorarium.adapter import Adapter
from lorarium.descriptors import DESCRIPTORS, centroids, descriptor, drift
from lorarium.descriptors.sketch import sketch
from tests.descriptors.planted import planted, zoo

SKETCHED = [name for name in DESCRIPTORS if name.startswith("sketch")]
EXACT = sorted(set(DESCRIPTORS) - set(SKETCHED))


def gallery(name: str, styles: int = 5, **options):
    adapters, labels = zoo(styles, 4, **options)
    fitted = descriptor(name).fit(adapters)
    return fitted, np.stack([fitted.describe(a) for a in adapters]), labels


def hits(fitted, vectors, labels, queries) -> float:
    """Share of queries whose nearest neighbour has their style."""
    right = 0
    for style, query in queries:
        v = fitted.describe(query)
        near = vectors @ v if fitted.metric == "cosine" else -np.linalg.norm(vectors - v, axis=1)
        right += labels[int(near.argmax())] == style
    return right / len(queries)


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_every_descriptor_keeps_the_contract(name):
    fitted, vectors, _ = gallery(name)
    assert fitted.name == name and fitted.metric in ("cosine", "euclidean")
    assert vectors.shape == (20, fitted.size) and vectors.dtype == np.float32
    assert np.isfinite(vectors).all() and vectors.std(0).max() > 0
    again, others, _ = gallery(name)
    np.testing.assert_array_equal(vectors, others)
    fresh = descriptor(name)
    with pytest.raises(LorariumError, match="not been fitted"):
        fresh.describe(planted(0, 0))
    with pytest.raises(LorariumError):
        fresh.fit([planted(0, 0), planted(0, 1).with_(family="sd1"), planted(0, 2)])
    if name != "raw":  # which asks for the layout instead
        with pytest.raises(LorariumError, match=r"sd1 where .* micro-1"):
            again.describe(planted(0, 0).with_(family="sd1"))


@pytest.mark.parametrize("name", EXACT)
def test_descriptors_of_factors_refuse_sketches(name):
    with pytest.raises(LorariumError, match="needs the factors"):
        descriptor(name).fit([sketch(planted(0, 0))])


@pytest.mark.parametrize("name", SKETCHED)
def test_first_tier_descriptors_take_either(name):
    adapters, _ = zoo(3, 2)
    one = descriptor(name).fit(adapters)
    two = descriptor(name).fit([sketch(a) for a in adapters])
    np.testing.assert_array_equal(one.describe(adapters[1]), two.describe(sketch(adapters[1])))
    assert descriptor(name, size=256).fit(adapters).describe(adapters[0]).shape == (256,)


@pytest.mark.parametrize(
    ("name", "floor"),
    [("output", 1.0), ("sketch-output", 1.0), ("product", 0.7), ("sketch-product", 0.7)],
)
def test_content_is_found_again(name, floor):
    fitted, vectors, labels = gallery(name, init=3)
    queries = [(s, planted(s, 40 + d, init=3)) for s in range(5) for d in range(3)]
    assert hits(fitted, vectors, labels, queries) >= floor


def test_only_the_output_side_finds_content_across_initialisations():
    rates = {}
    for name in ("raw", "output", "sketch-output", "input"):
        fitted, vectors, labels = gallery(name, init=3)
        queries = [(s, planted(s, 40 + d)) for s in range(5) for d in range(6)]
        rates[name] = hits(fitted, vectors, labels, queries)
    assert min(rates["output"], rates["sketch-output"]) >= 0.9
    assert rates["raw"] <= 0.75 and rates["input"] <= 0.5


def test_sketches_agree_with_the_kernels_they_stand_for():
    adapters, _ = zoo(4, 3, init=1)
    for name in ("product", "output", "input"):
        vectors = [
            np.stack([fitted.describe(a) for a in adapters])
            for fitted in (descriptor(n).fit(adapters) for n in (name, f"sketch-{name}"))
        ]
        exact, rough = (v @ v.T for v in vectors)
        assert np.corrcoef(exact.reshape(-1), rough.reshape(-1))[0, 1] > 0.97


def test_spectra_tell_recipes_apart():
    weak, strong = zoo(1, 5, r=2)[0], zoo(1, 5, r=8)[0]
    fitted = descriptor("spectra").fit([*weak, *strong])
    queries = [(0, planted(7, 7, r=2)), (1, planted(7, 8, r=8))]
    vectors = np.stack([fitted.describe(a) for a in [*weak, *strong]])
    assert hits(fitted, vectors, [0] * 5 + [1] * 5, queries) == 1


def test_centroids_of_few_shots():
    fitted, vectors, labels = gallery("output", content=1.0)
    names, rows = centroids(vectors, labels)
    assert names == list(range(5)) and np.linalg.norm(rows, axis=1) == pytest.approx(1)
    queries = [(s, planted(s, 40 + d, content=1.0)) for s in range(5) for d in range(3)]
    assert hits(fitted, rows, names, queries) >= 0.9


def test_drift_is_in_standard_deviations_of_a_style():
    rng = np.random.default_rng(0)
    labels = [s for s in range(3) for _ in range(200)]
    points = rng.standard_normal((600, 4)) + 10 * np.array(labels)[:, None]
    assert drift(points, labels, points, labels) == 0
    moved = points + np.array([3.0, 4.0, 0, 0])
    assert drift(points, labels, moved, labels) == pytest.approx(5 / 2, rel=0.1)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(LorariumError, match=r"no descriptor 'smell'; one of .*raw, sketch-product"):
        descriptor("smell")


def test_an_adapter_that_changes_nothing_is_a_vector_of_zeros():
    adapters, _ = zoo(3, 2)
    nothing = Adapter({}, "micro-1")
    for name in ("output", "sketch-output", "tokens"):
        vector = descriptor(name).fit(adapters).describe(nothing)
        assert np.isfinite(vector).all()
