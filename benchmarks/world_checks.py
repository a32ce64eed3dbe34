"""Is the drawn world neither too easy nor too hard? Shortcuts and the judges, on the test split.

    python benchmarks/world_checks.py [--pictures N] [--minutes N]

Shortcuts: colour histograms against the judges' artist R@1; identity told from silhouettes alone
and from colours alone by encoders trained for nothing else on N pictures.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import torch
from machine import machine, save
from pages import fill_pages

from lorarium.encoders.nets import ClipLike
from lorarium.encoders.store import shipped
from lorarium.errors import LorariumError
from lorarium.evaluation.judges import load_judge, trial_scores
from lorarium.evaluation.trials import style_trials, subject_trials
from lorarium.evaluation.verification import true_pass_rates, verification, zero_shot
from lorarium.evaluation.world_checks import (
    histogram_scores,
    identity_by,
    outlines,
    overlap_scores,
)
from lorarium.world.mark import world_mark

SEED = 2
PER_GENRE, PER_CLASS, QUERIES = 16, 8, 6
ERROR_GOAL, SHORTCUT_GOAL, BLIND_GOAL, NAMED_GOAL = 0.08, 0.5, 0.2, 0.9


def judges() -> dict[str, Any]:
    report: dict[str, Any] = {}
    for name in ("a", "b"):
        try:
            judge = load_judge(name)
        except LorariumError as problem:
            print(f"judge {name}: {problem}")
            continue
        figures = verification(judge.net, "test", seed=SEED, per_genre=PER_GENRE,
                               per_class=PER_CLASS, queries=QUERIES)  # fmt: skip
        report[f"judge_{name}"] = figures | {
            "thresholds": judge.card["thresholds"], "spent": judge.card["spent"],
            "true_renders": true_pass_rates(judge, seed=SEED),
        }  # fmt: skip
    return report


def baselines() -> dict[str, Any]:
    """The papers' encoders as judges of artist and individual, and CLIP-like's words."""
    styles = style_trials("test", PER_GENRE, QUERIES, seed=SEED)
    subjects = subject_trials("test", PER_CLASS, QUERIES, seed=SEED)
    report: dict[str, Any] = {}
    for name in ("clip_like", "dino_like"):
        try:
            net = shipped(name).net
        except LorariumError as problem:
            print(f"{name}: {problem}")
            continue
        report[name] = {
            what: {"error": round(s.error, 4), "found": round(s.recall_at_1, 4)}
            for what, s in (("style", trial_scores(net, styles, "picture")),
                            ("subject", trial_scores(net, subjects, "picture")))
        }  # fmt: skip
        if isinstance(net, ClipLike):
            report[name]["zero shot"] = zero_shot(net, "test", seed=SEED)
    return report


def histograms() -> dict[str, Any]:
    styles = style_trials("test", PER_GENRE, QUERIES, seed=SEED)
    subjects = subject_trials("test", PER_CLASS, QUERIES, seed=SEED)
    photos = subject_trials("test", PER_CLASS, QUERIES, seed=SEED, genres=("photo",))
    return {
        name: {k: {"error": round(s.error, 4), "found": round(s.recall_at_1, 4)}
               for k, s in histogram_scores(trials).items()}
        for name, trials in (("artist", styles), ("individual", subjects),
                             ("individual, photo to photo", photos))
    }  # fmt: skip


def blind(pictures: int, minutes: float) -> dict[str, Any]:
    report = {}
    for what in ("outlines", "colours"):
        folder = Path("runs") / f"only_{what}"
        shortcut = identity_by(what, folder, pictures, minutes, seed=SEED, per_class=PER_CLASS,
                               queries=QUERIES)  # fmt: skip
        report[what] = {
            "error": round(shortcut.across.error, 4),
            "found": round(shortcut.across.recall_at_1, 4),
            "error, photo to photo": round(shortcut.alike.error, 4),
        }  # fmt: skip
    with outlines() as look:
        trials = subject_trials("test", PER_CLASS, QUERIES, seed=SEED, genres=(look,),
                                reference_genre=look)  # fmt: skip
    overlap = overlap_scores(trials)
    report["outlines, untrained overlap"] = {
        "error": round(overlap.error, 4), "found": round(overlap.recall_at_1, 4),
    }  # fmt: skip
    return report


def main() -> None:
    parse = argparse.ArgumentParser()
    parse.add_argument("--pictures", type=int, default=200_000)
    parse.add_argument("--minutes", type=float, default=30)
    options = parse.parse_args()
    torch.set_num_threads(1)
    started = time.time()
    document: dict[str, Any] = {
        "command": "benchmarks/world_checks.py " + " ".join(sys.argv[1:]), "machine": machine(),
        "seed": SEED, "world": world_mark(),
        "pictures for one cue": options.pictures,
        "trials": {"artists per genre": PER_GENRE, "individuals per class": PER_CLASS,
                   "queries each": QUERIES},
        "judges": judges(), "baselines": baselines(), "histograms": histograms(),
        "identity from one cue": blind(options.pictures, options.minutes),
    }  # fmt: skip
    document["checks"] = checks(document)
    document["seconds"] = round(time.time() - started)
    print(f"machine {document['machine']['cpu']}, load {document['machine']['load']}, seed {SEED}")
    for name, check in document["checks"].items():
        print(
            f"{'pass' if check['passed'] else 'FAIL'}  {name}: {check['found']} ({check['goal']})"
        )
    print(save("world_checks", document))
    fill_pages()


def checks(document: dict[str, Any]) -> dict[str, Any]:
    report: dict[str, Any] = {}
    colour = max(s["found"] for s in document["histograms"]["artist"].values())
    for name, judge in document["judges"].items():
        limit = round(SHORTCUT_GOAL * judge["style"]["found"], 4)
        report[f"colour histogram finds the artist, against {name}"] = {
            "found": colour, "goal": f"at most {limit}", "passed": colour <= limit,
        }  # fmt: skip
        for what in ("style", "subject"):
            error = judge[what]["error"]
            report[f"{name} {what} equal error rate"] = {
                "found": error, "goal": f"under {ERROR_GOAL}", "passed": error < ERROR_GOAL,
            }  # fmt: skip
    for name, baseline in document["baselines"].items():
        for what, named in baseline.get("zero shot", {}).items():
            report[f"{name} zero-shot {what}"] = {
                "found": named, "goal": f"at least {NAMED_GOAL}", "passed": named >= NAMED_GOAL,
            }  # fmt: skip
    # not the untrained overlap: one threshold for all classes flatters its error rate
    for what in ("outlines", "colours"):
        figures = document["identity from one cue"][what]
        report[f"identity from {what} alone, equal error rate"] = {
            "found": figures["error"], "goal": f"at least {BLIND_GOAL}",
            "passed": figures["error"] >= BLIND_GOAL,
        }  # fmt: skip
    return report


if __name__ == "__main__":
    main()
