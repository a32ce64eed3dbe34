"""Which part of an adapter carries the artist, the individual, the recipe.

Each selection of modules is read alone: by the exact kernel of the output side, and by the probe on
a sketch whose output side saw nothing else. Adapters that change nothing of it are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from lorarium.adapter import Array
from lorarium.algebra import norm
from lorarium.descriptors.changes import matrices
from lorarium.descriptors.effect import effect
from lorarium.descriptors.kernels import kernel
from lorarium.descriptors.learned import Learned
from lorarium.descriptors.select import SELECTIONS, choose, select
from lorarium.descriptors.sketch import Sketch
from lorarium.evaluation.describe.folds import folds
from lorarium.evaluation.describe.retrieved import figures, retrieve
from lorarium.evaluation.describe.rows import GramContender
from lorarium.evaluation.describe.zoo import RANDOM, Corpus

Figures = dict[str, Any]
FEWEST = 8  # adapters that change something of a selection
WANTED = ("r_at_1", "map", "queries")
Say = Callable[[str], None]


def parts(corpus: Corpus, learned: Learned | None = None, say: Say = lambda words: None) -> Figures:
    """For each selection: how many adapters change it, its mean share of their energy, retrieval
    by split, and how often the nearest adapter of somebody else has the same recipe."""
    family = corpus.adapters[0].family
    squares = [{m: norm(d) ** 2 for m, d in matrices(a).items()} for a in corpus.adapters]
    report: Figures = {}
    for selection in SELECTIONS:
        chosen = [choose(one, selection, family) for one in squares]
        changed = [i for i, modules in enumerate(chosen) if modules]
        same_as_all = selection != "all" and all(map(_same, chosen, squares))
        if len(changed) < FEWEST or same_as_all:
            continue
        energy = [sum(squares[i][m] for m in chosen[i]) / sum(squares[i].values()) for i in changed]
        row: Figures = {"adapters": len(changed), "energy": float(np.mean(energy))}
        some = replace(
            corpus,
            entries=tuple(corpus.entries[i] for i in changed),
            adapters=tuple(corpus.adapters[i] for i in changed),
        )
        grams = {
            side: kernel(some.adapters, kind=side, selection=selection)
            for side in ("output", "input")
        }
        if learned is not None:
            vectors = learned.probes([alone(corpus, i, selection) for i in changed])
            grams["probe"] = vectors.astype(np.float64) @ vectors.T
        for name, gram in grams.items():
            row[name] = _retrieved(some, gram, name) if corpus.usual in some.recipe else {}
            row[name] |= same_recipe(gram, some)
        report[selection] = row
        say(f"{selection} measured")
    return report


def same_recipe(gram: Array, corpus: Corpus) -> dict[str, float]:
    """Mean over the recipes of how often the nearest adapter by another artist has the same one,
    and what a blind guess would reach; nothing where there is only one."""
    named = np.flatnonzero(corpus.recipe != RANDOM)
    recipe, artist = corpus.recipe[named], corpus.artist[named]
    kinds = np.unique(recipe)
    if len(kinds) < 2 or len(np.unique(artist)) < 2:
        return {}
    size = np.sqrt(np.diag(gram)[named].clip(1e-30))
    scores = gram[np.ix_(named, named)] / np.outer(size, size)
    scores[artist[:, None] == artist] = -np.inf
    right = recipe[scores.argmax(1)] == recipe
    balanced = float(np.mean([right[recipe == kind].mean() for kind in kinds]))
    return {"recipe": balanced, "recipe by chance": 1 / len(kinds)}


def _retrieved(corpus: Corpus, gram: Array, name: str) -> Figures:
    answers = figures(retrieve(GramContender(gram, 0.0, name), corpus, list(folds(corpus))))
    return {split: {key: row[key] for key in WANTED} for split, row in answers.items()}


def alone(corpus: Corpus, i: int, selection: str) -> Sketch:
    """The sketch of an adapter, its effect that of the selection; the facts stay, so that the probe
    takes the same recipe away."""
    return replace(corpus.sketches[i], effect=effect(select(corpus.adapters[i], selection)))


def _same(chosen: list[Any], squares: dict[Any, float]) -> bool:
    """Whether a selection is all of an adapter: that row is there already."""
    return len(chosen) == len(squares)
