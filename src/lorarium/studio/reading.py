"""What the page may look at. Files are named by the keys of their rows, never by paths."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from lorarium import __version__
from lorarium.errors import LorariumError, need_packages, one_line
from lorarium.studio import bench, cards
from lorarium.studio.allowed import OutsideError
from lorarium.studio.changing import add_map
from lorarium.studio.previews import Previews, drawn
from lorarium.studio.sending import as_json
from lorarium.studio.shelf import FACETS, ShelfQuery
from lorarium.studio.state import StudioState

router = APIRouter()
KEY = re.compile(r"[0-9a-f]{32}")
PICTURE = re.compile(r"[0-9a-f-]{8,40}-\d{1,3}-\d{1,3}\.png")
Words = Annotated[str, Query(max_length=1000)]
Many = Annotated[list[str], Query(max_length=60)]

Keys = Annotated[list[str], Query(max_length=500)]


def studio_of(request: Request) -> StudioState:
    studio: StudioState = request.app.state.studio
    return studio


@router.get("/api/session")
def session(request: Request) -> dict[str, Any]:
    """What the page needs first, the token for changes among it."""
    studio = studio_of(request)
    shelf = studio.shelf
    torch = True
    try:
        need_packages("pictures", ("torch", "PIL"), "torch")
    except LorariumError:
        torch = False
    return {
        "version": __version__,
        "change": request.app.state.rules.change,
        "files": len(shelf),
        "state": shelf.state,
        "folders": [one_line(str(folder)) for folder in studio.allowed.folders],
        "library": one_line(str(studio.library.folder)),
        "torch": torch,
        "bases": sorted(studio.bases),
        "jobs": request.app.state.jobs.listed(),
        "tags": studio.notes.tags(),
    }


def wanted(
    request: Request,
    q: Words = "",
    where: Words = "",
    sort: str = "name",
    down: bool = False,
    family: Many = [],  # noqa: B006 - FastAPI copies it
    kind: Many = [],  # noqa: B006
    folder: Many = [],  # noqa: B006
    tags: Many = [],  # noqa: B006
    health: Many = [],  # noqa: B006
    own: Words = "",
) -> ShelfQuery:
    chosen = dict(zip(FACETS, (family, kind, folder, tags, health), strict=True))
    tagged = studio_of(request).notes.tagged(own) if own else None
    return ShelfQuery(q, where, {k: v for k, v in chosen.items() if v}, tagged, sort, down)


FilterParameters = Annotated[ShelfQuery, Depends(wanted)]


@router.get("/api/files")
def files(
    request: Request, asked: FilterParameters, offset: int = 0, limit: int = 100
) -> dict[str, Any]:
    studio = studio_of(request)
    page = studio.shelf.page(asked, offset, limit)
    return {**page, "rows": _with_own(studio, page["rows"]), "state": studio.shelf.state}


@router.get("/api/keys")
def keys(request: Request, asked: FilterParameters) -> dict[str, Any]:
    """All that a filter lets through."""
    return {"keys": studio_of(request).shelf.keys(asked)}


@router.get("/api/rows")
def rows(request: Request, key: Keys) -> dict[str, Any]:
    """Cards of some files, in their order."""
    return {"rows": _with_own(studio_of(request), studio_of(request).shelf.rows_of_keys(key))}


@router.get("/api/facets")
def facets(request: Request, asked: FilterParameters) -> dict[str, Any]:
    studio = studio_of(request)
    return {**studio.shelf.facets(asked), "own": studio.notes.tags()}


@router.get("/api/files/{key}")
def card(request: Request, key: str) -> dict[str, Any]:
    """Everything that is known of a file."""
    studio = studio_of(request)
    return cards.card(studio, _key(key))


@router.get("/api/files/{key}/relatives")
def relatives(request: Request, key: str) -> dict[str, Any]:
    return studio_of(request).relatives(_key(key))


@router.get("/api/files/{key}/preview")
def preview(request: Request, key: str) -> Response:
    studio = studio_of(request)
    row = studio.row(_key(key))
    headers = {"cache-control": "private, max-age=60"}
    try:
        path = studio.allowed.file(row["path"])
        picture = Previews(studio.home / "previews").picture(path, row, studio.allowed)
    except OutsideError:
        raise
    except LorariumError:  # it has gone; what was known of it is still drawn
        picture = None
    if picture is not None:
        return Response(picture, media_type="image/webp", headers=headers)
    values = studio.energies(row)
    words = "" if values else "cannot be read" if row["error"] else "no energies"
    svg = drawn(values, row["fingerprint"] or row["id"] or row["key"], words)
    return Response(svg, media_type="image/svg+xml", headers=headers)


@router.get("/api/map")
def points(request: Request) -> Response:
    """The map as it is; 202 and the job that makes it when it is not that of this state."""
    studio = studio_of(request)
    path = studio.home / "map.json"
    state = studio.shelf.state
    if path.is_file():
        layout = path.read_bytes()
        if layout.startswith(as_json({"state": state})[:-1]):
            return Response(layout, media_type="application/json")
    if not len(studio.shelf):
        raise LorariumError("the library is empty", hint="index a folder first")
    job = add_map(studio, request.app.state.jobs)
    return JSONResponse({"job": job}, status_code=202)


@router.get("/api/notes")
def notes(request: Request) -> Response:
    """All notes and tags, to be kept or taken elsewhere."""
    name = 'attachment; filename="lorarium-notes.json"'
    data = as_json(studio_of(request).notes.export())
    return Response(data, media_type="application/json", headers={"content-disposition": name})


@router.get("/api/tidy")
def tidy(request: Request) -> dict[str, Any]:
    return cards.tidy_plan(studio_of(request))


@router.get("/api/methods")
def methods() -> dict[str, Any]:
    return bench.merge_methods()


@router.get("/api/jobs")
def jobs(request: Request) -> dict[str, Any]:
    return {"jobs": request.app.state.jobs.listed()}


@router.get("/api/events")
async def events(request: Request) -> StreamingResponse:
    stream = request.app.state.jobs.events()
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


@router.get("/api/pictures/{name}")
def picture(request: Request, name: str) -> Response:
    """A picture that a job drew."""
    path: Path = studio_of(request).home / "pictures" / name
    if not PICTURE.fullmatch(name) or not path.is_file() or path.is_symlink():
        raise LorariumError("there is no such picture")
    return Response(path.read_bytes(), media_type="image/png")


def _with_own(studio: StudioState, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Cards with the tags that their owner gave."""
    return [{**row, "own": studio.notes.of(row["content"])["tags"]} for row in rows]


def _key(key: str) -> str:
    if not KEY.fullmatch(key):
        raise LorariumError("this is no key of a file")
    return key
