"""What is foretold of merges, and the merge that takes the best of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from lorarium import formats, trained
from lorarium.adapter import Adapter
from lorarium.algebra import dense_delta
from lorarium.bases.base import open_base
from lorarium.cli import cli
from lorarium.descriptors import learned
from lorarium.errors import LorariumError
from lorarium.forecasts import rates
from lorarium.forecasts.drafts import PreviewFeatures
from lorarium.forecasts.rates import (
    SETTINGS,
    MergeSetting,
    RatePredictor,
    load_predictor,
    predict_rates,
)
from lorarium.formats import container
from lorarium.mergers import merge, merge_with_report

LIBRARY = Path(rates.__file__).parent.parent / "assets" / "library"


@pytest.fixture(scope="module")
def pair() -> list[Adapter]:
    """A subject and a style of the sample library."""
    found: dict[str, Adapter] = {}
    for file in sorted(LIBRARY.rglob("*.safetensors")):
        adapter = formats.read(file)
        found.setdefault(str(adapter.metadata.get("lorarium.kind_of")), adapter)
        if {"subject", "style"} <= found.keys():
            break
    return [found["subject"], found["style"]]


def foreteller(pair: list[Adapter], best: int) -> RatePredictor:
    """Rates that stand for themselves, with one way above the rest; the style's norm counts."""
    weights = np.zeros((len(SETTINGS) * 3, 12), np.float32)
    weights[:, -1] = 0.2
    weights[best * 3 : best * 3 + 3, -1] = 0.5, 0.5, 0.4
    weights[:, 1] = 0.01
    tensors = {
        "weights": weights, "mean": np.zeros(11), "scale": np.ones(11),
        "axes.subject": np.zeros((0, 4)), "axes.style": np.zeros((0, 4)),
    }  # fmt: skip
    return RatePredictor(tensors, {"base_hash": pair[0].metadata["lorarium.base_hash"]})


def same(a: Adapter, b: Adapter) -> bool:
    return a.deltas.keys() == b.deltas.keys() and all(
        np.allclose(dense_delta(a[m]), dense_delta(b[m]), atol=1e-5) for m in a.deltas
    )


@pytest.fixture
def third(pair: list[Adapter], monkeypatch: pytest.MonkeyPatch) -> RatePredictor:
    net = foreteller(pair, 4)
    monkeypatch.setattr(rates, "aligned", lambda adapter: np.ones(4, np.float32))
    monkeypatch.setattr(rates, "_predictor", lambda pair, ships: net)
    return net


def test_the_best_comes_first_and_reads_the_pair(pair: list[Adapter], third: RatePredictor) -> None:
    found = predict_rates(pair)
    norm = np.log(np.sqrt(sum(np.square(dense_delta(d)).sum() for _, d in pair[1].items())))
    assert found[0].setting == SETTINGS[4] and len(found) == len(SETTINGS)
    assert found[0].both == pytest.approx(0.4 + 0.01 * norm, abs=2e-3)
    assert predict_rates(pair[::-1]) == found  # the files say which is the style


def test_auto_is_the_way_foretold(pair: list[Adapter], third: RatePredictor) -> None:
    made, report = merge_with_report(pair, method="auto")
    assert same(made, merge(pair, [0.75, 1.0], method="roles"))
    assert "roles at 0.75 and 1" in " ".join(report.notes)
    assert same(merge(pair[::-1], method="auto"), made)
    louder = merge(pair, [0.75, 0.5], method="roles")
    assert same(merge(pair, [1.0, 0.5], method="auto"), louder)


def test_without_knowledge_facts_decide_and_it_is_said(
    pair: list[Adapter], third: RatePredictor
) -> None:
    strangers = [a.with_(metadata={}) for a in pair]
    with pytest.raises(LorariumError, match="the embedded base only"):
        predict_rates(strangers)
    made, report = merge_with_report(strangers, method="auto")
    note = next(n for n in report.notes if n.startswith("auto chose"))
    assert "facts" in note and same(made, merge(strangers, method=note.split()[2]))
    three = merge_with_report([*pair, strangers[0]], method="auto")[1].notes
    assert any("pairs of a subject and a style only" in n for n in three)


