import numpy as np
import pytest

from deltas import make
from lorarium import LorariumError
from lorarium.adapter import Adapter, LowRank
from lorarium.descriptors import descriptor, drift
from lorarium.descriptors.raw import CALIBRATIONS, layout, products
from tests.descriptors.planted import planted

STYLES, DRAWS, WIDTH = 8, 8, 300


def styled(style: int, draw: int, strength: float) -> Adapter:
    """Factors that are a style's plus isotropic noise."""
    rng = np.random.default_rng([style, draw, 9])
    style_random = np.random.default_rng([style, 8])
    deltas = {}
    for path in ("a", "b"):
        up, down = (
            strength * style_random.standard_normal(shape) + rng.standard_normal(shape)
            for shape in ((WIDTH, 2), (2, WIDTH))
        )
        deltas["denoiser", path] = LowRank(up.astype("f4"), down.astype("f4"))
    return Adapter(deltas, "micro-1")


def run(calibration: str, strength: float, **options):
    """Fitted descriptor, its gallery and queries it has not seen, with labels."""
    pairs = [(s, d) for s in range(STYLES) for d in range(DRAWS)]
    order = np.random.default_rng(0).permutation(len(pairs))
    pairs = [pairs[i] for i in order]
    fitted = descriptor("raw", calibration=calibration, **options)
    fitted.fit([styled(s, d, strength) for s, d in pairs])
    labels = [pairs[i][0] for i in fitted.members]
    tests = [(s, 100 + d) for s in range(STYLES) for d in range(4)]
    queries = np.stack([fitted.describe(styled(s, d, strength)) for s, d in tests])
    return fitted, labels, queries, [s for s, _ in tests]


def test_products_are_those_of_the_flattened_factors():
    adapters = [planted(0, d) for d in range(3)]
    X = np.stack(
        [
            np.concatenate([np.r_[d.down.reshape(-1), d.up.reshape(-1)] for _, d in a.items()])
            for a in adapters
        ]
    ).astype(np.float64)
    wanted = layout(adapters[0])
    np.testing.assert_allclose(products(adapters, adapters, wanted), X @ X.T, rtol=1e-4)


def test_coordinates_are_principal_components():
    fitted, _, queries, _ = run("none", 0.35, size=10)
    assert fitted.gallery.shape == (STYLES * DRAWS, 10) and queries.shape[1] == fitted.size == 10
    covariance = fitted.gallery.T @ fitted.gallery
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-6)
    again = np.stack([fitted.describe(a) for a in fitted._adapters[:5]])
    np.testing.assert_allclose(again, fitted.gallery[:5], rtol=1e-3, atol=1e-3)


def length(fitted, queries) -> float:
    """Of queries over that of the gallery."""
    root = [np.sqrt(np.square(points).sum(1).mean()) for points in (queries, fitted.gallery)]
    return root[0] / root[1]


def test_queries_shrink_without_calibration_and_calibrations_mend_it():
    runs = {c: run(c, 0.4, size=20) for c in CALIBRATIONS[:4]}
    lengths = {c: length(f, queries) for c, (f, _, queries, _) in runs.items()}
    assert lengths["none"] < 0.5
    for calibration in ("moments", "gain", "split"):
        assert lengths[calibration] == pytest.approx(1, abs=0.25)


def test_without_drift_the_means_differ_by_chance_alone():
    drifts = {}
    for calibration in ("none", "split"):
        fitted, labels, queries, tags = run(calibration, 0.4, size=STYLES - 1)
        drifts[calibration] = drift(fitted.gallery, labels, queries, tags)
    chance = np.sqrt(1 / 4 + 1 / 4)  # four queries and four points of the gallery in a style
    assert drifts["split"] < 1.5 * chance and drifts["none"] > 3 * chance


@pytest.mark.parametrize("calibration", CALIBRATIONS)
def test_strong_styles_are_found_by_all(calibration):
    fitted, labels, queries, tags = run(calibration, 0.8)
    right = 0
    for query, tag in zip(queries, tags, strict=True):
        if fitted.metric == "cosine":
            near = fitted.gallery @ query
        else:
            near = -np.linalg.norm(fitted.gallery - query, axis=1)
        right += labels[int(near.argmax())] == tag
    assert right >= 0.9 * len(tags)


def test_other_ranks_and_kinds_are_refused_in_words():
    adapters = [planted(0, d) for d in range(4)]
    with pytest.raises(LorariumError, match="one rank and one set of modules only; take a kernel"):
        descriptor("raw").fit([*adapters, planted(0, 9, r=5)])
    with pytest.raises(LorariumError, match="one rank and one set"):
        descriptor("raw").fit(adapters).describe(planted(0, 9, r=5))
    loha = Adapter({("denoiser", "x"): make("loha")}, "micro-1")
    with pytest.raises(LorariumError, match="denoiser:x: raw factors exist of plain low-rank"):
        descriptor("raw").fit([loha] * 4)
    with pytest.raises(LorariumError, match="too few"):
        descriptor("raw").fit(adapters[:2])
    with pytest.raises(LorariumError, match="no calibration 'magic'"):
        descriptor("raw", calibration="magic")
