"""CLIP, DINOv2 and SigLIP as judges, through transformers, from weights that the user has.

One vector a picture serves both aspects; what a threshold means is said by the strangers it is
calibrated on, and without them a judge only grades.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lorarium.encoders.pretrained import PictureTower, load_picture_tower
from lorarium.errors import LorariumError
from lorarium.evaluation.judging.comparison import Array, Aspect, Comparison
from lorarium.evaluation.statistics import threshold_at

if TYPE_CHECKING:
    from lorarium.evaluation.judging.open_judge import JudgeContext

FALSE_ACCEPTS = 0.05


@dataclass(frozen=True)
class EmbeddingJudge:
    """A picture's grade is its mean cosine with the references, less the threshold if there is
    one; the verdict on a pair is its own cosine against the threshold."""

    tower: PictureTower
    name: str
    thresholds: Mapping[Aspect, float] = field(default_factory=dict)

    @property
    def card(self) -> dict[str, Any]:
        kind = type(self.tower.net).__name__
        return {"kind": "embedding", "model": kind, "thresholds": dict(self.thresholds)}

    def compare(self, aspect: Aspect, pictures: Array, references: Array) -> Comparison:
        cosines = self.embed(pictures) @ self.embed(references).T
        threshold = self.thresholds.get(aspect)
        if threshold is None:
            return Comparison(cosines.mean(1))
        return Comparison(cosines.mean(1) - threshold, cosines >= threshold)

    def calibrated(self, aspect: Aspect, strangers: Array, references: Array) -> EmbeddingJudge:
        """The judge whose threshold lets 5% of pairs of a stranger and a reference pass."""
        cosines = self.embed(strangers) @ self.embed(references).T
        threshold = threshold_at(cosines.ravel(), FALSE_ACCEPTS)
        return replace(self, thresholds={**self.thresholds, aspect: threshold})

    def embed(self, pictures: Array) -> Array:
        """Unit vectors (n, d)."""
        return self.tower.embed(pictures)


def open_named(where: str, context: JudgeContext) -> EmbeddingJudge:
    return load_embedding_judge(where, context.device, download=context.download)


def load_embedding_judge(
    where: str, device: str = "cpu", *, download: bool = False
) -> EmbeddingJudge:
    """A folder as transformers saves it; with `download` also a name of the hub."""
    if not download and not Path(where).is_dir():
        raise LorariumError(
            "no such folder", where=where,
            hint="name a folder of weights, or allow fetching them with --download",
        )  # fmt: skip
    tower = load_picture_tower(where, device, download=download)
    return EmbeddingJudge(tower, f"{tower.kind}:{Path(where).name}")
