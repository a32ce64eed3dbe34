"""The judges of the drawn world behind the one interface."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
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
    direction against the threshold from validation strangers, and, for a judge of family 2, the
    limits of its strokes.

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
            "offsets": dict(self.judge.offsets),
            "strokes": None if self.judge.strokes is None else asdict(self.judge.strokes),
            "strangest": self.judge.strangest,
            "fineness": self.judge.fineness, "second": self.judge.card.get("second"),
        }  # fmt: skip

    def compare(self, aspect: Aspect, pictures: Array, references: Array) -> Comparison:
        (queries,) = encode(self.judge.net, pictures, HEADS[aspect])
        (known,) = encode(self.judge.net, references, HEADS[aspect])
        threshold = np.full(len(pictures), getattr(self.judge.thresholds, aspect))
        if aspect == "subject":
            threshold += self.judge.offsets_of(pictures)
        queries, known = unit(queries), unit(known)
        length = float(np.linalg.norm(known.mean(0)))
        of_set = queries @ unit(known.mean(0)) - threshold
        left = self.judge.strokes_left(aspect, pictures, references)
        return Comparison(
            grades=np.minimum(of_set, left),
            # the set's strokes are one: where they are too far no reference says yes
            yes=(queries @ known.T >= threshold[:, None] * length) & (left >= 0)[:, None],
            passes=(of_set >= 0) & (left >= 0),
        )


def load_world_judge(name: str = "b", device: str = "cpu") -> WorldJudge:
    """`a`, `b`, or a judge's file or folder."""
    return WorldJudge(load_judge(name, device), name)
