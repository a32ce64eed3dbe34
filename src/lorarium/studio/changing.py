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
from lorarium.studio.allowed import plain_name
from lorarium.studio.bench import ON_THE_BENCH, forecast_in_words
from lorarium.studio.bodies import (
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
from lorarium.studio.jobs import Job, Jobs
from lorarium.studio.shelf import ShelfQuery, card_row
from lorarium.studio.state import StudioState

router = APIRouter()


def _studio_and_jobs(request: Request) -> tuple[StudioState, Jobs]:
    return request.app.state.studio, request.app.state.jobs


@router.put("/api/files/{key}/note")
def put_note(request: Request, key: Key, note: Note) -> dict[str, Any]:
    studio, _ = _studio_and_jobs(request)
    row = card_row(studio.row(key))
    return studio.notes.put(row["content"], row["name"], note.note, note.tags)


@router.post("/api/search")
def search(request: Request, asked: Search) -> dict[str, Any]:
    studio, _ = _studio_and_jobs(request)
    tagged = studio.notes.tagged(asked.own) if asked.own else None
    wanted = ShelfQuery(asked.text, asked.where, asked.chosen, tagged)
    return finding.find(studio, wanted, asked.keys, asked.uploads, asked.count)


@router.post("/api/uploads")
async def upload(
    request: Request, name: Annotated[str, Query(max_length=200)] = "file"
) -> dict[str, Any]:
    """The body is the file."""
    studio, _ = _studio_and_jobs(request)
    return await studio.uploads.take(request.stream(), name)


@router.post("/api/forecast")
def forecast(request: Request, mix: Mix) -> dict[str, Any]:
    studio, _ = _studio_and_jobs(request)
    files = [studio.file(item.key) for item in mix.inputs]
    return forecast_in_words(files, [item.weight for item in mix.inputs])


@router.post("/api/jobs/index")
def start_index(request: Request) -> Job:
    studio, jobs = _studio_and_jobs(request)
    if not studio.to_index():
        raise LorariumError("no folder was named", hint="lorarium studio FOLDER")
    return add_index(studio, jobs)


@router.post("/api/jobs/sample")
def start_sample(request: Request) -> Job:
    """Files to try everything on, as `lorarium examples` writes them, beside the library."""
    studio, jobs = _studio_and_jobs(request)
    return jobs.add("sample", "files to try", {**_library(studio), "out": str(studio.examples)})


@router.post("/api/jobs/merge")
def start_merge(request: Request, mix: Merge) -> Job:
    studio, jobs = _studio_and_jobs(request)
    out = studio.allowed.new(f"{mix.name.removesuffix('.safetensors')}.safetensors", mix.folder)
    check_target(out)
    args = {**_mixed(studio, mix), **_folders(studio), "out": str(out)}
    args |= {"dialect": mix.dialect, "program": mix.program}
    return jobs.add("merge", f"merge into {out.name}", args)


@router.post("/api/jobs/render")
def start_render(request: Request, asked: Drawing) -> Job:
    studio, jobs = _studio_and_jobs(request)
    facts = {**_drawn(studio, asked.inputs[0].key, asked), "alone": asked.alone}
    return jobs.add("render", f"draw “{asked.prompt}”", {**_mixed(studio, asked), **facts})


@router.post("/api/jobs/compare")
def start_comparison(request: Request, asked: Comparison) -> Job:
    studio, jobs = _studio_and_jobs(request)
    files = {"files": [str(studio.file(key)) for key in asked.keys]}
    args = {**files, **_drawn(studio, asked.keys[0], asked)}
    return jobs.add("compare", f"draw “{asked.prompt}”", args)


@router.post("/api/jobs/synth")
def start_synth(request: Request, asked: Darkroom) -> Job:
    studio, jobs = _studio_and_jobs(request)
    out = studio.allowed.new(f"{asked.name.removesuffix('.safetensors')}.safetensors", asked.folder)
    check_target(out)
    check_target(out.with_suffix(".png"))
    pictures = [name for name in asked.uploads if studio.uploads.kind(name) == "picture"]
    args = {
        "pictures": [str(studio.uploads.path(name)) for name in pictures],
        **_folders(studio),
        "out": str(out),
        **asked.model_dump(include={"kind", "refine", "prompt", "seed"}),
    }
    return jobs.add("synth", f"make {out.name} of {len(pictures)} pictures", args)


@router.post("/api/jobs/convert")
def start_conversions(request: Request, asked: Conversion) -> Job:
    studio, jobs = _studio_and_jobs(request)
    if bool(asked.dialect) == bool(asked.program):
        raise LorariumError("convert to what?", hint="name a dialect or a program")
    facts = asked.model_dump(include={"dialect", "program", "dtype"})
    title = f"convert {len(asked.keys)} files for {asked.program or asked.dialect}"
    return jobs.add("convert", title, {**_written(studio, asked), **facts})


@router.post("/api/jobs/resize")
def start_resizing(request: Request, asked: Resizing) -> Job:
    studio, jobs = _studio_and_jobs(request)
    if (asked.rank is None) == (asked.energy is None):
        raise LorariumError("how small?", hint="name a rank or a share of the energy")
    facts = asked.model_dump(include={"rank", "energy", "dtype"})
    return jobs.add(
        "resize", f"resize {len(asked.keys)} files", {**_written(studio, asked), **facts}
    )


@router.post("/api/jobs/metadata")
def start_metadata(request: Request, asked: Entries) -> Job:
    """In place: only the header of a file is written anew."""
    studio, jobs = _studio_and_jobs(request)
    if not asked.put and not asked.remove:
        raise LorariumError("nothing is to be changed", hint="name entries to put in or take out")
    args = {**_chosen(studio, asked), **asked.model_dump(include={"put", "remove"})}
    return jobs.add("metadata", f"change the metadata of {len(asked.keys)} files", args)


@router.post("/api/jobs/tidy-plan")
def start_plan(request: Request, asked: Wishes) -> Job:
    studio, jobs = _studio_and_jobs(request)
    return jobs.add("tidy-plan", "look for what to tidy", {**_tidy(studio), **asked.model_dump()})


@router.post("/api/jobs/tidy-apply")
def start_apply(request: Request, asked: Choice) -> Job:
    studio, jobs = _studio_and_jobs(request)
    args = {**_tidy(studio), **_folders(studio), "made": int(asked.made), "chosen": asked.chosen}
    return jobs.add("tidy-apply", f"tidy {len(asked.chosen)} files away", args)


@router.post("/api/jobs/tidy-undo")
def start_undo(request: Request, asked: Run) -> Job:
    studio, jobs = _studio_and_jobs(request)
    args = {**_library(studio), **_folders(studio), "run": asked.run}
    return jobs.add("tidy-undo", "put back", args)


@router.delete("/api/jobs/{name}")
async def cancel(request: Request, name: str) -> Job:
    _, jobs = _studio_and_jobs(request)
    return await jobs.cancel(name)


def add_index(studio: StudioState, jobs: Jobs) -> Job:
    folders = [str(folder) for folder in studio.to_index()]
    return jobs.add("index", "read the folders", {**_library(studio), "folders": folders})


def add_map(studio: StudioState, jobs: Jobs) -> Job:
    folders = [str(folder) for folder in studio.allowed.folders] if studio.folders else []
    args = {"out": str(studio.home / "map.json"), "state": studio.shelf.state, "folders": folders}
    return jobs.add("map", "lay out the map", {**_library(studio), **args})


def _library(studio: StudioState) -> dict[str, Any]:
    return {"library": str(studio.library.folder)}


def _folders(studio: StudioState) -> dict[str, Any]:
    """Where a job may write, which it looks at once more."""
    return {"folders": [str(folder) for folder in studio.allowed.folders]}


def _chosen(studio: StudioState, batch: Batch) -> dict[str, Any]:
    return {"files": [str(studio.file(key)) for key in batch.keys], **_folders(studio)}


def _written(studio: StudioState, asked: Writing) -> dict[str, Any]:
    plain_name(f"x{asked.ending}")
    return {**_chosen(studio, asked), "ending": asked.ending}


def _drawn(studio: StudioState, key: str, asked: Drawing | Comparison) -> dict[str, Any]:
    """What is to be drawn, on the base of a file."""
    facts = asked.model_dump(include={"prompt", "count", "steps", "seed"})
    facts["base"] = studio.base_for(studio.row(key)["family"])
    return {**facts, "out": str(studio.home / "pictures"), "name": secrets.token_hex(8)}


def _tidy(studio: StudioState) -> dict[str, Any]:
    return {**_library(studio), "plan": str(local_folder(studio.library.store) / PLAN)}


def _mixed(studio: StudioState, mix: Mix) -> dict[str, Any]:
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
    inputs = [{"path": str(studio.file(i.key)), "weight": i.weight} for i in mix.inputs]
    return {"inputs": inputs, "method": mix.method, "options": options}
