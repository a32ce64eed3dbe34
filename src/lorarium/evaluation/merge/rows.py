"""What competes: each row draws a cell's pictures from the two adapters, or from one, or none."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from lorarium.adapter import Adapter, Array
from lorarium.adopted import trained_file
from lorarium.bases.base import Base
from lorarium.bases.sampling import sample
from lorarium.bases.stack import Rule
from lorarium.errors import LorariumError
from lorarium.evaluation.merge.cells import Cell, strangers, true_pictures
from lorarium.formats import read
from lorarium.mergers import METHODS, merge
from lorarium.mergers.dense_k_lora import k_lora_schedule
from lorarium.training.fit import fit
from lorarium.training.mint import job_of
from lorarium.training.recipe import Job


@dataclass(frozen=True)
class MergeContender:
    """`method` is one of `merge`, or a kind of its own; `sort` is merge, control or truth."""

    name: str
    method: str
    weights: tuple[float, float] = (1.0, 1.0)
    options: Mapping[str, Any] = field(default_factory=dict)
    sort: str = "merge"


@dataclass(frozen=True, eq=False)
class Drawn:
    pictures: Array  # (n, s, s, 3)
    merging: float  # seconds until the adapters were ready
    drawing: float


CONTROLS = (
    MergeContender("true renders", "true", sort="truth"),
    MergeContender("strangers (chance)", "strangers", sort="truth"),
    MergeContender("words alone", "words", sort="control"),
    MergeContender("subject's adapter alone, genre in words", "subject", sort="control"),
    MergeContender("style's adapter alone, class in words", "style", sort="control"),
    MergeContender("joint training", "joint", sort="control"),
)
NO_ROWS = {"cat": "it is the sum", "auto": "it is one of the others"}
MERGES = (
    *(MergeContender(name, name) for name in METHODS if name not in NO_ROWS),
    MergeContender("sum at 0.8", "sum", (0.8, 0.8)),
    MergeContender("sum at 0.6", "sum", (0.6, 0.6)),
    MergeContender("k-lora, static", "k-lora-static"),
)
SWEPT = ("sum", "roles")
CROWD = (  # rows of three adapters and more
    "true renders", "sum", "average", "svd", "karcher", "ties", "dare-ties", "knots", "ssr",
    "roles",
)  # fmt: skip
NETWORKS = {name: m.network for name, m in METHODS.items() if m.network is not None}
SWEEP = ((1.0, 0.25), (1.0, 0.5), (1.0, 0.75), (0.75, 1.0), (0.5, 1.0), (0.25, 1.0))


def swept(name: str) -> list[MergeContender]:
    """A method at other weights: a curve of who is kept against how it is drawn."""
    return [MergeContender(f"{name} at {a:g} and {b:g}", name, (a, b)) for a, b in SWEEP]


def rows_for(family: str) -> tuple[list[MergeContender], list[str]]:
    """The rows that can be drawn, and why the others cannot."""
    rows, skipped = [*CONTROLS], [f"{name}: {reason}" for name, reason in NO_ROWS.items()]
    for row in MERGES:
        if row.method == "b-lora" and family != "sdxl":
            skipped.append(f"b-lora: no blocks of {family} are known to hold content and style")
        elif row.method in NETWORKS and not _there(NETWORKS[row.method], family):
            skipped.append(f"{row.method}: no network was trained for {family}")
        else:
            rows.append(row)
    return rows, skipped


def _there(network: Path, family: str) -> bool:
    path = trained_file(network, family)
    return path is not None and path.is_file()


def draw(row: MergeContender, cell: Cell, base: Base, count: int, steps: int, noise: int) -> Drawn:
    """Pictures of a cell; every row of it starts from the same noise."""
    if row.sort == "truth":
        make = true_pictures if row.method == "true" else strangers
        return Drawn(make(cell, count, base.size), 0.0, 0.0)
    began = time.perf_counter()
    stack, schedule, prompt = _ready(row, cell, base)
    merging = time.perf_counter() - began
    seed = 1_000_000 * (1 + noise) + cell.seed
    pictures = sample(
        base, [prompt] * count, adapters=stack, schedule=schedule, steps=steps, seed=seed
    )
    return Drawn(pictures, merging, time.perf_counter() - began - merging)


Stack = list[tuple[Adapter, float]]


def _ready(row: MergeContender, cell: Cell, base: Base) -> tuple[Stack, Sequence[Rule], str]:
    subject, style = cell.entries
    if row.method == "words":
        return [], (), f"a {subject.of[0]} in {style.of[0]}"
    if row.method == "joint":
        return [(joint(cell, base), 1.0)], (), cell.prompt
    pair = [read(path) for _, path in cell.everyone]
    if row.method == "subject":
        head = cell.prompt.rsplit(" ", 1)[0]
        return [(pair[0], 1.0)], (), f"{head} {style.of[0]}"
    if row.method == "style":
        tail = cell.prompt.rsplit(" ", 1)[1]
        return [(pair[1], 1.0)], (), f"a {subject.of[0]} in {tail}"
    if row.method == "k-lora":
        rules = [Rule(**rule) for rule in k_lora_schedule(pair, row.weights)]
        return list(zip(pair, row.weights, strict=True)), rules, cell.prompt
    method = "k-lora" if row.method == "k-lora-static" else row.method
    options = dict(row.options) | ({"base": base} if METHODS[method].needs_base else {})
    if method == "roles":
        options["roles"] = [entry.kind for entry, _ in cell.everyone]
    weights = None if cell.others else row.weights
    return [(merge(pair, weights, method=method, **options), 1.0)], (), cell.prompt


def joint(cell: Cell, base: Base) -> Adapter:
    """One adapter trained on all sets of pictures, each as often, for as long as all took
    together, at the rank of all together and the lowest of their rates."""
    jobs = [job_of(entry, base) for entry, _ in cell.everyone]
    each_of = [job.recipe for job in jobs]
    rank = sum(r.rank for r in each_of)
    recipe = replace(
        each_of[0], rank=rank, alpha=float(rank), steps=sum(r.steps for r in each_of),
        lr=min(r.lr for r in each_of),
    )  # fmt: skip
    each = max(len(job.pictures) for job in jobs)
    places = [np.arange(each) % len(job.pictures) for job in jobs]
    pictures = np.concatenate([j.pictures[p] for j, p in zip(jobs, places, strict=True)])
    prompts = [j.prompts[i] for j, p in zip(jobs, places, strict=True) for i in p.tolist()]
    (made,) = fit(base, [Job(pictures, tuple(prompts), recipe, jobs[0].seed)])
    return made


Draw = Callable[[MergeContender, Cell, Base, int, int, int], Drawn]


def named(rows: Sequence[MergeContender], name: str) -> MergeContender:
    for row in rows:
        if row.name == name:
            return row
    raise LorariumError(f"no row {name!r}")
