"""The stages of an adoption, in the order in which they stand on each other: what each makes, what
it will take, and how it is run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lorarium.adopted import files_of
from lorarium.bases.base import Base
from lorarium.descriptors.effect import ASSET as INSIDE
from lorarium.descriptors.learned import ASSET as DESCRIBE
from lorarium.forecasts.drafts import PICTURES as DRAFTS
from lorarium.forecasts.drafts import STEPS as DRAFTED_STEPS
from lorarium.forecasts.rates import ASSET as FORECAST
from lorarium.forecasts.rates import DRAFTED, SETTINGS
from lorarium.formats.families.embedded import EMBEDDED
from lorarium.mergers.lora_rar import ASSET as LORA_RAR
from lorarium.mergers.roles import ASSET as ROLES
from lorarium.recipes import activations, describe, forecast, merge, roles, synth, zoo
from lorarium.recipes.adoption import tune as tuning
from lorarium.recipes.adoption.effort import PAIRS, ROLE_PICTURES, SYNTH_PICTURES, Effort, Tuning
from lorarium.recipes.adoption.examine import CELLS_OF_MERGES, examine
from lorarium.recipes.adoption.survey import PICTURES as ASKED
from lorarium.recipes.adoption.survey import survey, unknown
from lorarium.recipes.adoption.timing import Timing
from lorarium.recipes.cell_teachers import DRAWN, TEACHER
from lorarium.recipes.synth_teachers import DRAWN as DRAWN_BY_TEACHERS
from lorarium.recipes.timebox import TimeBox
from lorarium.recipes.workplace import Workplace
from lorarium.synthesis.store import ASSET as SYNTH
from lorarium.trained import write_json
from lorarium.training.manifest import Manifest
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES

SURVEY, TUNING, EXAMINED = "survey.json", "tuning.json", "examined.json"
GUIDED = 2  # predictions of a step of drawing


@dataclass(frozen=True)
class Stage:
    """`makes` are the files of the base folder that it makes; `seconds` is what it will take."""

    name: str
    about: str
    makes: tuple[Path, ...]
    run: Callable[[Workplace, Effort, TimeBox], None]
    seconds: Callable[[Base, Effort, Timing], float]
    topic: str  # of `--only`


def _survey(place: Workplace, effort: Effort, box: TimeBox) -> None:
    unknown(survey(place.base, place.runs / SURVEY, box))


def _tune(place: Workplace, effort: Effort, box: TimeBox) -> None:
    chosen = effort.tuning
    if place.base.family not in EMBEDDED:  # whose recipes are of its own measure
        chosen = tuning.tune(place.base, chosen, place.runs / "rates.json", box)
    write_json(place.runs / TUNING, vars(chosen))


def settled(place: Workplace, effort: Effort) -> Effort:
    """The effort with what the first stages have measured."""
    values = _json(place.runs / TUNING)
    words = _json(place.runs / SURVEY)
    if values is not None:
        effort = replace(effort, tuning=Tuning(**values))
    if words is not None:
        effort = replace(effort, left_out=unknown(words))
    return effort


def _json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8")) if path.exists() else None


def _inside(place: Workplace, effort: Effort, box: TimeBox) -> None:
    activations.run(place, box.left)


@dataclass(frozen=True)
class Batches:
    """How much of each kind of learning is done at once, as far as it depends on the base."""

    mint: int | None  # adapters; None is what the device is given usually
    pairs: int  # of a step of LoRA.rar's network
    roles: int  # pictures
    synth: tuple[int, int]  # generated LoRAs, and pictures of all of them


def batches(base: Base) -> Batches:
    """A large picture fills the memory alone."""
    if base.size > activations.SMALL:
        return Batches(1, 1, 2, (1, 4))
    device = base.device.type
    plan = synth.PLANS[device if device in synth.PLANS else "cpu"]
    return Batches(None, merge.PLAN.batch, roles.PLAN.batch, (synth.SOURCES[device], plan.batch))


def _zoo(place: Workplace, effort: Effort, box: TimeBox) -> None:
    left = zoo.mint_into(
        place, zoo.FOLDER, effort.zoo(), box.left, quick=True, batch=batches(place.base).mint
    )
    if left:
        box.check(f"{left} adapters are left to mint")


def _describe(place: Workplace, effort: Effort, box: TimeBox) -> None:
    describe.run(place, box.left)


def _merge(place: Workplace, effort: Effort, box: TimeBox) -> None:
    at_once = batches(place.base)
    plan = replace(merge.PLAN, total=effort.amount(PAIRS, at_once.pairs), batch=at_once.pairs)
    merge.run(place, box.left, effort.merge_zoo(), plan, at_once.mint)


def _roles(place: Workplace, effort: Effort, box: TimeBox) -> None:
    at_once = batches(place.base)
    total = effort.amount(ROLE_PICTURES, at_once.roles)
    plan = replace(roles.PLAN, total=total, batch=at_once.roles)
    roles.run(place, box.left, effort.merge_zoo(), plan, at_once.mint, effort.cells())


def _forecast(place: Workplace, effort: Effort, box: TimeBox) -> None:
    forecast.run(place, box.left, effort.share)


def _synth(place: Workplace, effort: Effort, box: TimeBox) -> None:
    sources, pictures = batches(place.base).synth
    plan = replace(
        synth.PLANS[place.base.device.type], total=effort.amount(SYNTH_PICTURES, pictures),
        batch=pictures,
    )  # fmt: skip
    todo, at_once = effort.synth_zoo(), batches(place.base).mint
    synth.run(place, box.left, plan, sources, effort.own, todo, at_once)


def _examine(place: Workplace, effort: Effort, box: TimeBox) -> None:
    write_json(place.runs / EXAMINED, examine(place, effort, box))


# what each will take


def _drawing(t: Timing, pictures: float, steps: int = 12) -> float:
    return pictures * steps * GUIDED * t.predict


def _training(manifest: Manifest, t: Timing) -> float:
    pictures = sum(e.numbers.steps * e.numbers.batch for e in manifest.entries)
    return t.mint * pictures / t.workers


def _survey_seconds(base: Base, effort: Effort, t: Timing) -> float:
    pictures = ASKED * (len(SEEN_CLASSES) + len(SEEN_GENRES))
    return pictures * (2 * t.predict + t.render)


def _tune_seconds(base: Base, effort: Effort, t: Timing) -> float:
    if base.family in EMBEDDED:
        return 0.0
    recipe = tuning.tuned(tuning.RECIPES["style"], effort.tuning)
    one = tuning.TARGETS * 2 * recipe.steps * recipe.batch * t.mint
    return 3 * (one + _drawing(t, 2 * tuning.TARGETS * tuning.CELLS))


def _inside_seconds(base: Base, effort: Effort, t: Timing) -> float:
    return 1.3 * activations.amounts(base)[0] * (t.predict + t.render)


def _zoo_seconds(base: Base, effort: Effort, t: Timing) -> float:
    manifest = effort.zoo()
    drawn = sum(len(e.pictures) for e in manifest.entries)
    return _training(manifest, t) + drawn * t.render


def _describe_seconds(base: Base, effort: Effort, t: Timing) -> float:
    manifest = effort.zoo()
    read = [e for e in manifest.entries if e.split != "test"]
    people = {(e.kind, *e.of) for e in read if e.split == "train"}
    texts = describe.WORDED[0] * len(SEEN_GENRES) + describe.WORDED[1] * len(SEEN_CLASSES)
    small = min(t.render, 0.02)  # what judge A sees is drawn at 48 pixels
    return 2.5 * t.sketch * len(read) + small * (32 * len(people) + 12 * texts) + 60


def _merge_seconds(base: Base, effort: Effort, t: Timing) -> float:
    return _training(effort.merge_zoo(), t) + t.merge * effort.amount(PAIRS, 8)


def _roles_seconds(base: Base, effort: Effort, t: Timing) -> float:
    cells = (1 + roles.KNOWN) * effort.cells()
    taught = cells * TEACHER.steps * TEACHER.batch * t.mint
    drawn = cells + sum(entry.split != "test" for entry in effort.merge_zoo().entries)
    learned = effort.amount(ROLE_PICTURES, 32) + 2 * roles.ASKED * 32
    return taught + _drawing(t, drawn * DRAWN) + t.roles * learned


def _forecast_seconds(base: Base, effort: Effort, t: Timing) -> float:
    pairs = sum(forecast.pairs_of(effort.share, count) for _, _, count in forecast.LEARNED)
    ways = len(SETTINGS)
    drafts = pairs * (ways + 0.5) * DRAFTS * DRAFTED_STEPS * t.predict
    return _drawing(t, pairs * ways * forecast.PICTURES) + drafts + pairs * 4 * t.sketch


def _synth_seconds(base: Base, effort: Effort, t: Timing) -> float:
    at_once, batch = batches(base).synth
    pictures = effort.amount(SYNTH_PICTURES, batch)
    teachers = effort.synth_zoo()
    sources = pictures / batch * at_once / 2 * 0.25 + len(teachers.entries)
    looks = 5 * 16 * 8 + DRAWN_BY_TEACHERS * len(teachers.entries)  # loudnesses, targets, cells
    learned = t.synth * pictures + 28 * sources * t.render
    return _training(teachers, t) + learned + _drawing(t, looks)


def _examine_seconds(base: Base, effort: Effort, t: Timing) -> float:
    side, pictures, ways = CELLS_OF_MERGES
    recipe = tuning.tuned(tuning.RECIPES["style"], effort.tuning)
    trained = 12 * recipe.steps * recipe.batch * t.mint
    return _drawing(t, side * side * pictures * ways + 12 * 6 * 8) + trained + 120


STAGES = (
    Stage("survey", "which words of the world mean anything to the base", (), _survey,
          _survey_seconds, ""),
    Stage("tune", "how fast adapters of it should learn", (), _tune, _tune_seconds, ""),
    Stage("inside", "what its modules see while it draws", (INSIDE,), _inside, _inside_seconds,
          "describe"),
    Stage("zoo", "adapters of artists and individuals", (), _zoo, _zoo_seconds, "describe"),
    Stage("describe", "maps that find an artist, by adapters, words and pictures", (DESCRIBE,),
          _describe, _describe_seconds, "describe"),
    Stage("merge", "stronger adapters, and LoRA.rar's network", (LORA_RAR,), _merge,
          _merge_seconds, "merge"),
    Stage("roles", "the merger that learns from teachers of true pictures", (ROLES,), _roles,
          _roles_seconds, "merge"),
    Stage("forecast", "what a merge will show", (FORECAST, DRAFTED), _forecast, _forecast_seconds,
          "merge"),
    Stage("synth", "the generator of LoRAs from pictures", (SYNTH,), _synth, _synth_seconds,
          "synth"),
    Stage("examine", "what came out, by judges that nothing learned from", (), _examine,
          _examine_seconds, ""),
)  # fmt: skip
TOPICS = ("describe", "merge", "synth")


def chosen(only: tuple[str, ...]) -> list[Stage]:
    """The stages of some topics, with those that all stand on; forecasts need descriptors."""
    wanted = {*only, *(["describe"] if "merge" in only else [])} or set(TOPICS)
    return [stage for stage in STAGES if not stage.topic or stage.topic in wanted]


def run_stage(stage: Stage, place: Workplace, effort: Effort, box: TimeBox) -> None:
    """Run a stage to its end, or until the time is over."""
    with files_of(place.files):
        stage.run(place, settled(place, effort), box)
