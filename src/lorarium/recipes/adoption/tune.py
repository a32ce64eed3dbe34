"""How fast adapters of a base should learn: the rate that draws best, by the judge that chooses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from lorarium.bases.base import Base
from lorarium.bases.rounded import rounded
from lorarium.bases.sampling import sample
from lorarium.evaluation.judges import Judge, load_judge
from lorarium.evaluation.synth.targets import Target, style_targets, subject_targets
from lorarium.recipes.adoption.effort import Tuning
from lorarium.recipes.timebox import ENDLESS, TimeBox
from lorarium.trained import write_json
from lorarium.training.mint import train_jobs
from lorarium.training.recipe import Job, Recipe

RATES = (1.0, 0.3, 0.1, 0.03, 0.01)  # shares of the embedded base's
RECIPES = {
    "style": Recipe(lr=1e-2, steps=240, batch=4),
    "subject": Recipe(lr=5e-3, steps=240, batch=4),
}
TARGETS, CELLS, STEPS, SEED = 2, 4, 12, 9


def tune(base: Base, usual: Tuning, kept: Path, box: TimeBox = ENDLESS) -> Tuning:
    """The usual training at the rate whose LoRAs draw most of what they were shown: rates are
    tried around the usual one, further where the best is at an end."""
    scores: dict[str, float] = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    judge = load_judge("a")
    place = min(range(len(RATES)), key=lambda i: abs(np.log(RATES[i] / usual.rate)))
    while True:
        for i in range(max(0, place - 1), min(len(RATES), place + 2)):
            if (rate := str(RATES[i])) not in scores:
                box.check(f"{len(scores)} rates of learning were tried")
                checkpoint = kept.with_suffix(f".{rate}.checkpoint")
                value = score(base, replace(usual, rate=RATES[i]), judge, checkpoint, box)
                scores[rate] = value
                write_json(kept, scores)
                checkpoint.unlink(missing_ok=True)
        best = max(scores, key=lambda rate: scores[rate])
        if RATES.index(float(best)) == place:
            return replace(usual, rate=float(best))
        place = RATES.index(float(best))


def score(base: Base, tuning: Tuning, judge: Judge, kept: Path, box: TimeBox) -> float:
    """How like its pictures LoRAs draw; one of something else than asked for counts nothing."""
    targets = targets_of(base.size)
    values: list[float] = []
    for kind in RECIPES:
        some = [t for t in targets if t.kind == kind]
        jobs = [job_of(t, tuning) for t in some]
        adapters = train_jobs(base, jobs, kept, box.deadline)
        if adapters is None:
            box.check(f"{len(values)} of {2 * TARGETS} LoRAs at the rate {tuning.rate} are drawn")
        assert adapters is not None
        for target, adapter in zip(some, adapters, strict=True):
            with rounded(base):
                pictures = sample(base, list(target.cells), adapters=[(adapter, 1.0)], steps=STEPS,
                                  seed=list(range(CELLS)))  # fmt: skip
            scores = judge.style_scores if kind == "style" else judge.subject_scores
            words = [prompt.split(" in ")[0].split()[-1] for prompt in target.cells]
            right = [a == b for a, b in zip(judge.class_of(pictures), words, strict=True)]
            likeness = np.where(right, scores(pictures, target.references), 0.0)
            values.append(float(likeness.mean()))
    return round(float(np.mean(values)), 4)


def targets_of(size: int) -> list[Target]:
    styles = style_targets("validation", 1, CELLS, size, seed=SEED, max_artists=TARGETS, held=0)
    return [*styles, *subject_targets("validation", TARGETS, CELLS, size, seed=SEED)]


def job_of(target: Target, tuning: Tuning) -> Job:
    recipe = tuned(RECIPES[target.kind], tuning)
    return Job(target.pictures, target.prompts, recipe, SEED)


def tuned(recipe: Recipe, tuning: Tuning) -> Recipe:
    """A recipe of the embedded base as it is on another one."""
    return replace(
        recipe, lr=tuning.rate * recipe.lr, steps=max(1, round(tuning.steps * recipe.steps)),
        batch=tuning.batch,
    )  # fmt: skip
