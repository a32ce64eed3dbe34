"""The application: what the page may ask, each thing a few lines over what the library does."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from lorarium import __version__
from lorarium.errors import LorariumError, file_error, one_line
from lorarium.studio import changing, reading
from lorarium.studio.allowed import OutsideError
from lorarium.studio.guard import COOKIE, Rules
from lorarium.studio.jobs import DONE, FAILED, Job, Jobs
from lorarium.studio.sending import as_json
from lorarium.studio.state import StudioState

PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/app.js": ("app.js", "text/javascript; charset=utf-8"),
    "/app.css": ("app.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
TIDYING = ("tidy-apply", "tidy-undo")
INDEXED = ("index", "sample", *TIDYING)  # jobs that change what the library knows
WRITING = ("merge", "synth", "convert", "resize", "metadata")  # files that it must still read


class SafeJSONResponse(JSONResponse):
    def render(self, content: Any) -> bytes:
        return as_json(content)


def make_app(studio: StudioState, rules: Rules, *, index: bool = True) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        jobs = Jobs(studio.home / "jobs", lambda job: _after(app, job))
        app.state.jobs = jobs
        jobs.start()
        if index and studio.folders:
            changing.add_index(studio, jobs)
        yield
        await jobs.stop()

    app = FastAPI(
        title="lorarium studio",
        version=__version__,
        docs_url=None,  # it would be fetched from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        default_response_class=SafeJSONResponse,
    )
    app.state.studio, app.state.rules = studio, rules
    for path in PAGE:
        app.add_api_route(path, page, include_in_schema=False)
    app.add_api_route("/api/login", login, methods=["POST"], include_in_schema=False)
    app.include_router(reading.router)
    app.include_router(changing.router)
    app.add_exception_handler(LorariumError, _refused)
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_exception_handler(HTTPException, _plainly)
    app.add_exception_handler(Exception, _unforeseen)
    return app


def _after(app: FastAPI, job: Job) -> None:
    """What a job wrote is seen; new files, and what one left half done, are indexed."""
    studio: StudioState = app.state.studio
    if job["kind"] in INDEXED:
        studio.refresh()
    cut = job["kind"] in TIDYING and job["state"] != DONE
    written = job["kind"] in WRITING and job["state"] != FAILED
    if (cut or written) and studio.to_index():
        changing.add_index(studio, app.state.jobs)


def page(request: Request) -> Response:
    name, kind = PAGE[request.url.path]
    content = files("lorarium.studio").joinpath("page", name).read_bytes()
    return Response(content, media_type=kind, headers={"cache-control": "no-cache"})


async def login(request: Request) -> Response:
    """The access token for a cookie, which no script can read and no other site can use."""
    rules: Rules = request.app.state.rules
    given = (await request.body()).decode("utf-8", "replace").strip()
    if not rules.token or not hmac.compare_digest(given.encode(), rules.token.encode()):
        await asyncio.sleep(0.5)  # guessing is slow
        return SafeJSONResponse({"error": "that is not the token"}, status_code=401)
    answer = SafeJSONResponse({"ok": True})
    name = f"{COOKIE}-{rules.port}"
    answer.set_cookie(name, rules.session, httponly=True, samesite="strict", path="/")
    return answer


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, LorariumError)
    status = 403 if isinstance(error, OutsideError) else 400
    return SafeJSONResponse({"error": str(error), "hint": error.hint}, status_code=status)


def _not_understood(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(step) for step in first["loc"])
    return SafeJSONResponse({"error": one_line(f"{place}: {first['msg']}", 300)}, status_code=422)


def _plainly(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return SafeJSONResponse(
        {"error": one_line(str(error.detail), 200)}, status_code=error.status_code
    )


def _unforeseen(request: Request, error: Exception) -> Response:
    return SafeJSONResponse({"error": str(file_error(error))}, status_code=500)
