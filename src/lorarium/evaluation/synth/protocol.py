"""Every row on the same cells with the same noise, judged; resumable, one small file per target."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from lorarium.bases.base import Base
from lorarium.bases.rounded import rounded
from lorarium.bases.sampling import sample
from lorarium.descriptors.sketch import sketch
from lorarium.encoders.encode import encode
from lorarium.encoders.store import shipped
from lorarium.evaluation.describe.zoo import Zoo
from lorarium.evaluation.judges import Aspect, Judge, load_judge
from lorarium.evaluation.statistics import two_way_bootstrap, unbiased_mmd2
from lorarium.evaluation.synth.audit import among_weights, memorised
from lorarium.evaluation.synth.rows import (
    SynthContender,
    ZooAdapters,
    base_rows,
    generated_rows,
    make_timed,
    trained_rows,
    zoo_rows,
)
from lorarium.evaluation.synth.targets import Target, style_targets, subject_targets
from lorarium.evaluation.trials import unit
from lorarium.synthesis.store import Synth
from lorarium.synthesis.wishes import learned_last
from lorarium.training.recipe import Recipe

Array = np.ndarray
Figures = dict[str, Any]
Say = Callable[[str], None]
TRUE = "true renders"
LOOKS = "dino_like"  # sees no words and no labels, and nobody learned from it
FLOOR, BEST, OURS = "base, in words", "trained, tuned", "generated, 12 pictures"
TUNED = {"style": Recipe(), "subject": Recipe(lr=5e-3)}


@dataclass(frozen=True)
class Options:
    """What is measured. Headlines need at least 14 x 14 cells."""

    split: str = "test"
    judge: str = "b"
    per_genre: int = 1
    held: int = 1  # artists of each genre that was held out whole
    most: int | None = None  # artists of seen genres
    individuals: int = 14
    cells: int = 14
    steps: int = 12  # of sampling
    refine: tuple[int, ...] = (20,)
    trained: tuple[int, ...] = (10, 30, 100, 300)  # steps of the short trainings
    longest: int | None = None  # steps of the tuned training, its own when None
    kinds: tuple[str, ...] = ("style", "subject")
    seed: int = 0

    def quick(self) -> Options:
        """A trial of the whole way; its figures mean nothing."""
        return replace(
            self, most=3, individuals=3, cells=3, steps=6, refine=(5,), trained=(10,), longest=30
        )


def evaluate_synth(
    base: Base,
    synth: Synth,
    folder: Path,
    options: Options,
    *,
    zoo: Zoo | None = None,
    tuned: Mapping[str, Recipe] = TUNED,
    more: Callable[[str], Sequence[SynthContender]] | None = None,
    say: Say = print,
) -> Figures:
    """All rows for either kind. `more` adds rows of a kind; `folder` keeps what is drawn, so that a
    run that was interrupted goes on."""
    judge = load_judge(options.judge)
    document: Figures = {
        "options": asdict(options), "base_hash": base.hash, "generator": synth.hash,
        "judge": options.judge, "zoo": None if zoo is None else zoo.name, "kinds": {},
    }  # fmt: skip
    for kind in options.kinds:
        targets = _targets(kind, options, base.size)
        best = tuned[kind]
        if options.longest is not None:
            best = replace(best, steps=options.longest)
        zoo_adapters = None if zoo is None else ZooAdapters(zoo, kind, base.size)
        rows = [
            *base_rows(),
            *(
                zoo_rows(zoo_adapters, base, synth, options.seed)
                if zoo_adapters is not None
                else []
            ),
            *(more(kind) if more is not None else []),
            *generated_rows(base, synth, options.refine),
            *trained_rows(base, kind, options.trained, best),
        ]
        cells = {}
        for row in rows:
            row_folder = folder / kind / _mark(base, synth.hash if row.generated else "", options)
            with rounded(base):  # every row alike
                cells[row.name] = _drawn(base, row, targets, row_folder, options, say)
        cells[TRUE] = {t.name: Cells(t.true) for t in targets}
        drawn = {n: {k: c.pictures for k, c in cells_of.items()} for n, cells_of in cells.items()}
        outputs = {n: {k: c.output for k, c in cells_of.items()} for n, cells_of in cells.items()}
        document["kinds"][kind] = {
            "targets": [t.name for t in targets],
            "cells": options.cells,
            **_figures(judge, targets, cells, options),
            "memorised": memorised(
                judge, kind, targets, drawn, base.size, learned_last(synth.card)
            ),
            "weights": None if zoo is None
            else among_weights(kind, targets, outputs, zoo, options.split),
        }  # fmt: skip
    return document


@dataclass(frozen=True, eq=False)
class Cells:
    """The pictures of one row and target, seconds to make the LoRA, and its output sketch."""

    pictures: Array
    seconds: float = 0.0
    output: Array = field(default_factory=lambda: np.empty(0))


def _targets(kind: str, o: Options, size: int) -> list[Target]:
    if kind == "style":
        return style_targets(
            o.split, o.per_genre, o.cells, size, seed=o.seed, max_artists=o.most, held=o.held
        )
    return subject_targets(o.split, o.individuals, o.cells, size, seed=o.seed)


def _mark(base: Base, generator: str, o: Options) -> str:
    """What the drawn pictures depend on: with anything else they are drawn anew."""
    about = [base.hash, generator, o.split, o.cells, o.steps, o.longest, o.seed]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:12]


def _drawn(
    base: Base, row: SynthContender, targets: Sequence[Target], folder: Path, o: Options, say: Say
) -> dict[str, Cells]:
    folder = folder / row.name.replace(",", "").replace(" ", "-")
    folder.mkdir(parents=True, exist_ok=True)
    todo = [t for t in targets if not (folder / f"{t.name}.npz").exists()]
    if todo:
        adapters, seconds = make_timed(row, todo)
        seeds = [o.seed * 1000 + i for i in range(o.cells)]
        for target, adapter in zip(todo, adapters, strict=True):
            words = target.plain if row.plain else target.cells
            loras = [] if adapter is None else [(adapter, 1.0)]
            pictures = sample(base, list(words), adapters=loras, steps=o.steps, seed=seeds)
            beside = folder / f"{target.name}.new.npz"
            output = np.empty(0) if adapter is None else sketch(adapter).output
            np.savez_compressed(
                beside, pictures=pictures, seconds=seconds, output=output.astype(np.float16)
            )
            beside.rename(folder / f"{target.name}.npz")
        say(f"{row.name}: {len(todo)} LoRAs, {seconds:.2f} s each")
    cells = {}
    for target in targets:
        with np.load(folder / f"{target.name}.npz") as held:
            cells[target.name] = Cells(held["pictures"], float(held["seconds"]), held["output"])
    return cells


def _figures(
    judge: Judge, targets: Sequence[Target], cells: Mapping[str, Mapping[str, Cells]], o: Options
) -> Figures:
    kind = targets[0].kind
    aspect: Aspect = "style" if kind == "style" else "subject"
    scoring = judge.style_scores if aspect == "style" else judge.subject_scores
    scores = {
        name: np.stack([scoring(cells_of[t.name].pictures, t.references) for t in targets])
        for name, cells_of in cells.items()
    }
    passes = {
        name: np.stack([
            judge.accepts(aspect, of_target, cells_of[t.name].pictures, t.references)
            for t, of_target in zip(targets, scores[name], strict=True)
        ])
        for name, cells_of in cells.items()
    }  # fmt: skip
    wanted = [[word.split(" in ")[0].split()[-1] for word in t.cells] for t in targets]
    right = {
        name: np.array([
            [a == b for a, b in zip(judge.class_of(cells_of[t.name].pictures), words, strict=True)]
            for t, words in zip(targets, wanted, strict=True)
        ])
        for name, cells_of in cells.items()
    }  # fmt: skip
    looks = shipped(LOOKS).net
    true = [_seen(looks, t.true) for t in targets]
    apart = {
        name: np.array([
            unbiased_mmd2(_seen(looks, cells_of[t.name].pictures), y)
            for t, y in zip(targets, true, strict=True)
        ])
        for name, cells_of in cells.items() if name != TRUE
    }  # fmt: skip
    groups = {"seen": np.array([not t.hard for t in targets])}
    if any(t.hard for t in targets):
        groups["held-out genres"] = ~groups["seen"]
    report: Figures = {"groups": {}}
    for group, members in groups.items():
        rows = []
        for name in cells:
            each = [cells[name][t.name].seconds for t, is_own in zip(targets, members, strict=True)
                    if is_own]  # fmt: skip
            rows.append({
                "name": name,
                "score": _round(scores[name][members].mean()),
                "passes": _round(passes[name][members].mean()),
                "class": _round(right[name][members].mean()),
                "apart": None if name == TRUE else _round(apart[name][members].mean()),
                "gain": gain(scores, name, members, o.seed),
                "seconds": None if name == TRUE else round(float(np.mean(each)), 3),
            })  # fmt: skip
        report["groups"][group] = {"rows": rows, "paired": _paired(scores, members, o.seed)}
    return report


def _seen(net: Any, pictures: Array) -> Array:
    (vectors,) = encode(net, pictures, "picture")
    return unit(vectors)


def gain(scores: Mapping[str, Array], name: str, members: Array, seed: int) -> Figures | None:
    """The share of the tuned training's gain over the base in words, with its interval: both axes
    drawn anew together, as the paired differences are."""
    if BEST not in scores:
        return None
    floor, best, this = (scores[n][members] for n in (FLOOR, BEST, name))
    random = np.random.default_rng(seed)
    rows, columns = this.shape
    u = random.multinomial(rows, np.full(rows, 1 / rows), 4000).astype(float)
    v = random.multinomial(columns, np.full(columns, 1 / columns), 4000).astype(float)

    def means(table: Array) -> Array:
        return np.einsum("ri,ij,rj->r", u, table, v, optimize=True)

    below = means(best - floor)
    shares = means(this - floor)[below > 0] / below[below > 0]
    full_gain = float((best - floor).mean())
    if not len(shares) or full_gain <= 0:
        return None
    low, high = np.quantile(shares, [0.025, 0.975])
    share = float((this - floor).mean()) / full_gain
    return {"mean": _round(share), "low": _round(low), "high": _round(high)}


def _paired(scores: Mapping[str, Array], members: Array, seed: int) -> list[Figures]:
    """Ours less every other row, on the same cells."""
    comparisons = []
    for name, table in scores.items():
        if name != OURS:
            inside = two_way_bootstrap(scores[OURS][members] - table[members], seed=seed)
            comparisons.append(
                {"row": OURS, "less": name, **{k: _round(v) for k, v in asdict(inside).items()}}
            )
    return comparisons


def _round(value: float) -> float:
    return round(float(value), 4)
