"""What came out of an adoption, on people whom nothing learned from, by judges that nothing learned
from: merges, generated adapters and descriptors beside what needs no learning."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lorarium import trained
from lorarium.adapter import Array
from lorarium.descriptors.learned import ASSET as DESCRIBE
from lorarium.descriptors.learned import load_learned
from lorarium.evaluation.describe.protocol import Options as DescribeOptions
from lorarium.evaluation.describe.protocol import evaluate_describe
from lorarium.evaluation.describe.zoo import read_zoo
from lorarium.evaluation.merge.protocol import Options as MergeOptions
from lorarium.evaluation.merge.protocol import evaluate_merge
from lorarium.evaluation.merge.rows import MergeContender
from lorarium.evaluation.synth.protocol import Options as SynthOptions
from lorarium.evaluation.synth.protocol import evaluate_synth
from lorarium.evaluation.synth.targets import Target, style_targets, subject_targets
from lorarium.mergers.roles import ASSET as ROLES
from lorarium.mergers.roles import KIND as ROLES_KIND
from lorarium.mergers.roles import carried, load_roles
from lorarium.pictures import enlarged, grid, labelled, write_png
from lorarium.recipes import merge, zoo
from lorarium.recipes.adoption import tune as tuning
from lorarium.recipes.adoption.effort import Effort
from lorarium.recipes.timebox import TimeBox
from lorarium.recipes.workplace import Workplace
from lorarium.synthesis.store import ASSET as SYNTH
from lorarium.synthesis.store import load_synth
from lorarium.trained import write_json
from lorarium.training.mint import MANIFEST

REPORTER = "reporter"
CELLS_OF_MERGES = 5, 4, 7  # subjects and styles, pictures of a cell, rows that are drawn
MERGES = (
    "true renders",
    "strangers (chance)",
    "words alone",
    "sum",
    "np-lora",
    "lora-rar",
    "roles",
)
CARRIED = "roles, carried over"
TARGETS, CELLS = 6, 8  # of either kind that is synthesized, and pictures of each
SHOWN = {
    "base-in-words": "words", "nearest-by-pictures": "nearest",
    "generated-12-pictures": "generated", "trained-tuned": "trained",
}  # fmt: skip
SHEET = 4  # targets and pictures of each row of a sheet
MERGED_SHEET, GENERATED_SHEET = "merges.png", "generated.png"
Figures = dict[str, Any]


def examine(place: Workplace, effort: Effort, box: TimeBox) -> Figures:
    """Figures by topic, of what was made; each is kept once it is there."""
    figures: Figures = {}
    for topic, made, measure in (
        ("describe", place.asset(DESCRIBE), _describe),
        ("merge", place.runs / merge.FOLDER / MANIFEST, _merge),
        ("synth", place.asset(SYNTH), _synth),
    ):
        if not made.is_file():
            continue
        kept = place.runs / f"examined-{topic}.json"
        if not kept.exists():
            box.check(f"{len(figures)} of three things are examined")
            write_json(kept, measure(place, effort))
        figures[topic] = json.loads(kept.read_text("utf-8"))
    return figures


def _say(words: str) -> None:
    print(words, flush=True)


def _describe(place: Workplace, effort: Effort) -> Figures:
    learned = load_learned(place.asset(DESCRIBE))
    return evaluate_describe(
        place.runs / zoo.FOLDER, place.runs / "samples", DescribeOptions(judge=REPORTER, samples=0),
        learned=learned, say=_say,
    )  # fmt: skip


def _merge(place: Workplace, effort: Effort) -> Figures:
    side, pictures, _ = CELLS_OF_MERGES
    options = MergeOptions(
        judge=REPORTER, side=0, screened=side, pictures=pictures, near=0, curves=False, crowd=False,
        only=MERGES,
    )  # fmt: skip
    return evaluate_merge(
        place.runs / merge.FOLDER, place.runs / "examined-merges", place.base, options,
        more=_carried(place), sheet=place.files / MERGED_SHEET, force=True, say=_say,
    )  # fmt: skip


def _carried(place: Workplace) -> list[MergeContender]:
    """`roles` as the base that ships has them, for the modules of this one: nothing was learned."""
    ours = load_roles(place.asset(ROLES)) if place.asset(ROLES).is_file() else None
    if ours is None or place.asset(ROLES) == ROLES or not ROLES.is_file():
        return []
    net = carried(load_roles(ROLES), ours.place, place.base.hash)
    path = place.runs / "carried-roles.safetensors"
    modules = json.dumps([[m.part, m.path] for m in net.place])
    trained.save(path, ROLES_KIND, net.tensors, net.card, {"modules": modules})
    return [MergeContender(CARRIED, "roles", options={"network": str(path)})]


def _synth(place: Workplace, effort: Effort) -> Figures:
    options = SynthOptions(
        judge=REPORTER, most=TARGETS, held=0, individuals=TARGETS, cells=CELLS, refine=(),
        trained=(),
    )  # fmt: skip
    tuned = {kind: tuning.tuned(r, effort.tuning) for kind, r in tuning.RECIPES.items()}
    folder = place.runs / "examined-synth"
    figures = evaluate_synth(
        place.base, load_synth(place.asset(SYNTH), place.base), folder, options,
        zoo=read_zoo(place.runs / zoo.FOLDER), tuned=tuned, say=_say,
    )  # fmt: skip
    size = place.base.size
    targets = [
        *style_targets("test", 1, CELLS, size, seed=0, max_artists=TARGETS, held=0)[:SHEET],
        *subject_targets("test", TARGETS, CELLS, size, seed=0)[:SHEET],
    ]
    write_generated(place.files / GENERATED_SHEET, targets, folder)
    return figures


def write_generated(path: Path, targets: Sequence[Target], folder: Path) -> None:
    """A row for each target: what was shown, true pictures, and what was drawn in every way."""
    pictures: list[Array] = []
    for target in targets:
        pictures += [*target.references[:2], *target.true[:2]]
        for name in SHOWN:
            (file,) = folder.glob(f"{target.kind}/*/{name}/{target.name}.npz")
            with np.load(file, allow_pickle=False) as held:
                pictures += list(held["pictures"][:2])
    size = targets[0].true.shape[1]
    times = max(1, 96 // size)
    top = [word for name in ("shown", "true", *SHOWN.values()) for word in (name, "")]
    sheet = grid(enlarged(np.stack(pictures), times), len(top))
    labels = [" ".join(map(str, t.of)) for t in targets]
    write_png(path, labelled(sheet, top, labels, size * times), force=True)
