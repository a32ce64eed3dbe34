"""What an adoption plans, leaves out and says."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lorarium.adopted import AdoptedBase
from lorarium.bases.holding import BaseToOpen, Holding
from lorarium.cli.adopt import STAGES as command_stages
from lorarium.cli.adopt import TOPICS as command_topics
from lorarium.errors import LorariumError, TimeIsOver
from lorarium.recipes import merge, synth, zoo
from lorarium.recipes.adoption import adopt as adoption
from lorarium.recipes.adoption import counting, survey
from lorarium.recipes.adoption.effort import SHARES, Effort, Tuning
from lorarium.recipes.adoption.page import page, verdicts
from lorarium.recipes.adoption.plan import make_plan
from lorarium.recipes.adoption.stages import STAGES, TOPICS, chosen
from lorarium.recipes.adoption.timing import reckoned
from lorarium.recipes.kept import kept_rows
from lorarium.recipes.timebox import TimeBox
from lorarium.training.manifest import read_manifest
from tests.bases.tiny import micro

# plans


def counted() -> Any:
    return SimpleNamespace(
        family="sdxl",
        size=1024,
        device=SimpleNamespace(type="cuda"),
        networks={"denoiser": micro().unet},
    )


def test_a_plan_makes_as_much_as_the_minutes_allow() -> None:
    timing, effort = reckoned(0.1, 0.1), Effort(1.0, Tuning())
    hours = {}
    for share in SHARES:
        hours[share] = make_plan(counted(), timing, STAGES, effort, None, share).hours
    assert sorted(hours.values(), reverse=True) == list(hours.values())
    for share, needed in hours.items():
        plan = make_plan(counted(), timing, STAGES, effort, 60 * needed + 1)
        assert plan.effort.share == share and plan.fits
    assert not make_plan(counted(), timing, STAGES, effort, 1).fits


def test_less_is_made_of_less() -> None:
    def names(topics: tuple[str, ...]) -> list[str]:
        return [stage.name for stage in chosen(topics)]

    assert names(("describe",)) == ["survey", "tune", "inside", "zoo", "describe", "examine"]
    assert "synth" not in names(("merge",)) and "describe" in names(("merge",))
    assert names(()) == [stage.name for stage in STAGES]


def test_the_command_names_the_stages_there_are() -> None:
    assert list(command_stages) == [stage.name for stage in STAGES]
    assert list(command_topics) == list(TOPICS)


def test_words_that_mean_nothing_are_left_out() -> None:
    effort = Effort(0.02, Tuning(rate=0.1, steps=0.5, batch=2), frozenset({"cat", "ink"}))
    for manifest in (effort.zoo(), effort.merge_zoo()):
        assert not {"cat", "ink"} & {entry.of[0] for entry in manifest.entries}
        assert {entry.numbers.batch for entry in manifest.entries} == {2}
    train = {(e.kind, *e.of) for e in effort.zoo().entries if e.split == "train"}
    assert len(train) >= 36


def test_a_base_that_knows_no_words_is_refused() -> None:
    words = {
        "class": {f"c{i}": 1.0 for i in range(20)},
        "genre": {f"g{i}": float(i < 3) for i in range(16)},
    }
    with pytest.raises(LorariumError, match="only 3 of 16 words for a genre mean anything"):
        survey.unknown(words)
    assert survey.unknown({**words, "genre": {"ink": 2.0, "oil": -1.0} | words["class"]}) == {"oil"}


def test_a_base_without_words_or_blocks_is_refused() -> None:
    base = micro()
    deaf = SimpleNamespace(networks={"denoiser": base.networks["denoiser"]})
    with pytest.raises(LorariumError, match="no text encoder"):
        adoption.require_adoptable(deaf, "deaf")  # type: ignore[arg-type]
    plain = SimpleNamespace(networks={**base.networks, "denoiser": base.unet.time_embed})
    with pytest.raises(LorariumError, match="no attention blocks"):
        adoption.require_adoptable(plain, "plain")  # type: ignore[arg-type]


def test_the_first_call_settles_the_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, todo = micro(), BaseToOpen("any", Holding("cpu"))
    monkeypatch.setattr(adoption, "at_hand", lambda todo: base)
    with pytest.raises(LorariumError, match="pictures of 24 pixels, not 96"):
        adoption.begin(todo, tmp_path, size=96)
    monkeypatch.setattr(base, "noise_shape", lambda size: (3, size, size))
    begun = adoption.begin(todo, tmp_path, size=96)
    assert base.size == 96
    begun.note({"size": 96, "done": {}, "spent": {}})
    base.size = 48
    adoption.begin(todo, tmp_path)
    assert base.size == 96
    with pytest.raises(LorariumError, match="began at 96 pixels"):
        adoption.begin(todo, tmp_path, size=48)


@pytest.mark.slow
def test_smaller_pictures_take_less() -> None:
    pytest.importorskip("diffusers")
    where, hours = counting.machine("24GB 70TFLOPS"), {}
    for size in (512, 1024):
        base = counting.count("sdxl", size)
        hours[size] = counting.plan_on(base, where, STAGES, None, 0.02)[0].hours
        assert base.size == size
    assert 3 < hours[1024] / hours[512] < 5
    with pytest.raises(LorariumError, match="pictures of 500 pixels"):
        counting.count("sdxl", 500)


@pytest.mark.slow
def test_plans_for_other_machines_are_what_people_measure() -> None:
    pytest.importorskip("diffusers")
    where = counting.machine("24GB 70TFLOPS")
    sdxl = counting.count("sdxl")
    assert 5e12 < sdxl.operations < 8e12  # 6 are what is published for a picture of 1024 pixels
    _, timing = counting.plan_on(sdxl, where, STAGES, None, 0.02)
    assert 0.3 < timing.mint < 1.5  # seconds of a training step at batch 1, on such a card
    needs = counting.memory(sdxl)
    assert 7e9 < needs["offload"] < needs["all"] < 13e9


@pytest.mark.parametrize("text", ["", "24GB", "70TFLOPS", "a lot", "24GB 70TFLOPS and more"])
def test_what_is_no_machine_is_refused(text: str) -> None:
    with pytest.raises(LorariumError, match="is no machine"):
        counting.machine(text)


# what is kept


def test_rows_are_gone_on_with(tmp_path: Path) -> None:
    asked: list[int] = []

    def make(i: int) -> np.ndarray:
        asked.append(i)
        return np.full(3, i)

    box = TimeBox(0.0)
    path = tmp_path / "rows.npy"
    with pytest.raises(TimeIsOver, match="0 of 4"):
        kept_rows(path, 4, make, "{} of 4", box)
    rows = kept_rows(path, 2, make, "{} of 2")
    again = kept_rows(path, 4, make, "{} of 4")
    assert asked == [0, 1, 2, 3] and again.shape == (4, 3)
    np.testing.assert_array_equal(rows, again[:2])


def test_calls_at_other_stages_keep_each_others_progress(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    one = adoption.Adoption(micro(), "x", "x", tmp_path)
    first: dict[str, Any] = {"done": {}, "spent": {}}
    one.note(first)
    second = one.progress()
    second["spent"]["merge"] = 2.0
    one.note(second, stage="merge", stopped_after=2.0)
    first["done"]["zoo"] = first["spent"]["zoo"] = 1.0
    one.note(first, stage="zoo", seconds=1.0)
    assert one.progress() == {"done": {"zoo": 1.0}, "spent": {"merge": 2.0, "zoo": 1.0}}


def test_a_verdict_says_whether_it_is_worth_using() -> None:
    def figures(low: float, high: float, rate: float = 0.5) -> dict[str, Any]:
        both = {"mean": (low + high) / 2, "low": low, "high": high}
        paired = [{"row": "roles", "less": "sum", "both": both}]
        rows = [{"name": "roles", "both": rate}]
        return {"merge": {"screening": {"paired": paired, "rows": rows}}}

    assert "worth using, better than the sum" in verdicts(figures(0.1, 0.2))[0]
    assert "not worth using" in verdicts(figures(-0.2, -0.1))[0]
    assert "no difference" in verdicts(figures(-0.1, 0.1))[0]
    assert "accepts 0.01" in verdicts(figures(0.01, 0.01, 0.01))[0]
    card = {"name": "<b>", "family": "sdxl", "base_hash": "a" * 64, "where": "x", "size": 64,
            "share": 1.0, "stages": ["survey"], "planned": {}, "done": {}}  # fmt: skip
    assert "&lt;b&gt;" in page(AdoptedBase(Path("nowhere"), card), {})


def test_a_whole_effort_is_what_the_recipes_say() -> None:
    effort = Effort(1.0, Tuning())
    for manifest, recipe in (
        (effort.zoo(), zoo.RECIPE), (effort.merge_zoo(), merge.RECIPE),
        (effort.synth_zoo(), synth.RECIPE),
    ):  # fmt: skip
        assert manifest.text() == read_manifest(recipe).text()
