"""`lorarium adopt`: run the stages for a base, one after the other, however often it is called.

What a base's stages are to make is decided once and kept in its folder, so that a call that goes
on makes what one long call would have made.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lorarium import __version__
from lorarium.adopted import AdoptedBase, folder_of, write_base
from lorarium.bases.base import Base, at_hand, modules
from lorarium.bases.holding import BaseToOpen
from lorarium.errors import LorariumError, TimeIsOver
from lorarium.files import exists
from lorarium.recipes.adoption.effort import Effort, Tuning
from lorarium.recipes.adoption.page import write_page
from lorarium.recipes.adoption.plan import Plan, make_plan
from lorarium.recipes.adoption.stages import STAGES, Stage, chosen, run_stage
from lorarium.recipes.adoption.timing import Timing, measure
from lorarium.recipes.timebox import TimeBox
from lorarium.recipes.workplace import Workplace
from lorarium.trained import write_json
from lorarium.training.own_pictures import own_pictures
from lorarium.world.mark import world_mark

PROGRESS, LOG = "progress.json", "log.jsonl"
Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Adoption:
    """A base that is being adopted, and the folder of what is made for it."""

    base: Base
    name: str
    where: str
    folder: Path

    @property
    def place(self) -> Workplace:
        return Workplace(self.base, self.folder, self.folder / "runs", to_the_end=True)

    def progress(self) -> dict[str, Any]:
        file = self.folder / "runs" / PROGRESS
        return json.loads(file.read_text("utf-8")) if file.exists() else {}

    def note(self, progress: dict[str, Any], **line: Any) -> None:
        """Keep how far it is, and a line of the log. Another call may be at another stage."""
        there, stage = self.progress(), line.get("stage")
        for name in ("done", "spent"):
            mine = {stage: progress[name][stage]} if stage in progress[name] else {}
            progress[name] = there.get(name, {}) | mine
        write_json(self.folder / "runs" / PROGRESS, progress)
        with open(self.folder / "runs" / LOG, "a", encoding="utf-8") as log:
            log.write(json.dumps({"time": round(time.time()), **line}) + "\n")


def begin(
    todo: BaseToOpen, out: Path | None = None, name: str | None = None, size: int | None = None
) -> Adoption:
    """Open the base and find its folder; refused where it cannot be adopted. `size` is of its
    pictures while it learns, if not the base's own; the first call settles it."""
    base = at_hand(todo)
    where = str(todo.where) if todo.where is not None else base.family
    require_adoptable(base, where)
    if exists(Path(where)):
        where = str(Path(where).resolve())
    name = name or plain_name(where)
    adoption = Adoption(base, name, where, out or folder_of(name, base.hash))
    settled = adoption.progress().get("size")
    if size is not None and settled not in (None, size):
        raise LorariumError(
            f"this adoption began at {settled} pixels", where=str(adoption.folder),
            hint="name another --out",
        )  # fmt: skip
    size = size or settled or base.size
    base.noise_shape(size)  # which refuses what it cannot draw
    base.size = size
    return adoption


def plain_name(where: str) -> str:
    """A name for a folder from a path or a name on the hub."""
    stem = Path(where).name.removesuffix(".safetensors").lower()
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in stem).strip("-") or "base"


def require_adoptable(base: Base, where: str) -> None:
    """Refuse a base without words or without a denoiser that adapters change."""
    parts = [part for part in base.networks if part.startswith("text_encoder")]
    if not parts:
        raise LorariumError(
            "cannot be adopted: no text encoder", where=where,
            hint="what is learned stands on words",
        )  # fmt: skip
    if not modules(base, "linear", ("denoiser",)):
        raise LorariumError(
            "cannot be adopted: its denoiser has no attention blocks that adapters change",
            where=where,
        )  # fmt: skip


