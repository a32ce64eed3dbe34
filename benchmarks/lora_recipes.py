"""Which optimizer and rate a LoRA learns best with, by the reporter: docs/train.md

    python benchmarks/lora_recipes.py [--base micro-2] [--aspect style] [--each 3] [--cells 24]

Artists and individuals of the validation split, twelve pictures each, learned side by side. What a
LoRA draws counts when the judge takes it for them and it shows what else the prompt says: the class
for an artist, the genre for an individual.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from machine import machine, save
from pages import fill_pages

from lorarium.bases.base import Base, open_base
from lorarium.bases.sampling import sample
from lorarium.evaluation.judges import Judge, load_judge
from lorarium.evaluation.synth.targets import Target, style_targets, subject_targets
from lorarium.training.fit import fit
from lorarium.training.recipe import Job, Recipe, mirrors

RECIPES = {
    "style": [
        Recipe(optimizer="adam", lr=1e-2, steps=100),
        Recipe(optimizer="muon", lr=5e-3, steps=100),
        Recipe(optimizer="adam", lr=1e-2, steps=400),
        Recipe(optimizer="muon", lr=2.5e-3, steps=400),
    ],
    "subject": [
        Recipe(optimizer="adam", lr=5e-3, steps=100),
        Recipe(optimizer="muon", lr=1e-2, steps=100),
    ],
}
GENRES = ("photo", "comic", "watercolour", "pastel", "ink", "chalk", "neon", "oil")


def targets_of(aspect: str, each: int, cells: int, size: int) -> list[Target]:
    if aspect == "style":
        return style_targets("validation", 1, cells, size, seed=5, max_artists=each, held=0)
    return subject_targets("validation", each, cells, size, seed=5)


def prompts_of(target: Target) -> list[str]:
    """Classes that vary for an artist, genres for an individual."""
    if target.kind == "style":
        return list(target.cells)
    genres = [GENRES[i % len(GENRES)] for i in range(len(target.cells))]
    return [f"a sub1 {target.of[0]} in {genre}" for genre in genres]


def row(base: Base, recipe: Recipe, targets: list[Target], judge: Judge) -> dict[str, Any]:
    started = time.monotonic()
    jobs = [
        Job(t.pictures, t.prompts, recipe, 7 + i, mirror=mirrors(base.family, t.prompts[0]))
        for i, t in enumerate(targets)
    ]
    adapters = fit(base, jobs)
    seconds = (time.monotonic() - started) / len(jobs)
    shown, theirs = [], []
    for target, adapter in zip(targets, adapters, strict=True):
        prompts = prompts_of(target)
        pictures = sample(base, prompts, adapters=[(adapter, 1.0)], seed=3)
        style = target.kind == "style"
        passes = judge.style_pass if style else judge.subject_pass
        seen = judge.class_of(pictures) if style else judge.genre_of(pictures)
        words = [prompt.split()[1 if style else -1] for prompt in prompts]
        theirs.append(passes(pictures, target.references))
        shown.append(np.array(seen) == words)
    both = np.stack(theirs) & np.stack(shown)
    return {
        "optimizer": recipe.optimizer, "rate": recipe.lr, "steps": recipe.steps,
        "theirs": share(theirs), "the other word": share(shown), "both": share(both),
        "each": both.mean(1).round(3).tolist(), "seconds": round(seconds, 1),
    }  # fmt: skip


def share(verdicts: Any) -> float:
    return round(float(np.mean(verdicts)), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default="micro-2")
    parser.add_argument("--aspect", choices=list(RECIPES), help="only this")
    parser.add_argument("--each", type=int, default=3, help="artists, and individuals")
    parser.add_argument("--cells", type=int, default=24, help="pictures of each")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    base, judge = open_base(asked.base), load_judge("reporter")
    document: dict[str, Any] = {"machine": machine(), "base": base.family, "hash": base.hash}
    for aspect, recipes in RECIPES.items():
        if asked.aspect not in (None, aspect):
            continue
        targets = targets_of(aspect, asked.each, asked.cells, base.size)
        passes = judge.style_pass if aspect == "style" else judge.subject_pass
        document[aspect] = {
            "of": [t.name for t in targets], "cells": asked.cells,
            "true renders": [share(passes(t.true, t.references)) for t in targets],
            "rows": [],
        }  # fmt: skip
        for recipe in recipes:
            document[aspect]["rows"].append(row(base, recipe, targets, judge))
            print(aspect, document[aspect]["rows"][-1], flush=True)
    print("written to", save("lora_recipes", document))
    fill_pages()


if __name__ == "__main__":
    main()
