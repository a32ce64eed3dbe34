"""The world's judges behind the interface say what they say alone."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from pathlib import Path

from lorarium.errors import LorariumError
from lorarium.evaluation.judges import load_judge
from lorarium.evaluation.judging.open_judge import open_judges
from lorarium.evaluation.synth.targets import pool


def test_verdicts_are_the_judges_own(tmp_path: Path) -> None:
    pairs = {
        "style": (("ink", 1001), ("ink", 1002), 12),
        "subject": (("cat", 1001), ("cat", 1002), 5),
    }
    alone = load_judge("b")
    with open_judges(["b"], tmp_path) as (judge,):
        for aspect, (of, other, count) in pairs.items():
            known, _ = pool(aspect, of, "validation", range(count), 48)
            pictures = np.concatenate(
                [
                    pool(aspect, identity, "validation", range(20, 28), 48)[0]
                    for identity in (of, other)
                ]
            )
            comparison = judge.compare(aspect, pictures, known)  # type: ignore[arg-type]
            verdicts = getattr(alone, f"{aspect}_pass")(pictures, known)
            assert comparison.passes is not None and comparison.yes is not None
            assert comparison.passes.tolist() == verdicts.tolist()
            assert (comparison.grades >= 0).tolist() == verdicts.tolist()
            assert comparison.passes[:8].mean() > comparison.passes[8:].mean()
            # the verdicts on pairs say in the main what the set says
            assert ((comparison.yes.mean(1) > 0.5) == verdicts).mean() >= 0.8
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