def plan_of(
    adoption: Adoption, only: tuple[str, ...] = (), minutes: float | None = None,
    share: float | None = None, pictures: Path | None = None,
) -> tuple[Plan, Timing]:  # fmt: skip
    """What it will take, by a step of everything."""
    own = own_pictures(pictures) if pictures is not None else ()
    for one in own:
        with torch.no_grad():  # a base may refuse words, which is to be known before any work
            adoption.base.encode([*dict.fromkeys(one.prompts())])
    start = Effort(1.0, Tuning.usual(adoption.base.family), own=own)
    timing = measure(adoption.base, start)
    return make_plan(adoption.base, timing, chosen(only), start, minutes, share), timing


def adopt(
    adoption: Adoption, *, only: tuple[str, ...] = (), stage: str | None = None,
    minutes: float | None = None, share: float | None = None, pictures: Path | None = None,
    say: Say = print,
) -> AdoptedBase:  # fmt: skip
    """Go on until all is made; `TimeIsOver` when the minutes are over before. `pictures` is a
    folder of somebody's own, which the first call settles."""
    box = TimeBox() if minutes is None else TimeBox(minutes)
    folder = None if pictures is None else pictures.resolve()
    progress = adoption.progress() or _first_progress(adoption, only, minutes, share, folder, say)
    own = progress.get("pictures")
    if folder is not None and str(folder) != own:
        raise LorariumError(
            "this adoption began with other pictures", where=str(adoption.folder),
            hint=f"they are {own}" if own else "name another --out",
        )  # fmt: skip
    stages = [s for s in STAGES if s.name in progress["stages"]]
    if stage is not None:
        stages = [s for s in stages if s.name == stage]
        if not stages:
            raise LorariumError(f"{stage} is no stage of this adoption", where=str(adoption.folder))
    effort = Effort(
        progress["share"], Tuning(**progress["tuning"]), own=own_pictures(Path(own)) if own else ()
    )
    for one in stages:
        if one.name not in progress["done"]:
            _run(adoption, one, effort, progress, box, say)
    return finish(adoption, progress)


def _first_progress(
    adoption: Adoption, only: tuple[str, ...], minutes: float | None, share: float | None,
    pictures: Path | None, say: Say,
) -> dict[str, Any]:  # fmt: skip
    say("measuring what it will take")
    plan, timing = plan_of(adoption, only, minutes, share, pictures)
    progress = {
        "share": plan.effort.share, "tuning": vars(plan.effort.tuning), "size": adoption.base.size,
        "stages": list(plan.seconds), "done": {}, "spent": {},
        "planned": {name: round(seconds, 1) for name, seconds in plan.seconds.items()},
        "timing": timing.as_json(), "pictures": None if pictures is None else str(pictures),
    }  # fmt: skip
    adoption.note(progress, planned=plan.as_json())
    say(f"{plan.adapters} adapters, {plan.hours:.1f} hours, in {adoption.folder}")
    return progress


def _run(
    adoption: Adoption, stage: Stage, effort: Effort, progress: dict[str, Any], box: TimeBox,
    say: Say,
) -> None:  # fmt: skip
    box.check(f"{len(progress['done'])} of {len(progress['stages'])} stages are done")
    say(f"{stage.name}: {stage.about}")
    began = time.monotonic()

    def spend() -> float:
        spent = progress["spent"]
        spent[stage.name] = round(spent.get(stage.name, 0.0) + time.monotonic() - began, 1)
        return float(spent[stage.name])

    try:
        run_stage(stage, adoption.place, effort, box)
    except (TimeIsOver, KeyboardInterrupt):
        adoption.note(progress, stage=stage.name, stopped_after=spend())
        raise
    progress["done"][stage.name] = spend()
    adoption.note(progress, stage=stage.name, seconds=progress["done"][stage.name])


def finish(adoption: Adoption, progress: dict[str, Any]) -> AdoptedBase:
    """Write the card, by which every command finds the base, and the page."""
    base = adoption.base
    adopted = write_base(
        adoption.folder,
        {
            "name": adoption.name, "family": base.family, "base_hash": base.hash,
            "where": adoption.where, "size": base.size, "world": world_mark(),
            "lorarium": __version__, "share": progress["share"], "stages": progress["stages"],
            "done": progress["done"], "planned": progress["planned"],
        },
    )  # fmt: skip
    write_page(adopted)
    return adopted
