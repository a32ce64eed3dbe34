"""Who may ask what: every request passes here before anything looks at it.

Host against DNS rebinding, Origin and the fetch headers against other sites, a token that only our
page can read (CSRF) on every change, the access token when others than this machine may connect,
limits of size and time, and headers that leave scripts nothing but our own file.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any

from lorarium.studio.sending import answer_json

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

CHANGE = b"x-lorarium-change"  # the header that carries the CSRF token
COOKIE = "lorarium"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
SAFE = ("GET", "HEAD")
MOST_BODY = 1 << 20
MOST_UPLOAD = 64 << 20
UPLOADS = "/api/uploads"
# what the token for reading is not for: in the first stands the token for changes
NOT_READ = ("/api/session", "/api/events")
READ_BY_POST = ("/api/search", "/api/forecast")  # questions that are too long for an address
OPEN = ("/", "/app.js", "/app.css", "/icon.svg", "/api/login")  # nothing of the library in them
BODY_SECONDS, SEND_SECONDS, UPLOAD_SECONDS = 20.0, 30.0, 120.0
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


@dataclass(frozen=True)
class Rules:
    """`names` are hosts that a browser may call us by; any address of numbers too when `token` is
    set, as rebinding needs a name. Without a `token` whoever runs programs here may ask."""

    port: int
    names: tuple[str, ...] = LOOPBACK
    token: str = ""
    reading: str = ""  # a token for programs, which may look at things and change nothing
    change: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    session: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def knows(self, host: str) -> bool:
        name, port = split_host(host)
        if port != self.port:
            return False
        return name in self.names or (bool(self.token) and is_address(name))


def split_host(host: str) -> tuple[str, int]:
    """Name and port of a Host header; a name that is none is empty."""
    name, colon, port = host.rpartition(":")
    if not colon or (name.startswith("[") and not name.endswith("]")) or "]" in port:
        name, port = host, "80"
    if not port.isdecimal() or len(port) > 5:
        return "", 0
    return name.strip("[]").lower(), int(port)


def is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class Refusal(Exception):
    status: int
    what: str


class Guard:
    """An ASGI application around ours."""

    def __init__(self, app: App, rules: Rules) -> None:
        self.app, self.rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return  # no websockets here
        answer = _Answer(send)
        try:
            check(scope, self.rules)
            await self.app(scope, _limited(scope, receive, answer), answer.send)
        except Refusal as refusal:
            await answer.refuse(refusal)
        except TimeoutError:
            pass  # a reader that does not read: the server closes the connection


class _Answer:
    """Sends what the application says; a refusal that came while it read the body goes first,
    whatever the application made of it."""

    def __init__(self, send: Send) -> None:
        self._send, self._started, self._refused = send, False, False
        self.refusal: Refusal | None = None

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if self.refusal is not None:
            return await self.refuse(self.refusal)
        await self._pass_on(message)

    async def refuse(self, refusal: Refusal) -> None:
        if not self._started and not self._refused:
            self._refused = True
            await answer_json(self._pass_on, refusal.status, {"error": refusal.what})

    async def _pass_on(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._started = True
            message = {**message, "headers": [*message.get("headers", []), *HEADERS]}
        # one who does not read must not hold us
        await asyncio.wait_for(self._send(message), SEND_SECONDS)


def check(scope: Scope, rules: Rules) -> None:
    """Raise a refusal for a request that our page would not make."""
    headers = _headers(scope)
    hosts = headers.get(b"host", [])
    if len(hosts) != 1 or not rules.knows(hosts[0]):
        raise Refusal(421, "this server is not asked under that name")
    own = {f"http://{hosts[0]}", f"https://{hosts[0]}"}
    origins = headers.get(b"origin", [])
    if any(origin not in own for origin in origins):
        raise Refusal(403, "requests of other sites are refused")
    path, method = scope["path"], scope["method"]
    sites = headers.get(b"sec-fetch-site", [])
    navigates = path == "/" and method in SAFE
    if any(site not in ("same-origin", "none") for site in sites) and not navigates:
        raise Refusal(403, "requests of other sites are refused")
    if _shows(headers, rules.reading):
        question = method in SAFE or (method == "POST" and path in READ_BY_POST)
        if not question or path in NOT_READ:
            raise Refusal(403, "this token is for reading")
        return
    if rules.token and path not in OPEN and not _is_known(headers, rules):
        raise Refusal(401, "the access token is needed")
    if method not in SAFE and path != "/api/login":
        marks = headers.get(CHANGE, [])
        if len(marks) != 1 or not _equal(marks[0], rules.change):
            raise Refusal(403, "a change needs this page's own token: reload the page")


def _is_known(headers: dict[bytes, list[str]], rules: Rules) -> bool:
    """By the token as a program sends it, or by the cookie that `login` gave for it."""
    if _shows(headers, rules.token):
        return True
    for value in headers.get(b"cookie", []):
        try:
            cookie = SimpleCookie(value).get(f"{COOKIE}-{rules.port}")
        except CookieError:
            continue
        if cookie is not None and _equal(cookie.value, rules.session):
            return True
    return False


def _shows(headers: dict[bytes, list[str]], token: str) -> bool:
    """Whether a program sends this token."""
    for value in headers.get(b"authorization", []):
        kind, _, sent = value.partition(" ")
        if token and kind.lower() == "bearer" and _equal(sent.strip(), token):
            return True
    return False


def _equal(a: str, b: str) -> bool:
    return hmac.compare_digest(a.encode(), b.encode())


def _headers(scope: Scope) -> dict[bytes, list[str]]:
    headers: dict[bytes, list[str]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.lower(), []).append(value.decode("latin-1"))
    return headers


def _limited(scope: Scope, receive: Receive, answer: _Answer) -> Receive:
    """`receive` that ends a body which is too large or too slow, whatever its length claims."""
    upload = scope["path"] == UPLOADS
    most = MOST_UPLOAD if upload else MOST_BODY
    lengths = _headers(scope).get(b"content-length", [])
    if any(not n.isdecimal() or len(n) > 15 or int(n) > most for n in lengths):
        raise Refusal(413, f"more than {most >> 20} MiB are not taken")
    loop = asyncio.get_running_loop()
    ends = loop.time() + (UPLOAD_SECONDS if upload else BODY_SECONDS)
    state = {"bytes": 0, "over": scope["method"] in SAFE}

    async def limited() -> MutableMapping[str, Any]:
        if state["over"]:
            return await receive()  # waits for the end of the connection
        try:
            message = await asyncio.wait_for(receive(), max(0.0, ends - loop.time()))
        except TimeoutError:
            answer.refusal = Refusal(408, "the request came too slowly")
            raise answer.refusal from None
        state["bytes"] += len(message.get("body", b""))
        state["over"] = not message.get("more_body", False)
        if state["bytes"] > most:
            answer.refusal = Refusal(413, f"more than {most >> 20} MiB are not taken")
            raise answer.refusal
        return message

    return limited