def test_the_command_says_what_to_expect(
    pair: list[Adapter], third: RatePredictor, tmp_path: Path
) -> None:
    files = []
    for name, adapter in zip("ab", pair, strict=True):
        files.append(str(tmp_path / f"{name}.safetensors"))
        formats.write(adapter, files[-1])
    told: dict[str, Any] = json.loads(
        CliRunner().invoke(cli, ["forecast", *files, "--json"]).output
    )
    assert told["choice"] == "roles" and told["expected"][0]["weights"] == [0.75, 1.0]
    assert "roles at 0.75 and 1" in CliRunner().invoke(cli, ["forecast", *files]).output
    out = tmp_path / "both.safetensors"
    result = CliRunner().invoke(cli, ["merge", *files, "-o", str(out), "--method", "auto"])
    assert result.exit_code == 0 and "auto chose roles" in result.output


@pytest.mark.parametrize("path", [rates.ASSET, rates.DRAFTED], ids=lambda path: path.stem)
def test_no_more_pictures_show_both_than_either(path: Path) -> None:
    """The nets that ship, on facts from usual to absurd."""
    net = load_predictor(path)
    mean, scale = net.tensors["mean"], net.tensors["scale"]
    random = np.random.default_rng(0)
    axes = [net.tensors[f"axes.{role}"] for role in rates.ROLES]
    count = len(mean) - sum(map(len, axes))
    for far in (0.5, 2.0, 10.0, 1000.0):
        facts = mean[:count] + far * scale[:count] * random.standard_normal((500, count))
        seen = [far * random.standard_normal((500, a.shape[1])) for a in axes]
        subject, style, both = np.moveaxis(net.rates(facts, (seen[0], seen[1])), -1, 0)
        assert (both <= np.minimum(subject, style)).all() and (both >= 0).all()
        assert subject.max() <= 1 and style.max() <= 1 and 0 < both.max()


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The descriptor that ships, which other tests do without."""
    monkeypatch.setattr(learned, "ASSET", rates.ASSET.with_name("describe.safetensors"))
    yield


def test_pairs_of_the_sample_library_are_told_in_order(described: None) -> None:
    found: dict[str, list[Adapter]] = {"subject": [], "style": []}
    for file in sorted(LIBRARY.rglob("*.safetensors"))[::6]:
        adapter = formats.read(file)
        found[adapter.metadata["lorarium.kind_of"]].append(adapter)
    pairs = [[a, b] for a in found["subject"][:2] for b in found["style"][:3]]
    for one in pairs:
        expected = predict_rates(one)
        assert all(e.both <= min(e.subject, e.style) for e in expected)
        assert [e.both for e in expected] == sorted((e.both for e in expected), reverse=True)


def test_of_one_adapter_twice_no_rates_are_foretold(pair: list[Adapter]) -> None:
    twice = [pair[1], pair[1]]
    with pytest.raises(LorariumError, match="the same adapter"):
        predict_rates(twice)
    _, report = merge_with_report(twice, method="auto")
    assert any("auto chose" in n and "the same adapter" in n for n in report.notes)


def test_drafts_show_what_is_left_of_either(pair: list[Adapter]) -> None:
    base = open_base()
    ways = [MergeSetting("sum", (1.0, 0.01)), MergeSetting("sum", (0.01, 1.0))]
    facts = PreviewFeatures(base, ways).facts(*pair)
    subject, style = np.array(facts[2:]).reshape(2, -1)
    assert subject[0] > style[0] + 0.1  # like the subject's own drafts
    assert style[2] > subject[2] + 0.1  # like the style's own
    with pytest.raises(LorariumError, match="trained to draw"):
        PreviewFeatures(base, ways).facts(pair[0].with_(metadata={}), pair[1])


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(LorariumError, match="there is no such forecast"):
        load_predictor(tmp_path / "x.safetensors")
    container.save(tmp_path / "x.safetensors", {"x": np.zeros(2, "f4")})
    with pytest.raises(LorariumError, match="not a forecast"):
        load_predictor(tmp_path / "x.safetensors")
    trained.save(tmp_path / "x.safetensors", rates.KIND, {"weights": np.zeros((2, 4), "f4")}, {})
    with pytest.raises(LorariumError, match="do not fit"):
        load_predictor(tmp_path / "x.safetensors")
