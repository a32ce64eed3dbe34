"""The whole way of an adoption in a minute: the same code with small numbers.

python -m tests.recipes.tiny_adoption BASE FOLDER
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from lorarium.bases.holding import BaseToOpen
from lorarium.encoders import training
from lorarium.evaluation.synth import audit
from lorarium.recipes import (
    activations,
    cell_teachers,
    describe,
    describe_data,
    forecast,
    kept,
    roles,
    synth,
    synth_basis,
    synth_exam,
    synth_ship,
    synth_strength,
    synth_teachers,
    teachers,
)
from lorarium.recipes.adoption import adopt as adoption
from lorarium.recipes.adoption import effort, examine, stages, survey, tune
from lorarium.recipes.describe_data import picture_table
from lorarium.training import mint
from lorarium.training.recipe import Recipe
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES

TEACHER = Recipe(rank=2, alpha=2.0, steps=2, batch=1)
GENRES, CLASSES = SEEN_GENRES[:6], SEEN_CLASSES[:6]
NUMBERS = {
    survey: {
        "PICTURES": 2, "LEAST": {"class": 1, "genre": 1}, "SEEN_GENRES": GENRES,
        "SEEN_CLASSES": CLASSES,
    },
    tune: {
        "TARGETS": 1, "CELLS": 2, "STEPS": 2, "RATES": (1.0, 0.3),
        "RECIPES": {k: Recipe(rank=2, alpha=2.0, steps=2, batch=1) for k in ("style", "subject")},
    },
    effort: {"SEEN_GENRES": GENRES, "SEEN_CLASSES": CLASSES, "LEARNED_FROM": 6},
    describe_data: {"MIN_ARTISTS": 8},
    describe: {"SHARES": (0.5,), "SHRINKS": (1.0,), "WORDED": (1, 1)},
    forecast: {"PICTURES": 1, "AXES": (2,), "RIDGES": (30.0,), "FOLDS": 3, "FOLDINGS": 1},
    roles: {"ASKED": 1},
    cell_teachers: {"SHOWN": 2, "TEACHER": TEACHER},
    synth_teachers: {"DRAWN": 2},
    teachers: {"STEPS": 2},
    synth: {"WATCH": 10_000},
    synth_basis: {"ROUNDS": 1},
    synth_exam: {"COUNT": 1},
    synth_ship: {"TRAIN_PICTURES": 40, "KNOWN_PICTURES": 20, "SETS": 2, "LABELLED": 40},
    synth_strength: {"TARGETS": 1, "CELLS": 2, "STEPS": 2, "STRENGTHS": (1.0,)},
    stages: {"PAIRS": 800, "ROLE_PICTURES": 3200, "SYNTH_PICTURES": 6400},
    examine: {"CELLS_OF_MERGES": (2, 1, 7), "TARGETS": 2, "CELLS": 2, "SHEET": 1},
    audit: {"EACH": 1},
    **{module: {"SAVED_EVERY": 3} for module in (activations, kept, mint, training)},
}  # fmt: skip


def shrink(patch: pytest.MonkeyPatch) -> None:
    """Small numbers everywhere."""
    for module, values in NUMBERS.items():
        for name, value in values.items():
            assert hasattr(module, name), (module, name)
            patch.setattr(module, name, value)
    few = tuple((zoo, split, 4) for zoo, split, _ in forecast.LEARNED)
    patch.setattr(forecast, "LEARNED", few)
    patch.setattr(describe, "picture_table", partial(picture_table, count=4))
    patch.setattr(effort.Tuning, "usual", staticmethod(lambda family: effort.Tuning(1.0, 0.01, 1)))


def run(base: Path, folder: Path) -> None:
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        begun = adoption.begin(BaseToOpen(base), folder)
        adoption.adopt(begun, share=0.02)


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]))
