"""How loud a generator should write: predictions are means of what may be, and a generator that
learned from them is fainter than the artist."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from lorarium.bases.base import Base
from lorarium.bases.rounded import rounded
from lorarium.bases.sampling import sample
from lorarium.encoders.encode import as_input
from lorarium.evaluation.judges import Judge, load_judge
from lorarium.evaluation.synth.targets import Target, style_targets, subject_targets
from lorarium.synthesis.make import condition, written
from lorarium.synthesis.net import KINDS, Generator
from lorarium.synthesis.store import Synth

STRENGTHS = (0.75, 1.0, 1.25, 1.5, 2.0)
# a score that much below the best is as good, if quieter: loud pictures please the judge that the
# generator learned from a hair more, and look rougher to encoders that it did not
ALIKE = 0.02
TARGETS, CELLS, STEPS, SEED = 8, 8, 12, 5


def best_strengths(
    base: Base, net: Generator
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """What judge A likes best on the validation split, by kind, and all that was tried: the mean
    score, where a picture of something else than asked for scores nothing."""
    judge = load_judge("a")
    scores: dict[str, dict[str, float]] = {}
    for kind in KINDS:
        targets = (
            style_targets("validation", 1, CELLS, base.size, seed=SEED, max_artists=TARGETS)
            if kind == "style"
            else subject_targets("validation", TARGETS, CELLS, base.size, seed=SEED)
        )
        scores[kind] = {
            str(strength): _score(base, net, judge, targets, strength) for strength in STRENGTHS
        }
        print(kind, scores[kind], flush=True)
    return {kind: weakest_good(by_strength) for kind, by_strength in scores.items()}, scores


def weakest_good(scores: Mapping[str, float]) -> float:
    """Of those that score nearly as well as the best."""
    good = max(scores.values()) - ALIKE
    return min(float(strength) for strength, score in scores.items() if score >= good)


@torch.no_grad()
def _score(
    base: Base, net: Generator, judge: Judge, targets: list[Target], strength: float
) -> float:
    values = []
    for target in targets:
        seen = net.eyes(as_input(target.pictures).to(base.device))
        asked = strength * condition(Synth(net, {}), seen, target.kind)
        with rounded(base):
            pictures = sample(
                base, list(target.cells), adapters=[(written(net, base, asked), 1.0)],
                steps=STEPS, seed=list(range(CELLS)),
            )  # fmt: skip
        scores = judge.style_scores if target.kind == "style" else judge.subject_scores
        words = [prompt.split(" in ")[0].split()[-1] for prompt in target.cells]
        right = [a == b for a, b in zip(judge.class_of(pictures), words, strict=True)]
        values.append(np.where(right, scores(pictures, target.references), 0.0).mean())
    return round(float(np.mean(values)), 4)


def with_strengths(net: Generator, strengths: dict[str, float]) -> Generator:
    """The same generator with its loudness in its configuration."""
    other = Generator(replace(net.config, loud=tuple(strengths[kind] for kind in KINDS)))
    other.load_state_dict(net.state_dict())
    return other.to(next(net.parameters()).device).eval().requires_grad_(False)
