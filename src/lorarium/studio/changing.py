"""What the page may change, each with its token: notes, uploads, searches and jobs."""

from __future__ import annotations

import math
import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from lorarium.errors import LorariumError
from lorarium.formats.target import check_target
from lorarium.library.tidy import local_folder
from lorarium.library.tidy_plan import PLAN
from lorarium.mergers import METHODS
from lorarium.studio import finding
from lorarium.studio.asked import (
    Batch,
    Choice,
    Comparison,
    Conversion,
    Darkroom,
    Drawing,
    Entries,
    Key,
    Merge,
    Mix,
    Note,
    Resizing,
    Run,
    Search,
    Wishes,
    Writing,
)
from lorarium.studio.bench import ON_THE_BENCH, foretell
from lorarium.studio.grounds import plain_name
from lorarium.studio.house import House
from lorarium.studio.jobs import Job, Jobs
from lorarium.studio.shelf import Wanted, card_row

router = APIRouter()


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
    args = {**_mixed(house, mix), **_folders(house), "out": str(out)}
    args |= {"dialect": mix.dialect, "program": mix.program}
    return jobs.add("merge", f"merge into {out.name}", args)


@router.post("/api/jobs/render")
def start_render(request: Request, asked: Drawing) -> Job:
    house, jobs = _state(request)
    facts = {**_drawn(house, asked.inputs[0].key, asked), "alone": asked.alone}
    return jobs.add("render", f"draw “{asked.prompt}”", {**_mixed(house, asked), **facts})


@router.post("/api/jobs/compare")
def start_comparison(request: Request, asked: Comparison) -> Job:
    house, jobs = _state(request)
    files = {"files": [str(house.file(key)) for key in asked.keys]}
    args = {**files, **_drawn(house, asked.keys[0], asked)}
    return jobs.add("compare", f"draw “{asked.prompt}”", args)


@router.post("/api/jobs/synth")
def start_synth(request: Request, asked: Darkroom) -> Job:
    house, jobs = _state(request)
    out = house.grounds.new(f"{asked.name.removesuffix('.safetensors')}.safetensors", asked.folder)
    check_target(out)
    check_target(out.with_suffix(".png"))
    pictures = [name for name in asked.uploads if house.uploads.kind(name) == "picture"]
    args = {
        "pictures": [str(house.uploads.path(name)) for name in pictures],
        **_folders(house),
        "out": str(out),
        **asked.model_dump(include={"kind", "refine", "prompt", "seed"}),
    }
    return jobs.add("synth", f"make {out.name} of {len(pictures)} pictures", args)


@router.post("/api/jobs/convert")
def start_conversions(request: Request, asked: Conversion) -> Job:
    house, jobs = _state(request)
    if bool(asked.dialect) == bool(asked.program):
        raise LorariumError("convert to what?", hint="name a dialect or a program")
    facts = asked.model_dump(include={"dialect", "program", "dtype"})
    title = f"convert {len(asked.keys)} files for {asked.program or asked.dialect}"
    return jobs.add("convert", title, {**_written(house, asked), **facts})


@router.post("/api/jobs/resize")
def start_resizing(request: Request, asked: Resizing) -> Job:
    house, jobs = _state(request)
    if (asked.rank is None) == (asked.energy is None):
        raise LorariumError("how small?", hint="name a rank or a share of the energy")
    facts = asked.model_dump(include={"rank", "energy", "dtype"})
    return jobs.add(
        "resize", f"resize {len(asked.keys)} files", {**_written(house, asked), **facts}
    )


@router.post("/api/jobs/metadata")
def start_metadata(request: Request, asked: Entries) -> Job:
    """In place: only the header of a file is written anew."""
    house, jobs = _state(request)
    if not asked.put and not asked.remove:
        raise LorariumError("nothing is to be changed", hint="name entries to put in or take out")
    args = {**_chosen(house, asked), **asked.model_dump(include={"put", "remove"})}
    return jobs.add("metadata", f"change the metadata of {len(asked.keys)} files", args)


@router.post("/api/jobs/tidy-plan")
def start_plan(request: Request, asked: Wishes) -> Job:
    house, jobs = _state(request)
    return jobs.add("tidy-plan", "look for what to tidy", {**_tidy(house), **asked.model_dump()})


@router.post("/api/jobs/tidy-apply")
def start_apply(request: Request, asked: Choice) -> Job:
    house, jobs = _state(request)
    args = {**_tidy(house), **_folders(house), "made": int(asked.made), "chosen": asked.chosen}
    return jobs.add("tidy-apply", f"tidy {len(asked.chosen)} files away", args)


@router.post("/api/jobs/tidy-undo")
def start_undo(request: Request, asked: Run) -> Job:
    house, jobs = _state(request)
    args = {**_library(house), **_folders(house), "run": asked.run}
    return jobs.add("tidy-undo", "put back", args)


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


def _folders(house: House) -> dict[str, Any]:
    """Where a job may write, which it looks at once more."""
    return {"folders": [str(folder) for folder in house.grounds.folders]}


def _chosen(house: House, batch: Batch) -> dict[str, Any]:
    return {"files": [str(house.file(key)) for key in batch.keys], **_folders(house)}


def _written(house: House, asked: Writing) -> dict[str, Any]:
    plain_name(f"x{asked.ending}")
    return {**_chosen(house, asked), "ending": asked.ending}


def _drawn(house: House, key: str, asked: Drawing | Comparison) -> dict[str, Any]:
    """What is to be drawn, on the base of a file."""
    facts = asked.model_dump(include={"prompt", "count", "steps", "seed"})
    facts["base"] = house.base_for(house.row(key)["family"])
    return {**facts, "out": str(house.home / "pictures"), "name": secrets.token_hex(8)}


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
