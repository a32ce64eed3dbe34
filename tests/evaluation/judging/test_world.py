"""The world's judges behind the interface say what they say alone."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from dataclasses import replace
from pathlib import Path

from lorarium.errors import LorariumError
from lorarium.evaluation.judges import Thresholds, load_judge
from lorarium.evaluation.judging.comparison import Aspect
from lorarium.evaluation.judging.open_judge import open_judges
from lorarium.evaluation.judging.world_judge import WorldJudge
from lorarium.evaluation.patches import relative_distance
from lorarium.evaluation.synth.targets import pool

PAIRS: dict[Aspect, tuple[tuple[str, int], tuple[str, int], int]] = {
    "style": (("ink", 1001), ("ink", 1002), 12),
    "subject": (("cat", 1001), ("cat", 1002), 5),
}


@pytest.mark.parametrize("aspect", PAIRS)
@pytest.mark.parametrize("strict", [False, True])
def test_verdicts_are_the_judges_own(aspect: Aspect, strict: bool) -> None:
    """Those of family 2 too, whose limit of strokes is here what half of the true ones keep."""
    of, other, count = PAIRS[aspect]
    known, _ = pool(aspect, of, "validation", range(count), 48)
    pictures = np.concatenate(
        [pool(aspect, who, "validation", range(20, 28), 48)[0] for who in (of, other)]
    )
    usual = float(np.median(relative_distance(pictures[:8], known)))
    alone = replace(load_judge("b"), strokes=Thresholds(usual, usual) if strict else None)
    comparison = WorldJudge(alone).compare(aspect, pictures, known)
    verdicts = getattr(alone, f"{aspect}_pass")(pictures, known)
    assert comparison.passes is not None and comparison.yes is not None
    assert comparison.passes.tolist() == verdicts.tolist()
    assert (comparison.grades >= 0).tolist() == verdicts.tolist()
    assert comparison.passes[:8].mean() > comparison.passes[8:].mean()
    # the verdicts on pairs say in the main what the set says
    assert ((comparison.yes.mean(1) > 0.5) == verdicts).mean() >= 0.8
    if strict:
        too_far = alone.strokes_left(aspect, pictures, known) < 0
        open_to_all = replace(alone, strokes=None)
        assert (too_far & getattr(open_to_all, f"{aspect}_pass")(pictures, known)).any()
        assert not comparison.yes[too_far].any()


def test_two_references_have_no_usual_strokes() -> None:
    strict = WorldJudge(replace(load_judge("b"), strokes=Thresholds(1.0, 1.0)))
    known, _ = pool("style", ("ink", 1001), "validation", range(4), 48)
    assert np.isfinite(strict.compare("style", known[2:], known[:2]).grades).all()


def test_all_that_ship_open_by_name(tmp_path: Path) -> None:
    with open_judges(["a", "b", "reporter"], tmp_path) as judges:
        assert [judge.name for judge in judges] == ["a", "b", "reporter"]
    assert not (tmp_path / "chat.jsonl").exists()


@pytest.mark.parametrize(
    "name", ["z", "chat:model", "chat:@http://x", "chat:m@ftp://x", "embedding:nowhere"]
)
def test_names_that_are_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(LorariumError):
        with open_judges([name], tmp_path):
            pass


def test_named_twice(tmp_path: Path) -> None:
    with pytest.raises(LorariumError, match="twice"):
        with open_judges(["b", "b"], tmp_path):
            pass
