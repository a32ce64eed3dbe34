"""One request to an OpenAI-compatible endpoint, over the standard library's HTTP.

The key is read from the environment, goes into one header, and nowhere else: every text that comes
back passes `redacted`, since a server may repeat what it was sent. Redirections are not followed:
they would carry the key to another host.
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import re
import socket
import ssl
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field

from lorarium.errors import LorariumError, one_line

KEY_VARIABLE = "LORARIUM_CHAT_KEY"
MOST_BYTES = 4_000_000  # of a reply
PATH = "/chat/completions"


@dataclass(frozen=True)
class Exchange:
    """`reply`, `timeout`, `broken` (sent, but no whole reply) or `unreachable` (never sent)."""

    kind: str
    status: int = 0
    body: bytes = b""
    retry_after: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class Key:
    """A secret that prints as nothing."""

    _value: str = field(default="", repr=False)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._value}"} if self._value else {}

    def redacted(self, text: str) -> str:
        return text.replace(self._value, "[key]") if self._value else text


def key_from_environment(variable: str = KEY_VARIABLE) -> Key:
    """Empty where the variable is not set: local servers want none."""
    value = os.environ.get(variable, "").strip()
    if not re.fullmatch(r"[\x21-\x7e]*", value):
        raise LorariumError(
            "the key has signs that no header can carry", where=one_line(variable, 80)
        )
    return Key(value)


class Endpoint:
    """Where questions go: `http(s)://host[:port]/v1`. A `post` has one deadline for all of it."""

    def __init__(self, url: str, key: Key | None = None, timeout: float = 120.0) -> None:
        self.key, self.timeout = key or Key(), timeout
        try:
            parts = urllib.parse.urlsplit(url)
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError:
            raise _no_url() from None
        if parts.username or parts.password:
            raise LorariumError(
                "a name or password stands in the URL", where="judge",
                hint="put the key into the environment",
            )  # fmt: skip
        if parts.scheme not in ("http", "https") or not self._host or parts.fragment:
            raise _no_url()
        self._secure, self._query = parts.scheme == "https", parts.query
        if not re.fullmatch(r"[\x21-\x7e]*", parts.path + parts.query + self._host):
            raise _no_url()
        self._path = parts.path.rstrip("/").removesuffix(PATH) + PATH
        # without the query, where some services want a key
        self.display_url = self.key.redacted(f"{parts.scheme}://{parts.netloc}{self._path}")

    def post(self, body: bytes, before_sending: Callable[[], None] = lambda: None) -> Exchange:
        """Send a JSON body. `before_sending` runs once the connection stands."""
        connection, target, headers = self._connection()
        try:
            try:
                connection.connect()
            except (OSError, http.client.HTTPException) as error:
                return Exchange("unreachable", reason=_reason(error))
            before_sending()
            late = threading.Event()
            watch = threading.Timer(self.timeout, _cut, (connection, late))
            watch.daemon = True
            watch.start()
            try:
                exchange = _talk(connection, target, body, headers | self._headers())
            except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
                kind = "timeout" if isinstance(error, TimeoutError) else "broken"
                exchange = Exchange(kind, reason=_reason(error))
            finally:
                watch.cancel()
            if exchange.kind != "reply" and (late.is_set() or exchange.kind == "timeout"):
                return Exchange("timeout", reason=f"no whole reply in {self.timeout:g} s")
            return exchange
        finally:
            connection.close()

    def _headers(self) -> dict[str, str]:
        kind = "application/json"
        return {"Content-Type": kind, "Accept": kind, **self.key.headers}

    def _connection(self) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
        """A connection, straight or by the proxy of the environment, and the request's target."""
        target = self._path + (f"?{self._query}" if self._query else "")
        context = ssl.create_default_context() if self._secure else None
        proxy = self._proxy()
        host, port = proxy or (self._host, self._port)
        if context is not None:
            secure = http.client.HTTPSConnection(host, port, timeout=self.timeout, context=context)
            if proxy:
                secure.set_tunnel(self._host, self._port or 443)
            return secure, target, {}
        plain = http.client.HTTPConnection(host, port, timeout=self.timeout)
        if not proxy:
            return plain, target, {}
        site = f"{self._host}:{self._port}" if self._port else self._host
        return plain, f"http://{site}{target}", {"Host": site}

    def _proxy(self) -> tuple[str, int | None] | None:
        if _is_here(self._host) or urllib.request.proxy_bypass(self._host):
            return None
        url = urllib.request.getproxies().get("https" if self._secure else "http")
        if not url:
            return None
        parts = urllib.parse.urlsplit(url if "://" in url else f"http://{url}")
        return (parts.hostname, parts.port) if parts.hostname else None


def _talk(
    connection: http.client.HTTPConnection, target: str, body: bytes, headers: dict[str, str]
) -> Exchange:
    connection.request("POST", target, body, headers)
    with connection.getresponse() as response:
        text = response.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            return Exchange("broken", response.status, reason="the reply is too long")
        if response.length:
            return Exchange("broken", response.status, reason="the reply ends early")
        after = response.headers.get("Retry-After")
        return Exchange("reply", response.status, text, after)


def _cut(connection: http.client.HTTPConnection, late: threading.Event) -> None:
    """End a connection whose time is up, however slowly bytes still trickle in."""
    late.set()
    sock = connection.sock
    if sock is not None:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no connection in time"
    reason = getattr(error, "strerror", None) or type(error).__name__
    return one_line(str(reason), 100)


def _no_url() -> LorariumError:
    return LorariumError(
        "the endpoint is no address", where="judge",
        hint="say chat:MODEL@http://localhost:8000/v1",
    )  # fmt: skip
