"""The stage `describe`: the learned descriptors, from the zoo's train split into one small asset.

First the probe: how much each role of a module counts, axes that tell artists apart, and how much
these count, chosen on the validation split. Then the maps that bring adapters, pictures and words
together. Ships when it wins on validation.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from lorarium import trained
from lorarium.adapter import Array
from lorarium.descriptors.gram import unit
from lorarium.descriptors.learned import (
    ASSET,
    KIND,
    Learned,
    Probe,
    damped,
    load_learned,
    weighed,
)
from lorarium.descriptors.sketch import SKETCH_VERSION
from lorarium.encoders.store import mark_of
from lorarium.encoders.store import shipped as encoder
from lorarium.errors import LorariumError
from lorarium.evaluation.describe.folds import folds
from lorarium.evaluation.describe.looks import aligned_inputs, unseen_pictures
from lorarium.evaluation.describe.retrieved import figures, retrieve
from lorarium.evaluation.describe.rows import FittedContender
from lorarium.evaluation.describe.scenarios import texts_about
from lorarium.evaluation.describe.zoo import Corpus, Zoo, load, read_zoo
from lorarium.formats.families.embedded import SHIPPED
from lorarium.library.calibrate import ALPHA
from lorarium.recipes import zoo as zoo_stage
from lorarium.recipes.describe_data import SIZE, picture_table, read_examples, subset, text_examples
from lorarium.recipes.describe_maps import (
    Weights,
    aligned_maps,
    projection,
    role_weights,
)
from lorarium.recipes.timebox import ENDLESS, TimeBox
from lorarium.recipes.workplace import Workplace

RUN = "describe"
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
SHRINKS = (0.03, 0.1, 0.3, 1.0, 3.0)
PICTURE_COUNTS = (1, 3, 12)  # pictures of an artist that somebody may search by
WORDED = (40, 12)  # artists of a genre and individuals of a class that words are learned from


def run(place: Workplace, minutes: float) -> None:
    """Train on the zoo and ship what wins."""
    box = TimeBox(minutes)
    zoo = read_zoo(place.runs / zoo_stage.FOLDER)
    train(zoo, encoder("judge_a").net, place.asset(ASSET), runs=place.runs / RUN, box=box,
          words=WORDED, family=place.base.family)  # fmt: skip


def due() -> bool:
    """While the zoo is whole and what ships does not stand on it."""
    zoo = zoo_stage.complete_zoo()
    if zoo is None:
        return False
    try:
        return load_learned(ASSET).card.get("zoo") != mark(zoo)
    except LorariumError:
        return True


def train(
    zoo: Zoo, judge: nn.Module, asset: Path, *, runs: Path, words: tuple[int, int] = WORDED,
    box: TimeBox = ENDLESS, family: str = SHIPPED,
) -> bool:  # fmt: skip
    """Whether what was learned ships. Until all settings are scored, scores are kept in `runs`."""
    work = runs / mark(zoo)[:12]
    raw = read_examples(zoo, box=box, kept=work)
    known = [c for c in (load(zoo, kind, "validation") for kind in ("style", "subject"))
             if c.entries and any(folds(c))]  # fmt: skip
    if not known:
        raise LorariumError("no validation adapters to choose by", where=str(zoo.folder))
    full_rank = np.arange(0, len(raw.vectors), 2)  # an adapter at half its rank is too easy to find
    roles = role_weights(subset(raw, full_rank))
    examples = replace(raw, vectors=weighed(raw.vectors, roles))
    settings = [(shrink, share) for shrink in SHRINKS for share in SHARES]
    axes = {s: projection(examples, s) | {"probe.roles": roles} for s in SHRINKS}
    kept = work / "scores.json"
    scored: dict[str, dict[str, Any]] = json.loads(kept.read_text()) if kept.exists() else {}
    for s, a in settings:
        if str((s, a)) not in scored:
            box.check(f"{len(scored)} of {len(settings)} settings are scored")
            scored[str((s, a))] = validation(_learned(axes[s], a, family), known)
            trained.write_json(kept, scored)
    shrink, share = max(settings, key=lambda setting: scored[str(setting)]["score"])
    scores = scored[str((shrink, share))]
    print(f"shrinkage {shrink}, share of the axes {share}: {scores}", flush=True)
    rest = damped(examples.vectors - axes[shrink]["probe.mean"], axes[shrink])
    maps = aligned_maps(
        unit(rest),
        examples.artist,
        picture_table(examples.entries, judge, box=box, kept=work / "pictures.npy"),
        text_examples(judge, *words, box=box, kept=work / "texts.npy"),
    )
    learned = _learned(axes[shrink] | maps, share, family)
    card: dict[str, Any] = {
        "name": "describe",
        "data": "sketches of the zoo's train split, the drawn world's pictures and words",
        "family": family, "sketch": SKETCH_VERSION, "zoo": mark(zoo), "base_hash": zoo.base_hash,
        "recipe": {"shrink": shrink, "share": share, "words from": words},
        "artists": examples.artists, "adapters": len(examples.vectors) // 2,
        "judge": mark_of(judge), "least": min_cosines(learned, known, judge),
        "scores": {"validation": scores},
        "licence": "CC0-1.0",
    }  # fmt: skip
    better = wins(card, asset)
    if not better:
        print("the shipped descriptors keep their place", flush=True)
    else:
        save_learned(asset, learned.weights, card)
    shutil.rmtree(work, ignore_errors=True)
    return better


def mark(zoo: Zoo) -> str:
    """A hash of which adapters there are to learn from, how each was made, and of their base."""
    seen = [repr(e) for e in zoo.entries if e.split != "test"]
    content = json.dumps([zoo.base_hash, *sorted(seen)])
    return hashlib.sha256(content.encode()).hexdigest()


def validation(learned: Learned, known: Sequence[Corpus]) -> dict[str, Any]:
    """R@1 and mAP of the probe by kind and split; `score` is the mean of the mAPs."""
    report: dict[str, Any] = {}
    for corpus in known:
        row = FittedContender("probe", corpus.sketches, lambda: Probe(learned), "learned")
        answers = figures(retrieve(row, corpus, list(folds(corpus))))
        report[corpus.entries[0].kind] = {
            split: {key: round(f[key], 4) for key in ("r_at_1", "map")}
            for split, f in answers.items()
        }
    maps = [f["map"] for splits in report.values() for f in splits.values()]
    return report | {"score": round(float(np.mean(maps)), 4)}


def min_cosines(learned: Learned, known: Sequence[Corpus], judge: nn.Module) -> dict[str, float]:
    """The cosine that all but `ALPHA` of the true matches on validation reach: new pictures of an
    artist, a few or many, and texts, each with every single adapter they are true of."""
    cosines: dict[str, list[Array]] = {"pictures": [], "words": []}
    for corpus in known:
        gallery = learned.aligned(corpus.sketches)
        picture_sets = unseen_pictures(corpus, SIZE)
        for count in PICTURE_COUNTS:
            features = aligned_inputs([pictures[:count] for pictures in picture_sets], judge)
            asked = learned.picture_features(features)[corpus.artist]
            cosines["pictures"].append((asked * gallery).sum(1))
        about = texts_about(corpus, np.arange(len(corpus.entries)))
        if about.texts:
            scores = learned.words(about.texts) @ gallery.T
            cosines["words"].append(scores[about.relevant])
    quantiles = {k: np.quantile(np.concatenate(v), ALPHA) for k, v in cosines.items() if v}
    return {kind: round(float(value), 4) for kind, value in quantiles.items()}


def _learned(weights: Weights, share: float, family: str) -> Learned:
    held = {k: np.asarray(v, np.float32) for k, v in weights.items()}
    return Learned(family, held | {"probe.share": np.array([share], np.float32)}, {})


def wins(card: Mapping[str, Any], path: Path) -> bool:
    """Better on validation than what is shipped for the same base."""
    try:
        old = load_learned(path).card
    except LorariumError:
        return True
    if old.get("base_hash") != card["base_hash"]:
        return True
    return bool(card["scores"]["validation"]["score"] > old["scores"]["validation"]["score"])


def save_learned(path: Path, weights: Weights, card: Mapping[str, Any]) -> None:
    """In half precision, but for the facts' mean and scale."""
    held = {k: np.ascontiguousarray(v, np.float16) for k, v in weights.items()}
    held |= {k: np.ascontiguousarray(weights[k], np.float32) for k in ("facts.mean", "facts.scale")}
    trained.save(path, KIND, held, card)
