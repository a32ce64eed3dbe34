"""The judges of the drawn world behind the one interface."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lorarium.encoders.encode import encode
from lorarium.evaluation.judges import Judge, load_judge
from lorarium.evaluation.judging.comparison import Array, Aspect, Comparison
from lorarium.evaluation.trials import unit

HEADS: dict[Aspect, str] = {"subject": "identity", "style": "style"}


@dataclass(frozen=True)
class WorldJudge:
    """The verdict on a picture is the one of `Judge`: the cosine with the references' mean
    direction against the threshold from validation strangers.

    A cosine with one reference is lower than one with their mean direction, by the length of the
    mean of the unit vectors; so is the threshold for one. The mean over the references then says
    what the set says.
    """

    judge: Judge = field(repr=False)
    name: str = "b"

    @property
    def card(self) -> dict[str, Any]:
        thresholds = self.judge.thresholds
        return {
            "kind": "world", "hash": self.judge.card.get("hash"),
            "thresholds": {"subject": thresholds.subject, "style": thresholds.style},
        }  # fmt: skip

    def compare(self, aspect: Aspect, pictures: Array, references: Array) -> Comparison:
        (queries,) = encode(self.judge.net, pictures, HEADS[aspect])
        (known,) = encode(self.judge.net, references, HEADS[aspect])
        threshold = getattr(self.judge.thresholds, aspect)
        queries, known = unit(queries), unit(known)
        mean = known.mean(0)
        length = float(np.linalg.norm(mean))
        of_set = queries @ mean / max(length, 1e-12)
        return Comparison(
            grades=of_set - threshold,
            yes=queries @ known.T >= threshold * length,
            passes=of_set >= threshold,
        )


def load_world_judge(name: str = "b", device: str = "cpu") -> WorldJudge:
    """`a`, `b`, or a judge's file or folder."""
    return WorldJudge(load_judge(name, device), name)
