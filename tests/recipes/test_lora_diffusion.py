"""The paper's generators on a handful of made-up adapters."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lorarium.adapter import Adapter, LowRank  # noqa: E402
from lorarium.algebra import scale  # noqa: E402
from lorarium.errors import LorariumError  # noqa: E402
from lorarium.recipes.lora_diffusion import learn as paper  # noqa: E402
from lorarium.recipes.lora_diffusion.mixture import mixture  # noqa: E402
from lorarium.recipes.lora_diffusion.nets import AdaLora, AdaNorm  # noqa: E402
from lorarium.recipes.lora_diffusion.vectors import space_of, vector  # noqa: E402
from lorarium.recipes.timebox import TimeIsOver  # noqa: E402
from tests.bases.tiny import micro, random_adapter  # noqa: E402
from tests.deltas import difference, matrix  # noqa: E402
from tests.recipes.boxes import looks  # noqa: E402

torch.set_num_threads(1)
BASE = micro()
QUICK = paper.Plan(latent=4, vae_steps=60, steps=60, batch=8)


@pytest.fixture(scope="module")
def adapters() -> list[Adapter]:
    """Twelve of four artists: copies are near each other."""
    plain = [random_adapter(BASE, 2, seed) for seed in range(4)]
    copies = []
    for i in range(12):
        some = np.random.default_rng(100 + i)
        deltas = {
            m: LowRank(d.up + 0.01 * some.standard_normal(d.up.shape).astype(np.float32), d.down)
            for m, d in plain[i % 4].items()
        }
        copies.append(plain[0].with_(deltas=deltas))
    return copies


@pytest.fixture(scope="module")
def examples(adapters: list[Adapter]) -> paper.Examples:
    space = space_of(adapters)
    random = np.random.default_rng(0)
    faces = paper.unit(random.standard_normal((4, 1, 16)).astype(np.float32))
    seen = paper.unit(faces + 0.1 * random.standard_normal((4, 5, 16)).astype(np.float32))
    return paper.Examples("style", space, space.encode(adapters), seen[np.arange(12) % 4],
                          tuple(adapters))  # fmt: skip


def test_vectors_are_of_the_product_not_of_the_factors(adapters: list[Adapter]) -> None:
    space = space_of(adapters)
    random = np.random.default_rng(3)
    turned = {}
    for module, delta in adapters[0].items():
        G = np.linalg.qr(random.standard_normal((2, 2)))[0].astype(np.float32)
        turned[module] = LowRank(delta.up @ G, G.T @ delta.down * 2, scale=delta.scale / 2)
    same = adapters[0].with_(deltas=turned)
    one, two = (vector(a, space.shapes) for a in (adapters[0], same))
    np.testing.assert_allclose(one, two, atol=2e-4)


def test_rows_decode_to_their_adapters(adapters: list[Adapter]) -> None:
    space = space_of(adapters)
    rows = space.encode(adapters)
    assert rows.shape == (12, 11) and np.isclose((rows**2).mean(), 1, atol=1e-3)
    for adapter, again in zip(adapters, space.decode(rows), strict=True):
        for module, delta in adapter.items():
            assert difference(matrix(again[module]), matrix(delta)) < 1e-3
    few = space_of(adapters, axes=3)
    assert few.axes.shape[0] == 3
    np.testing.assert_allclose(few.axes @ few.axes.T, np.eye(3), atol=1e-4)


def test_other_shapes_are_a_sentence(adapters: list[Adapter]) -> None:
    space = space_of(adapters)
    with pytest.raises(LorariumError, match="not of one recipe"):
        space.encode([random_adapter(BASE, 3, 0)])
    with pytest.raises(LorariumError, match="too few"):
        space_of(adapters[:2])


def test_conditioning_starts_harmless_and_then_matters() -> None:
    x, c, d = torch.randn(5, 8), torch.randn(5, 6), torch.randn(5, 6)
    plain = AdaNorm(8, 6)
    assert torch.equal(plain(x, c), plain(x, d))
    lora = AdaLora(8, 6, rank=2)
    a, b = lora(x, c) - lora.norm(x), lora(x, d) - lora.norm(x)
    assert not torch.allclose(a, b)
    # what the condition adds has the layer's rank: the same condition, many rows
    rows = torch.randn(40, 8)
    added = lora(rows, c[:1].expand(40, -1)) - lora.norm(rows)
    assert int(torch.linalg.matrix_rank(added.detach(), atol=1e-4)) == 2


def test_learning_is_resumed_and_each_way_gives_adapters(
    examples: paper.Examples, tmp_path: Path
) -> None:
    first = paper.learn(examples, tmp_path, QUICK)
    again = paper.learn(examples, tmp_path, replace(QUICK, vae_steps=10**9, steps=10**9))
    conditions = paper.pooled(examples.conditions[:4])
    for name in first.denoisers:
        one, two = (paper.sample_adapters(g, name, conditions, steps=5) for g in (first, again))
        module = next(iter(one[0]))
        np.testing.assert_array_equal(one[0][module].up, two[0][module].up)
        assert len(one) == 4 and np.isfinite(one[3][module].up).all()
    assert set(first.denoisers) == {
        f"{p}, {h}" for p in ("x0", "v") for h in ("adanorm", "adalora")
    }


def test_a_pause_changes_nothing(examples: paper.Examples, tmp_path: Path) -> None:
    plan = replace(QUICK, vae_steps=7, steps=5)
    paper.learn(examples, tmp_path / "once", plan)
    said = []
    while not (tmp_path / "bites" / "done.json").exists():
        with suppress(TimeIsOver):
            paper.learn(examples, tmp_path / "bites", plan, box=looks(4))
            break
        said += [path.stem for path in (tmp_path / "bites").glob("*.part")]
    assert len(said) == 6 and said[0] == "vae"
    names = sorted(path.name for path in (tmp_path / "once").iterdir())
    assert sorted(path.name for path in (tmp_path / "bites").iterdir()) == names
    for name in names:
        if name.endswith(".pt"):
            one, two = (torch.load(tmp_path / way / name) for way in ("once", "bites"))
            assert all(torch.equal(one[key], two[key]) for key in one)


def test_the_linear_way_finds_the_artist(examples: paper.Examples, tmp_path: Path) -> None:
    g = paper.learn(examples, tmp_path, QUICK)
    made = paper.linear(g, paper.pooled(examples.conditions[:4]))
    rows = paper.unit(g.space.encode(made))
    known = paper.unit(examples.rows)
    assert ((rows @ known.T).argmax(1) % 4 == np.arange(4)).all()
    assert (paper.nearest(g, made) > 0.8).all()
    assert (paper.nearest(g, [scale(examples.adapters[5], 2.0)]) > 0.9).all()


def test_diffusion_learns_what_its_condition_asks_for(
    examples: paper.Examples, tmp_path: Path
) -> None:
    plan = replace(QUICK, vae_steps=150, steps=150, batch=12)
    g = paper.learn(examples, tmp_path, plan)
    rows = paper.reconstructed(g, examples.rows)
    assert ((rows - examples.rows) ** 2).mean() < 0.5
    for name in ("x0, adanorm", "v, adalora"):
        made = paper.sample_adapters(g, name, paper.pooled(examples.conditions[:4]), steps=20)
        similarity = paper.unit(g.space.encode(made)) @ paper.unit(examples.rows).T
        assert (similarity.argmax(1) % 4 == np.arange(4)).all(), name


def test_the_mixture_starts_at_the_mean_and_follows_the_loss(adapters: list[Adapter]) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 24, 24, 3), np.uint8)
    made, weights = mixture(BASE, adapters[:4], pictures, ["a cat", "a dog"], steps=1)
    mean = sum(d.down for a in adapters[:4] for m, d in a.items() if m == next(iter(made))) / 4
    np.testing.assert_allclose(made[next(iter(made))].down, mean, atol=2e-3)
    _, weights = mixture(BASE, adapters[:4], pictures, ["a cat", "a dog"], steps=12)
    assert np.ptp(weights) > 1e-3
