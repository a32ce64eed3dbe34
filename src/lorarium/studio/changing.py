"""What the page may change, each with its token: notes, uploads, searches and jobs."""

from __future__ import annotations

import math
import secrets
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from lorarium.errors import LorariumError
from lorarium.formats.target import check_target
from lorarium.library.tidy import local_folder
from lorarium.library.tidy_plan import PLAN
from lorarium.mergers import METHODS
from lorarium.studio import finding
from lorarium.studio.bench import ON_THE_BENCH, foretell
from lorarium.studio.house import House
from lorarium.studio.jobs import Job, Jobs
from lorarium.studio.shelf import Wanted, card_row

router = APIRouter()
Key = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Upload = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
MOST_WEIGHT = 10.0


class Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Note(Asked):
    note: str = Field(default="", max_length=20_000)
    tags: list[str] = Field(default=[], max_length=50)


class Search(Asked):
    text: str = Field(default="", max_length=1000)
    where: str = Field(default="", max_length=1000)
    keys: list[Key] = Field(default=[], max_length=8)
    uploads: list[Upload] = Field(default=[], max_length=32)
    chosen: dict[str, list[str]] = Field(default={}, max_length=8)
    own: str = Field(default="", max_length=60)
    count: int = Field(default=60, ge=1, le=200)


class Weighted(Asked):
    key: Key
    weight: float = Field(default=1.0, ge=-MOST_WEIGHT, le=MOST_WEIGHT)


class Mix(Asked):
    inputs: list[Weighted] = Field(min_length=1, max_length=4)
    method: str = Field(default="sum", max_length=40)
    numbers: dict[str, float] = Field(default={}, max_length=20)
    rank: int | Literal["full"] | None = None
    blocks: str = Field(default="", max_length=200)
    normalize: bool = False


class Merge(Mix):
    name: str = Field(min_length=1, max_length=120)
    folder: int = Field(default=0, ge=0)
    dialect: str = Field(default="", max_length=40)
    program: str = Field(default="", max_length=40)


class Drawing(Mix):
    prompt: str = Field(min_length=1, max_length=1000)
    count: int = Field(default=3, ge=1, le=8)
    steps: int = Field(default=20, ge=1, le=100)
    seed: Seed = 0
    alone: bool = True


class Darkroom(Asked):
    uploads: list[Upload] = Field(min_length=1, max_length=100)
    kind: Literal["style", "subject"] = "style"
    name: str = Field(min_length=1, max_length=120)
    folder: int = Field(default=0, ge=0)
    refine: int = Field(default=0, ge=0, le=2000)
    prompt: str = Field(default="", max_length=500)
    seed: Seed = 0


class Choice(Asked):
    made: str = Field(pattern=r"^\d{1,20}$")
    chosen: list[int] = Field(max_length=100_000)


class Run(Asked):
    run: str = Field(default="", pattern=r"^[0-9-]{0,30}$")


def _state(request: Request) -> tuple[House, Jobs]:
    return request.app.state.house, request.app.state.jobs


@router.put("/api/files/{key}/note")
def put_note(request: Request, key: Key, note: Note) -> dict[str, Any]:
    house, _ = _state(request)
    row = card_row(house.row(key))
    return house.notes.put(row["content"], row["name"], note.note, note.tags)


@router.post("/api/search")
def search(request: Request, asked: Search) -> dict[str, Any]:
    house, _ = _state(request)
    tagged = house.notes.tagged(asked.own) if asked.own else None
    wanted = Wanted(asked.text, asked.where, asked.chosen, tagged)
    return finding.find(house, wanted, asked.keys, asked.uploads, asked.count)


@router.post("/api/uploads")
async def upload(
    request: Request, name: Annotated[str, Query(max_length=200)] = "file"
) -> dict[str, Any]:
    """The body is the file."""
    house, _ = _state(request)
    return await house.uploads.take(request.stream(), name)


@router.post("/api/forecast")
def forecast(request: Request, mix: Mix) -> dict[str, Any]:
    house, _ = _state(request)
    files = [house.file(item.key) for item in mix.inputs]
    return foretell(files, [item.weight for item in mix.inputs])


@router.post("/api/jobs/index")
def start_index(request: Request) -> Job:
    house, jobs = _state(request)
    if not house.to_index():
        raise LorariumError("no folder was named", hint="lorarium studio FOLDER")
    return add_index(house, jobs)


@router.post("/api/jobs/sample")
def start_sample(request: Request) -> Job:
    """Files to try everything on, as `lorarium examples` writes them, beside the library."""
    house, jobs = _state(request)
    return jobs.add("sample", "files to try", {**_library(house), "out": str(house.examples)})


