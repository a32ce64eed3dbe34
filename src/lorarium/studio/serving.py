"""The server itself: uvicorn, with a limit on how long a request may take to be asked."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from lorarium.errors import LorariumError
from lorarium.library import Library
from lorarium.studio.app import make_app
from lorarium.studio.guard import LOOPBACK, Guard, Rules
from lorarium.studio.state import StudioState

HEAD_SECONDS = 10.0
MOST_CONNECTIONS = 200
SHORTEST_TOKEN = 16


class TimedProtocol(H11Protocol):
    """uvicorn waits for the end of a request's head for ever; this does not."""

    _waiting: Any = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._rest()
        elif self._waiting is None and (before is None or before.response_complete):
            self._wait()  # the head of a further request has begun

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _rest(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._waiting = None
        self.transport.abort()


class Server(uvicorn.Server):
    """Ends what would stream for ever before it waits for the end of all answers."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self.app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.app.state.jobs.hang_up()
        await super().shutdown(sockets)


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def rules_for(host: str, port: int, token: str | None, reading: str | None = None) -> Rules:
    """Others than this machine are let in only with a token; one is made when none is given."""
    local = is_loopback(host)
    for secret in (token, reading):
        if secret is not None and len(secret) < SHORTEST_TOKEN:
            hint = f"at least {SHORTEST_TOKEN} characters, or leave it out"
            raise LorariumError("the token is too short", hint=hint)
    if token is not None and token == reading:
        raise LorariumError("the token for reading would open everything", hint="use another")
    key = token or ("" if local else secrets.token_urlsafe(24))
    names = LOOPBACK if local else (*LOOPBACK, host.lower(), socket.gethostname().lower())
    return Rules(port, names, key, reading or "")


def listen(host: str, port: int) -> socket.socket:
    """A socket that nobody else has; port 0 takes a free one."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        hint = "--port 0 takes a free one"
        raise LorariumError(f"cannot listen on {host}:{port} ({reason})", hint=hint) from None
    return listener


def make_server(
    library: Library,
    folders: Sequence[str | Path],
    rules: Rules,
    *,
    bases: Mapping[str, str] | None = None,
    index: bool = True,
) -> uvicorn.Server:
    """The server, to be run on the socket that `rules` has the port of; it indexes the folders
    first."""
    studio = StudioState.open(library, folders, bases)
    app = make_app(studio, rules, index=index)
    config = uvicorn.Config(
        Guard(app, rules),
        http=TimedProtocol,
        ws="none",
        lifespan="on",
        access_log=False,  # names of files stand in no log
        log_level="error",
        timeout_keep_alive=10,
        timeout_graceful_shutdown=2,
        limit_concurrency=MOST_CONNECTIONS,
        server_header=False,
        proxy_headers=False,
    )
    return Server(config, app)
