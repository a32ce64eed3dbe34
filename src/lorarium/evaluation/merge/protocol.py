"""From a minted folder to one document: every row screened, then the leaders on more cells."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lorarium.adapter import Array
from lorarium.bases.base import Base
from lorarium.encoders.encode import encode
from lorarium.encoders.store import shipped
from lorarium.errors import LorariumError
from lorarium.evaluation.base_checks import reference_pictures
from lorarium.evaluation.describe.zoo import read_zoo
from lorarium.evaluation.judges import Judge, load_judge
from lorarium.evaluation.merge.cells import (
    Cell,
    crowded,
    members,
    spread,
    table,
    true_pictures,
)
from lorarium.evaluation.merge.drawing import PictureCache, Progress, Task
from lorarium.evaluation.merge.rows import CROWD, SWEPT, MergeContender, named, rows_for, swept
from lorarium.evaluation.merge.sheet import write_sheet
from lorarium.evaluation.statistics import two_way_bootstrap, unbiased_mmd2
from lorarium.evaluation.trials import unit

Figures = dict[str, Any]
Scores = dict[str, Array]  # (subjects, styles, pictures)
ALWAYS = ("true renders", "sum", "average", "ties", "dare-ties", "lora-rar", "roles")
SLOW = ("joint training", "ziplora")  # optimised for each cell: screened only
COMPARED = ("true renders", "sum", "lora-rar", "roles")  # by distance
LEADERS = 2  # chosen by the other judge on the screening, scored on other noise
SIMILAR = ("clip_like", "dino_like")
CROWDS = {"of three": ["style"], "of four": ["style", "subject"]}  # who is merged in besides


@dataclass(frozen=True)
class Options:
    split: str = "test"
    judge: str = "b"  # reports; the other one chooses the leaders
    side: int = 14  # subjects and styles of the headline; 0 leaves it out
    screened: int = 7  # subjects and styles of the screening
    pictures: int = 8  # of a cell
    sketched: int = 2  # of a cell of a curve
    near: int = 32  # pictures of a cell for distances, against `true`; 0 leaves these out
    true: int = 256
    steps: int = 12  # of sampling
    curves: bool = True
    crowd: bool = True  # merges of three and four
    few: int = 4  # subjects and styles of these, and of distances
    recipes: tuple[str | None, str | None] = (None, None)  # of subjects and styles
    only: tuple[str, ...] = ()  # names of rows; all of them when empty
    seed: int = 0

    def quick(self) -> Options:
        return replace(self, side=0, screened=2, pictures=4, near=0, curves=False, crowd=False)


def evaluate_merge(
    folder: Path,
    cache: Path,
    base: Base,
    options: Options | None = None,
    *,
    workers: int = 1,
    sheet: Path | None = None,
    force: bool = False,
    more: Sequence[MergeContender] = (),
    judges: Callable[[str], Judge] = load_judge,
    progress: Progress = lambda *_: None,
    say: Callable[[str], None] = lambda words: None,
) -> Figures:
    """One document; what could not be measured is listed with its reason. `cache` keeps what was
    drawn from one run to the next; `sheet` is a PNG to write."""
    o = options or Options()
    zoo = read_zoo(folder)
    if zoo.base_hash != base.hash:
        raise LorariumError(
            "these adapters were trained on another base", where=str(folder), hint="give --base"
        )
    max_members = max(o.side, o.screened)
    subjects, styles = (
        members(zoo, kind, o.split, max_members, recipe)
        for kind, recipe in zip(("subject", "style"), o.recipes, strict=True)
    )
    few = [[side[i] for i in spread(o.screened, len(side))] for side in (subjects, styles)]
    rows, skipped = rows_for(base.family)
    rows = [*(row for row in rows if not o.only or row.name in o.only), *more]
    if not rows:
        raise LorariumError("no row of these names can be drawn", hint="; ".join(skipped))
    judge, other = judges(o.judge), judges("a" if o.judge == "b" else "b")
    drawings = PictureCache(base, cache, workers)

    def measured(
        some: Sequence[MergeContender],
        cells: Sequence[Cell],
        noise: int,
        pictures: int = o.pictures,
    ) -> dict[str, Figures]:
        tasks = [(row, cell, pictures, o.steps, noise) for row in some for cell in cells]
        drawings.fill(tasks, progress)
        return {
            row.name: _row(row, drawings, [t for t in tasks if t[0] is row], judge, base.size)
            for row in some
        }

    cells = table(zoo, *few)
    say(f"screening {len(rows)} rows on {len(few[0])} x {len(few[1])} cells")
    screened = measured(rows, cells, 0)
    document: Figures = {
        "zoo": zoo.name, "base_hash": base.hash, "options": asdict(o), "skipped": skipped,
        "machine": platform.platform(), "screening": _section(screened, o.seed),
    }  # fmt: skip
    if o.curves:
        chosen = [r for name in SWEPT if name in screened for r in swept(name)]
        say(f"{len(chosen)} rows of curves")
        curves = screened | measured(chosen, cells, 0, o.sketched)
        document["curves"] = {
            name: [_rates(curves[n]["scores"]) | {"row": n}
                   for n in [name, *(row.name for row in swept(name))]]
            for name in SWEPT if name in screened
        }  # fmt: skip
    quick = [row for row in rows if row.name not in SLOW]
    leaders = _leaders(quick, cells, drawings, other, o, base.size)
    top = [named(rows, n) for n in dict.fromkeys([*ALWAYS, *leaders]) if n in screened]
    if o.side:
        large = table(zoo, subjects, styles)
        say(f"{len(top)} rows on {len(subjects)} x {len(styles)} cells")
        document["leaders"] = leaders
        document["headline"] = _section(measured(top, large, 1), o.seed)
    fewer = table(zoo, *([side[i] for i in spread(o.few, len(side))] for side in few))
    if o.crowd:
        some = [row for row in rows if row.name in CROWD]
        for name, kinds in CROWDS.items():
            if crowd := crowded(zoo, fewer, kinds, o.split):
                say(f"{len(some)} rows {name}")
                document[name] = _section(measured(some, crowd, 3), o.seed)
    if o.near:
        some = [row for row in top if row.name in COMPARED]
        say(f"distances of {len(some)} rows to true pictures")
        document["distances"] = _distances(some, fewer, drawings, judge, o, base.size, progress)
    if sheet is not None:
        controls = [r for r in rows if r.sort == "control" and r not in top]
        write_sheet(
            sheet, [*controls, *top], cells, drawings, (o.pictures, o.steps, 0), force=force
        )
    return document


def _row(
    row: MergeContender, drawings: PictureCache, tasks: Sequence[Task], judge: Judge, size: int
) -> Figures:
    """Verdicts of every picture as tables (subjects, styles, pictures), and what it took."""
    drawn = [drawings[task] for task in tasks]
    cells = [task[1] for task in tasks]
    shape = (max(c.subject for c in cells) + 1, max(c.style for c in cells) + 1)
    scores = {}
    for name, values in _verdicts([d.pictures for d in drawn], cells, judge, size).items():
        scores[name] = values.reshape(*shape, -1)
    merging, drawing = ([getattr(d, name) for d in drawn] for name in ("merging", "drawing"))
    each = len(drawn[0].pictures)
    return {
        "sort": row.sort, "scores": scores, "merge seconds": float(np.median(merging)),
        "seconds a picture": float(np.median(drawing)) / each,
    }  # fmt: skip


def _verdicts(pictures: Sequence[Array], cells: Sequence[Cell], judge: Judge, size: int) -> Scores:
    tables: dict[str, list[Array]] = {}

    def add(name: str, values: Array) -> None:
        tables.setdefault(name, []).append(values.astype(float))

    for some, cell in zip(pictures, cells, strict=True):
        subjects, styles = (reference_pictures(entry, size) for entry in cell.entries)
        subject, style = judge.subject_scores(some, subjects), judge.style_scores(some, styles)
        passes = (
            judge.accepts("subject", subject, some, subjects),
            judge.accepts("style", style, some, styles),
        )
        add("subject", passes[0])
        add("style", passes[1])
        add("both", passes[0] & passes[1])
        add("class", np.array([kind == cell.entries[0].of[0] for kind in judge.class_of(some)]))
        add("subject similarity", subject)
        add("style similarity", style)
        for name in SIMILAR:
            known = shipped_net(name)
            for what, references in (("subject", subjects), ("style", styles)):
                (drawn,), (truth,) = (encode(known, x, "picture") for x in (some, references))
                add(f"{name} to {what}", unit(drawn) @ unit(truth).mean(0))
    return {name: np.stack(values) for name, values in tables.items()}


_NETS: dict[str, Any] = {}


def shipped_net(name: str) -> Any:
    if name not in _NETS:
        _NETS[name] = shipped(name).net
    return _NETS[name]


def _rates(scores: Scores) -> dict[str, float]:
    return {name: round(float(values.mean()), 4) for name, values in scores.items()}


def _section(measured: Mapping[str, Figures], seed: int) -> Figures:
    """Rates of each row, and on "both" each pair of rows that is worth a comparison."""
    lines = [
        {"name": name, **{k: v for k, v in f.items() if k != "scores"}, **_rates(f["scores"])}
        for name, f in measured.items()
    ]
    merges = {name: f for name, f in measured.items() if f["sort"] == "merge"}
    pairs = []
    if "joint training" in measured and merges:
        best = max(merges, key=lambda name: merges[name]["scores"]["both"].mean())
        pairs.append(("joint training", best))
    ours = [name for name in ("roles", "lora-rar", "np-lora", "sum") if name in merges][:2]
    pairs += [(a, b) for a in ours for b in measured if b != a]
    shape = next(iter(measured.values()))["scores"]["both"].shape
    return {
        "cells": list(shape[:2]), "pictures": shape[2], "rows": lines,
        "paired": [
            {"row": a, "less": b, "both": asdict(two_way_bootstrap(
                measured[a]["scores"]["both"] - measured[b]["scores"]["both"], seed=seed))}
            for a, b in pairs
        ],
    }  # fmt: skip


def _leaders(
    rows: Sequence[MergeContender], cells: Sequence[Cell], drawings: PictureCache, judge: Judge,
    o: Options, size: int,
) -> list[str]:  # fmt: skip
    """The merges that the other judge likes best."""
    rates = {}
    for row in rows:
        if row.sort == "merge":
            drawn = [drawings[row, cell, o.pictures, o.steps, 0].pictures for cell in cells]
            verdicts = [
                judge.both_pass(x, *(reference_pictures(e, size) for e in c.entries))
                for x, c in zip(drawn, cells, strict=True)
            ]
            rates[row.name] = float(np.mean(verdicts))
    return sorted(rates, key=lambda name: -rates[name])[:LEADERS]


def _distances(
    rows: Sequence[MergeContender], cells: Sequence[Cell], drawings: PictureCache, judge: Judge,
    o: Options, size: int, progress: Progress,
) -> Figures:  # fmt: skip
    """Unbiased MMD² to true pictures of the cell, in the judge's vectors of who and how."""

    def vectors(pictures: Array) -> Array:
        heads = encode(judge.net, pictures, "identity", "style")
        return np.concatenate([unit(v) for v in heads], -1)

    contenders = [row for row in rows if row.method != "true"]
    tasks = [(row, cell, o.near, o.steps, 2) for row in contenders for cell in cells]
    drawings.fill(tasks, progress)
    true = [vectors(true_pictures(c, o.true, size, first=100_000)) for c in cells]
    distances = {
        row.name: [
            unbiased_mmd2(vectors(drawings[row, c, o.near, o.steps, 2].pictures), y)
            for c, y in zip(cells, true, strict=True)
        ]
        for row in contenders
    }
    renders = [vectors(true_pictures(c, o.near, size)) for c in cells]
    distances["true renders"] = [unbiased_mmd2(x, y) for x, y in zip(renders, true, strict=True)]
    return {name: round(float(np.mean(values)), 5) for name, values in distances.items()}