@router.post("/api/jobs/merge")
def start_merge(request: Request, mix: Merge) -> Job:
    house, jobs = _state(request)
    out = house.grounds.new(f"{mix.name.removesuffix('.safetensors')}.safetensors", mix.folder)
    check_target(out)
    args = {**_mixed(house, mix), "out": str(out), "dialect": mix.dialect, "program": mix.program}
    args["folders"] = [str(folder) for folder in house.grounds.folders]
    return jobs.add("merge", f"merge into {out.name}", args)


@router.post("/api/jobs/render")
def start_render(request: Request, asked: Drawing) -> Job:
    house, jobs = _state(request)
    facts = {"prompt": asked.prompt, "count": asked.count, "steps": asked.steps}
    facts |= {"seed": asked.seed, "alone": asked.alone, "out": str(house.home / "pictures")}
    facts["name"] = secrets.token_hex(8)
    return jobs.add("render", f"draw “{asked.prompt}”", {**_mixed(house, asked), **facts})


@router.post("/api/jobs/synth")
def start_synth(request: Request, asked: Darkroom) -> Job:
    house, jobs = _state(request)
    out = house.grounds.new(f"{asked.name.removesuffix('.safetensors')}.safetensors", asked.folder)
    check_target(out)
    check_target(out.with_suffix(".png"))
    pictures = [name for name in asked.uploads if house.uploads.kind(name) == "picture"]
    args = {
        "pictures": [str(house.uploads.path(name)) for name in pictures],
        "folders": [str(folder) for folder in house.grounds.folders],
        "out": str(out),
        **asked.model_dump(include={"kind", "refine", "prompt", "seed"}),
    }
    return jobs.add("synth", f"make {out.name} of {len(pictures)} pictures", args)


@router.post("/api/jobs/tidy-plan")
def start_plan(request: Request) -> Job:
    house, jobs = _state(request)
    return jobs.add("tidy-plan", "look for what to tidy", _tidy(house))


@router.post("/api/jobs/tidy-apply")
def start_apply(request: Request, asked: Choice) -> Job:
    house, jobs = _state(request)
    folders = [str(folder) for folder in house.grounds.folders]
    args = {**_tidy(house), "made": int(asked.made), "chosen": asked.chosen, "folders": folders}
    return jobs.add("tidy-apply", f"tidy {len(asked.chosen)} files away", args)


@router.post("/api/jobs/tidy-undo")
def start_undo(request: Request, asked: Run) -> Job:
    house, jobs = _state(request)
    return jobs.add("tidy-undo", "put back", {**_library(house), "run": asked.run})


@router.delete("/api/jobs/{name}")
async def cancel(request: Request, name: str) -> Job:
    _, jobs = _state(request)
    return await jobs.cancel(name)


def add_index(house: House, jobs: Jobs) -> Job:
    folders = [str(folder) for folder in house.to_index()]
    return jobs.add("index", "read the folders", {**_library(house), "folders": folders})


def add_map(house: House, jobs: Jobs) -> Job:
    folders = [str(folder) for folder in house.grounds.folders] if house.folders else []
    args = {"out": str(house.home / "map.json"), "state": house.shelf.state, "folders": folders}
    return jobs.add("map", "lay out the map", {**_library(house), **args})


def _library(house: House) -> dict[str, Any]:
    return {"library": str(house.library.folder)}


def _tidy(house: House) -> dict[str, Any]:
    return {**_library(house), "plan": str(local_folder(house.library.store) / PLAN)}


def _mixed(house: House, mix: Mix) -> dict[str, Any]:
    """The paths and options of a merge; files that may not be seen are refused here."""
    if mix.method not in ON_THE_BENCH:
        raise LorariumError("the bench has no such method", hint=", ".join(ON_THE_BENCH))
    if isinstance(mix.rank, int) and not 1 <= mix.rank <= 4096:
        raise LorariumError("a rank is a number from 1 to 4096")
    options: dict[str, Any] = {"rank": mix.rank, "blocks": mix.blocks or None}
    if mix.normalize:
        options["normalize"] = True
    known = METHODS[mix.method].options
    for name, value in mix.numbers.items():
        if name not in known or not math.isfinite(value):
            raise LorariumError(f"the method {mix.method} has no number {name!r}")
        options[name] = int(value) if isinstance(known[name], int) else value
    inputs = [{"path": str(house.file(i.key)), "weight": i.weight} for i in mix.inputs]
    return {"inputs": inputs, "method": mix.method, "options": options}
