"""The stage of the forecast: judged merges of a tiny zoo, and what is fitted to planted ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("scipy")

from lorarium import trained
from lorarium.bases.base import open_base
from lorarium.errors import TimeIsOver
from lorarium.evaluation.describe.zoo import read_zoo
from lorarium.evaluation.judges import load_judge
from lorarium.evaluation.merge.drawing import PictureCache
from lorarium.forecasts.rates import ASKED, KIND, SETTINGS, MergeSetting, load_predictor
from lorarium.recipes import forecast as stage
from lorarium.recipes.forecast import Pairs
from lorarium.recipes.forecast_cells import judge_cells, pairs
from lorarium.recipes.workplace import Workplace
from lorarium.world.scene import PHOTO
from tests.bases.tiny import micro, saved
from tests.evaluation.merge.tiny_zoo import tiny_zoo
from tests.recipes.boxes import looks

FACTS, SEEN = 6, 5
SUM = [MergeSetting("sum", (1.0, 1.0))]


def planted(subjects: int = 12, styles: int = 10, *, personal: float = 0.0) -> tuple[Pairs, object]:
    """Pairs whose rates are lines in their facts, and as much `personal` to the subject as is
    said by its descriptor alone."""
    random = np.random.default_rng(0)
    numbers = np.array([(i, subjects + j) for i in range(subjects) for j in range(styles)])
    facts = random.standard_normal((len(numbers), FACTS)).astype(np.float32)
    seen = np.eye(subjects + styles, dtype=np.float32)[numbers]
    turn = random.standard_normal((FACTS, len(SETTINGS) * len(ASKED)))
    own = random.standard_normal((subjects, turn.shape[1]))[numbers[:, 0]]
    lines = (1 - personal) * facts @ turn / 3 + personal * own
    rates = (0.5 + 0.1 * lines).reshape(-1, len(SETTINGS), len(ASKED))
    rates[..., 2] = rates.min(-1)
    return Pairs(facts, (seen[:, 0], seen[:, 1]), numbers), rates


def test_lines_are_learned_and_come_back_from_their_file(tmp_path: Path) -> None:
    known, rates = planted()
    net = stage.fit_predictor(known, rates, ridge=0.1, axes=0)
    predicted = net.rates(known.facts, known.seen)
    assert np.abs(predicted - rates)[..., :2].max() < 0.01
    trained.save(tmp_path / "f.safetensors", KIND, net.tensors, {"base_hash": "b"})
    back = load_predictor(tmp_path / "f.safetensors")
    assert back.card == {"base_hash": "b"}
    np.testing.assert_array_equal(back.rates(known.facts, known.seen), predicted)


def test_held_out_pairs_share_no_adapter_with_those_learned_from() -> None:
    """What is a subject's own is learned by heart, and does not count."""
    known, rates = planted(personal=1.0)
    heart = stage.fit_predictor(known, rates, ridge=0.1, axes=12)
    assert stage.rank(heart.rates(known.facts, known.seen), rates) > 0.9
    held_out = stage.held_out_rates(known, rates, ridge=0.1, axes=12)
    assert np.isfinite(held_out).all() and stage.rank(held_out, rates) < 0.4
    known, rates = planted()
    assert stage.rank(stage.held_out_rates(known, rates, ridge=0.1, axes=0), rates) > 0.9


def test_the_penalty_is_the_one_that_orders_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "RIDGES", (1.0, 1e6))
    monkeypatch.setattr(stage, "FOLDINGS", 1)
    known, rates = planted(personal=0.5)
    ridge, axes, score = stage.choose_penalty(known, rates, rates, (0, 3))
    scores = {
        (r, a): stage.rank(stage.held_out_rates(known, rates, r, a), rates)
        for r in stage.RIDGES for a in (0, 3)
    }  # fmt: skip
    assert score == max(scores.values()) == scores[ridge, axes]
    assert len(set(scores.values())) > 1


def test_soft_shares_become_rates() -> None:
    known, rates = planted()
    soft = 0.3 + 0.4 * rates
    net = stage.fit_predictor(known, soft, ridge=0.1, axes=0)
    held_out = stage.held_out_rates(known, soft, ridge=0.1, axes=0)
    plain, calibrated = (
        np.abs(one.rates(known.facts, known.seen) - rates)[..., :2].mean()
        for one in (net, stage.calibrate(net, held_out, rates))
    )
    assert calibrated < 0.01 < plain


def test_merges_of_a_zoo_are_judged_once(tmp_path: Path) -> None:
    base, judge = micro(), load_judge("a")
    zoo = read_zoo(tiny_zoo(tmp_path, base))
    cells = pairs(zoo, "train", 9, seed=1)
    assert len({cell.paths for cell in cells}) == 4  # of two subjects and two styles, no more
    assert cells == pairs(zoo, "train", 9, seed=1) != pairs(zoo, "train", 9, seed=2)
    assert all(cell.entries[1].of[0] != PHOTO for cell in cells)
    drawings, few = PictureCache(base, tmp_path / "drawn"), cells[:2]
    ways = [SUM] * len(few)
    with pytest.raises(TimeIsOver, match="1 of 2 merges are drawn"):
        judge_cells(drawings, few, judge, 2, ways=ways, box=looks(1))
    first = {path: path.stat().st_mtime_ns for path in (tmp_path / "drawn").iterdir()}
    margins = judge_cells(drawings, few, judge, 2, ways=ways)
    assert len(first) == 1
    assert all(path.stat().st_mtime_ns == time for path, time in first.items())
    passed = (margins.subject >= 0) & (margins.style >= 0)
    np.testing.assert_allclose(margins.rates[..., 2], passed.mean(-1))
    assert margins.rates.shape == margins.soft.shape == (2, 1, 3)
    # a picture far above or below the threshold counts as in the rates
    far = type(margins)(np.sign(margins.subject), np.sign(margins.style))
    np.testing.assert_allclose(far.soft, far.rates, atol=1e-3)


def test_the_stage_says_what_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORARIUM_MICRO", str(saved(tmp_path / "base.safetensors")))
    folder = tiny_zoo(tmp_path, open_base())
    monkeypatch.setattr(stage, "LEARNED", ((folder, "train", 2),))
    monkeypatch.setattr(stage, "RUN", tmp_path / "run")
    with pytest.raises(TimeIsOver, match=r"0 of 10 merges are drawn; run it again"):
        stage.run(Workplace.shipped(), 0)
    assert not list((tmp_path / "run" / "drawn").iterdir())
