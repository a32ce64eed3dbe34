"""The stage `forecast`: rates of merges by judge A on train and validation pairs, and what
foretells them from the weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lorarium import trained
from lorarium.adapter import Array
from lorarium.adopted import files_of
from lorarium.bases.base import Base, open_base
from lorarium.descriptors.learned import aligned
from lorarium.errors import LorariumError
from lorarium.evaluation.describe.zoo import read_zoo
from lorarium.evaluation.judges import load_judge
from lorarium.evaluation.merge.cells import Cell
from lorarium.evaluation.merge.drawing import PictureCache
from lorarium.evaluation.statistics import spearman
from lorarium.files import file_hash
from lorarium.forecasts.drafts import PICTURES as DRAFTED_PICTURES
from lorarium.forecasts.drafts import STEPS as DRAFTED_STEPS
from lorarium.forecasts.drafts import PreviewFeatures
from lorarium.forecasts.facts import forecast
from lorarium.forecasts.rates import (
    ASKED,
    ASSET,
    DRAFTED,
    KIND,
    ROLES,
    SETTINGS,
    RatePredictor,
    facts_of,
    load_predictor,
)
from lorarium.formats import read
from lorarium.formats.target import write_atomically
from lorarium.mergers.roles import ASSET as ROLES_NET
from lorarium.recipes.forecast_cells import judge_cells, pairs
from lorarium.recipes.merge import FOLDER as MERGE_ZOO
from lorarium.recipes.timebox import ENDLESS, TimeBox
from lorarium.recipes.workplace import Workplace
from lorarium.recipes.zoo import FOLDER as ZOO
from lorarium.world.mark import world_mark

RUN = "forecast"
# zoo, split, pairs: adapters of either zoo, so that more than one recipe is known
LEARNED = ((MERGE_ZOO, "validation", 64), (MERGE_ZOO, "train", 150), (ZOO, "train", 80))
PICTURES, SEED = 4, 5
AXES = (6, 12)  # of what the descriptor sees of either
RIDGES = (3.0, 10.0, 30.0, 100.0, 300.0)
FOLDS, FOLDINGS = 5, 4


@dataclass(frozen=True, eq=False)
class Pairs:
    """What the weights say of cells, and whose they are: facts (n, f), descriptors of either
    (n, d), numbers of subjects and styles (n, 2)."""

    facts: Array
    seen: tuple[Array, Array]
    adapter_numbers: Array

    def take(self, index: Array) -> Pairs:
        subject, style = (s[index] for s in self.seen)
        return Pairs(self.facts[index], (subject, style), self.adapter_numbers[index])


def read_pairs(cells: Sequence[Cell], box: TimeBox = ENDLESS) -> Pairs:
    adapters = {path: read(path) for cell in cells for path in cell.paths}
    seen = {path: aligned(adapter) for path, adapter in adapters.items()}
    number = {path: i for i, path in enumerate(adapters)}
    facts: list[list[float]] = []
    for c in cells:
        box.check(f"all pairs are judged, the weights of {len(facts)} were read")
        facts.append(facts_of(forecast([adapters[p] for p in c.paths], methods=("sum", "roles"))))
    sides = tuple(np.stack([seen[c.paths[r]] for c in cells]) for r in range(2))
    adapter_numbers = np.array([[number[p] for p in c.paths] for c in cells])
    return Pairs(np.array(facts, np.float32), sides, adapter_numbers)  # type: ignore[arg-type]


def with_drafts(
    known: Pairs,
    cells: Sequence[Cell],
    base: Base,
    roles: Path,
    folder: Path,
    box: TimeBox = ENDLESS,
) -> Pairs:
    """The same and what drafts say; what was drawn is kept."""
    adapters = {path: read(path) for cell in cells for path in cell.paths}
    net = file_hash(roles)
    ways = [way.name for way in SETTINGS]
    about = [base.hash, net, ways, DRAFTED_PICTURES, DRAFTED_STEPS]
    cache = folder / "drafts" / hashlib.sha256(json.dumps(about).encode()).hexdigest()[:12]
    cache.mkdir(parents=True, exist_ok=True)
    drafts, rows = PreviewFeatures(base, SETTINGS), []
    for n, cell in enumerate(cells):
        file = cache / ("--".join(path.stem for path in cell.paths) + ".json")
        if not file.exists():
            box.check(f"{n} of {len(cells)} pairs have drafts")
            facts = drafts.facts(*(adapters[path] for path in cell.paths))
            write_atomically(file, [json.dumps(facts).encode()], force=True)
        rows.append(json.loads(file.read_text()))
        if n % 50 == 0:
            print(f"{n}/{len(cells)} drafts", flush=True)
    return replace(known, facts=np.c_[known.facts, np.array(rows, np.float32)])


def fit_predictor(known: Pairs, rates: Array, ridge: float, axes: int) -> RatePredictor:
    """Linear in standardised numbers; `axes` = 0 leaves the descriptors out."""
    tensors = {}
    parts = [known.facts]
    for role, seen in zip(ROLES, known.seen, strict=True):
        centred = seen - seen.mean(0)
        tensors[f"axes.{role}"] = np.linalg.svd(centred, full_matrices=False)[2][:axes]
        parts.append(seen @ tensors[f"axes.{role}"].T)
    x = np.concatenate(parts, 1)
    mean, scale = x.mean(0), x.std(0) + 1e-6
    x = (x - mean) / scale
    y = rates.reshape(len(rates), -1)
    w = np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ (y - y.mean(0)))
    tensors |= {"mean": mean, "scale": scale, "weights": np.c_[w.T, y.mean(0)]}
    return RatePredictor({k: v.astype(np.float32) for k, v in tensors.items()})


def held_out_rates(known: Pairs, rates: Array, ridge: float, axes: int, seed: int = SEED) -> Array:
    """Foretold rates of pairs neither of whose adapters was learned from."""
    random = np.random.default_rng(seed)
    fold = random.integers(FOLDS, size=known.adapter_numbers.max() + 1)[known.adapter_numbers]
    prediction = np.full(rates.shape, np.nan)
    for a in range(FOLDS):
        for b in range(FOLDS):
            asked = (fold == (a, b)).all(1)
            rest = (fold[:, 0] != a) & (fold[:, 1] != b)
            if asked.any():
                some = known.take(np.flatnonzero(asked))
                net = fit_predictor(known.take(np.flatnonzero(rest)), rates[rest], ridge, axes)
                prediction[asked] = net.rates(some.facts, some.seen)
    return prediction


def calibrate(net: RatePredictor, prediction: Array, rates: Array) -> RatePredictor:
    """Soft shares as rates: a line for each of subject, style and both, through what was said of
    pairs that were not learned from."""
    lines = [
        np.polyfit(prediction[..., k].ravel(), rates[..., k].ravel(), 1) for k in range(len(ASKED))
    ]
    slope, start = np.tile(np.array(lines), (prediction.shape[1], 1)).T.astype(np.float32)
    weights = net.tensors["weights"] * slope[:, None]
    weights[:, -1] += start
    return RatePredictor({**net.tensors, "weights": weights}, net.card)


def rank(prediction: Array, rates: Array) -> float:
    """Spearman of the rate that is foretold for the way chosen with what it turns out to be."""
    best = prediction[:, :, 2].argmax(1)
    rows = np.arange(len(prediction))
    value = float(spearman(prediction[rows, best, 2], rates[rows, best, 2]))
    return round(value, 4) if np.isfinite(value) else 0.0


def choose_penalty(
    known: Pairs, soft: Array, truth: Array, choices: Sequence[int]
) -> tuple[float, int, float]:
    """The penalty and the number of axes that order held-out pairs best over several foldings, and
    how well they do."""

    def held(ridge: float, axes: int) -> float:
        predictions = (held_out_rates(known, soft, ridge, axes, SEED + k) for k in range(FOLDINGS))
        return round(float(np.mean([rank(one, truth) for one in predictions])), 4)

    score, ridge, axes = max((held(r, a), r, a) for r in RIDGES for a in choices)
    return ridge, axes, score


def run(place: Workplace, minutes: float, share: float = 1.0) -> None:
    """Draw what is missing, and fit once all is there; with a share of the pairs only."""
    with files_of(place.files):
        _run(place, TimeBox(minutes), share)


def pairs_of(share: float, count: int) -> int:
    """How many pairs a share of so many is: a handful says nothing."""
    return max(min(count, 16), int(share * count))


def _run(place: Workplace, box: TimeBox, share: float) -> None:
    base, judge, folder = place.base, load_judge("a"), place.runs / RUN
    drawings = PictureCache(base, folder / "drawn")
    cells: list[Cell] = []
    rates: list[Array] = []
    soft: list[Array] = []
    for zoo, split, count in LEARNED:
        some = pairs(read_zoo(place.runs / zoo), split, pairs_of(share, count), SEED)
        cells += some
        margins = judge_cells(drawings, some, judge, PICTURES, box=box)
        rates.append(margins.rates)
        soft.append(margins.soft)
        print(zoo, split, rates[-1].mean(0).round(3).tolist(), flush=True)
    truth, wanted = np.concatenate(rates), np.concatenate(soft)
    known = read_pairs(cells, box)
    drafted = with_drafts(known, cells, base, place.asset(ROLES_NET), folder, box)
    for path, facts in ((place.asset(ASSET), known), (place.asset(DRAFTED), drafted)):
        ridge, axes, held = choose_penalty(facts, wanted, truth, AXES)
        print(path.stem, {"ridge": ridge, "axes": axes, "spearman": held}, flush=True)
        prediction = held_out_rates(facts, wanted, ridge, axes)
        net = calibrate(fit_predictor(facts, wanted, ridge, axes), prediction, truth)
        card: dict[str, Any] = {
            "name": path.stem, "base_hash": base.hash, "world": world_mark(), "licence": "CC0-1.0",
            "data": "merges of train and validation pairs of merge.toml and zoo.toml, by judge A",
            "recipe": {"pairs": len(cells), "pictures": PICTURES, "ridge": ridge, "axes": axes},
            "scores": {"spearman of held-out pairs": held},
        }  # fmt: skip
        trained.save(path, KIND, net.tensors, card)


def due() -> bool:
    try:
        hashes = [load_predictor(path).card.get("base_hash") for path in (ASSET, DRAFTED)]
        return hashes != [open_base().hash] * 2
    except LorariumError:
        return True
