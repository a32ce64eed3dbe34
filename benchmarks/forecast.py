"""The forecast on test pairs, against judged merges: the figures of docs/forecast.md.

    python benchmarks/forecast.py runs/merge/zoo

Chosen and fixed ways are compared on pictures that the best way of each pair was not chosen on;
what was foretold of the way chosen, with what the judge says of twice as many. The rival, learned
from the same merges, knows norms and overlaps only.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from machine import machine, save

from lorarium.bases.base import open_base
from lorarium.evaluation.describe.zoo import read_zoo
from lorarium.evaluation.judges import load_judge
from lorarium.evaluation.merge.cells import members, table
from lorarium.evaluation.merge.drawing import PictureCache
from lorarium.evaluation.statistics import spearman, two_way_bootstrap
from lorarium.forecasts.rates import ASSET, DRAFTED, SETTINGS, load_predictor
from lorarium.recipes.forecast import (
    LEARNED,
    PICTURES,
    RUN,
    SEED,
    Pairs,
    choose_penalty,
    fit_predictor,
    read_pairs,
    with_drafts,
)
from lorarium.recipes.forecast_cells import judge_cells, pairs


def plain(of: Pairs) -> Pairs:
    """Norms, cosine, and how much the plain sum disturbs either: the rival's facts."""
    return replace(of, facts=of.facts[:, [0, 1, 2, 5, 6]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("zoo", type=Path)
    parser.add_argument("--side", type=int, default=14)
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--judge", default="b")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--subjects", help="recipe, the usual one without")
    parser.add_argument("--styles", help="recipe, the usual one without")
    parser.add_argument("--name", default="forecast")
    asked = parser.parse_args()
    base, zoo = open_base(), read_zoo(asked.zoo)
    subjects, styles = (
        members(zoo, kind, "test", asked.side, recipe)
        for kind, recipe in (("subject", asked.subjects), ("style", asked.styles))
    )
    cells = table(zoo, subjects, styles)
    shape = len(subjects), len(styles)
    drawings = PictureCache(base, Path("runs/merge/drawn"), asked.workers)
    judge = load_judge(asked.judge)
    scores = judge_cells(drawings, cells, judge, asked.pictures)
    truth, both = scores.rates, (scores.subject >= 0) & (scores.style >= 0)

    learned = [c for folder, split, n in LEARNED for c in pairs(read_zoo(folder), split, n, SEED)]
    half = PictureCache(base, RUN / "drawn")
    merges = judge_cells(half, learned, load_judge("a"), PICTURES)
    rates, truths = merges.soft, merges.rates
    known, new = read_pairs(learned), read_pairs(cells)
    drafted = with_drafts(new, cells, base)
    ridge, axes, _ = choose_penalty(plain(known), rates, truths, [0])
    rival = fit_predictor(plain(known), rates, ridge, axes)
    predictions = {
        "forecast": load_predictor(ASSET).rates(new.facts, new.seen),
        "forecast with drafts": load_predictor(DRAFTED).rates(drafted.facts, new.seen),
        "norms and overlaps": rival.rates(plain(new).facts, new.seen),
    }
    rows = np.arange(len(cells))
    first, second = both[..., ::2].mean(-1), both[..., 1::2].mean(-1)
    best = second[rows, first.argmax(1)]  # of each pair, chosen on other pictures
    fixed = first.mean(0).argmax()
    document: dict[str, object] = {
        "machine": machine(), "cells": shape, "pictures": asked.pictures, "judge": asked.judge,
        "rates": {w.name: truth[:, i].mean(0).round(4).tolist() for i, w in enumerate(SETTINGS)},
        "fixed": SETTINGS[fixed].name, "ways": {},
    }  # fmt: skip
    for name, rate in predictions.items():
        way = rate[:, :, 2].argmax(1)
        ways = [[SETTINGS[i]] for i in way]
        more = judge_cells(drawings, cells, judge, asked.pictures, 1, ways).rates[:, 0]
        at = rate[rows, way], (truth[rows, way] + more) / 2
        gain = (second[rows, way] - second[:, fixed]).reshape(*shape, 1)
        document["ways"][name] = {  # type: ignore[index]
            "spearman": {
                what: round(spearman(at[0][:, k], at[1][:, k]), 4)
                for k, what in enumerate(("subject", "style", "both"))
            },
            "said": at[0].mean(0).round(4).tolist(), "found": at[1].mean(0).round(4).tolist(),
            "regret": round(float((best - second[rows, way]).mean()), 4),
            "above the best fixed way": vars(two_way_bootstrap(gain, seed=0)),
            "chosen": {w.name: int((way == i).sum()) for i, w in enumerate(SETTINGS)},
        }  # fmt: skip
    document["regret of the best fixed way"] = round(float((best - second[:, fixed]).mean()), 4)
    for key, value in document.items():
        print(key, value)
    print("written to", save(asked.name, document))


if __name__ == "__main__":
    main()
