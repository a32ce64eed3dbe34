"""Parts of a file over HTTP by the standard library: one connection, one deadline a request.

A server is a stranger: an answer must be the part that was asked for, of the file that answered
first. Redirections are followed on one host alone, since another might be anybody's.
"""

from __future__ import annotations

import base64
import http.client
import ipaddress
import re
import socket
import ssl
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lorarium.errors import LorariumError
from lorarium.remote.faults import changed, cut_short, refused, unreachable

TIMEOUT = 20.0  # seconds without a byte, and for an answer to begin
SLOWEST = 2**15  # bytes a second, below which a connection is given up
FIRST = 2**16  # bytes that are asked for when a file is opened: most headers fit
CHUNK = 2**20
MOST_REDIRECTIONS = 5
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")


class HttpFile:
    """One file; opening it reads its first bytes, which tell size and version."""

    def __init__(
        self,
        url: str,
        *,
        label: str,
        headers: Mapping[str, str] | None = None,
        hint: str = "",
        timeout: float = TIMEOUT,
    ) -> None:
        self._connection: http.client.HTTPConnection | None = None
        self._url, self._label, self._hint, self.timeout = url, label, hint, timeout
        self._headers = {"Accept-Encoding": "identity", **(headers or {})}
        self._open_for: tuple[str, str, int | None] | None = None
        self.bytes_read = 0
        self.size = -1
        self._stamp = ""  # what the first answer said of the file's state
        self._head = b""
        self._head = b"".join(self.chunks(0, FIRST))
        self.version = self._stamp

    def __del__(self) -> None:
        self._close()

    def read(self, start: int, count: int) -> bytes:
        if not 0 <= start <= start + count <= self.size:
            raise cut_short(max(0, self.size - start), count, self._label)
        if start + count <= len(self._head):
            return self._head[start : start + count]
        return b"".join(self.chunks(start, start + count))

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        if self.size >= 0:
            stop = min(stop, self.size)
        if start < len(self._head):
            yield self._head[start:stop]
            start = len(self._head)
        if start < stop:
            yield from self._asked(start, stop)

    def _asked(self, start: int, stop: int) -> Iterator[bytes]:
        with self._deadline(self.timeout + (stop - start) / SLOWEST) as late:
            got = 0
            try:
                response = self._answer(start, stop)
                wanted = min(stop, self.size) - start
                while got < wanted:
                    chunk = response.read1(min(CHUNK, wanted - got))
                    if not chunk:
                        break
                    got += len(chunk)
                    self.bytes_read += len(chunk)
                    yield chunk
            except (OSError, http.client.HTTPException, ValueError) as error:
                self._close()
                cause = TimeoutError() if late.is_set() else error
                raise unreachable(cause, self._label, self.timeout) from None
            except BaseException:
                self._close()
                raise
            if got < wanted:
                self._close()
                if late.is_set():
                    raise unreachable(TimeoutError(), self._label, self.timeout)
                raise cut_short(got, wanted, self._label)
            if response.length:  # the server sends more than the part
                self._close()
            response.close()

    def _answer(self, start: int, stop: int) -> http.client.HTTPResponse:
        """The response whose body begins with byte `start`."""
        url = self._url
        for _ in range(MOST_REDIRECTIONS + 1):
            response = self._request(url, {"Range": f"bytes={start}-{stop - 1}"})
            if response.status in (301, 302, 303, 307, 308):
                url = self._next(url, response.headers.get("Location", ""))
                self._close()
                continue
            self._check(response, start)
            self._url = url
            return response
        raise LorariumError("it leads from one address to another without end", where=self._label)

    def _next(self, url: str, location: str) -> str:
        there = urllib.parse.urljoin(url, location)
        old, new = _site(url), _site(there)
        safer = old is not None and new == ("https", old[1], None) and old[0] == "http"
        if new is None or (old != new and not safer):
            host = new[1] if new else "nowhere"
            what = f"it leads to another host, {host}, which is not followed"
            hint = "if you trust that one, give the address of the file there"
            raise LorariumError(what, where=self._label, hint=hint)
        return there

    def _check(self, response: http.client.HTTPResponse, start: int) -> None:
        """The part that was asked for, of the file that answered before."""
        headers, status = response.headers, response.status
        if status == 416 and self.size < 0:
            raise LorariumError("the file is empty", where=self._label)
        if status not in (200, 206):
            raise refused(status, self._label, self._hint)
        if headers.get("Content-Encoding", "identity") != "identity":
            raise LorariumError("the server sends it packed, not as it is", where=self._label)
        if status == 206:
            content_range = _RANGE.fullmatch(headers.get("Content-Range", "").strip())
            if content_range is None or int(content_range[1]) != start:
                raise LorariumError("the server sent another part of it", where=self._label)
            size = int(content_range[3])
        else:
            length = headers.get("Content-Length", "")
            if start or not re.fullmatch(r"\d{1,18}", length):
                hint = "download it, and name the copy"
                raise LorariumError(
                    "this server sends no parts of files", where=self._label, hint=hint
                )
            size = int(length)
        stamp = headers.get("ETag") or headers.get("Last-Modified") or ""
        if self.size < 0:
            self.size, self._stamp = size, stamp
        if (size, stamp) != (self.size, self._stamp):
            raise changed(self._label)

    def _request(self, url: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        fresh = self._connection is None or self._open_for != _site(url)
        while True:
            if fresh:
                self._connect(url)
            assert self._connection is not None
            try:
                target, more = _target(url)
                self._connection.request(
                    "GET", target, headers={**self._headers, **more, **headers}
                )
                return self._connection.getresponse()
            except (http.client.RemoteDisconnected, ConnectionError):
                if fresh:
                    raise
                fresh = True  # the server had closed the one that was left open

    def _connect(self, url: str) -> None:
        self._close()
        site = _site(url)
        if site is None:
            raise LorariumError("this is no address", where=self._label)
        self._open_for = site
        self._connection = _connection(*site, self.timeout)
        self._connection.connect()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    @contextmanager
    def _deadline(self, seconds: float) -> Iterator[threading.Event]:
        """Ends a connection whose time is up, however slowly bytes still trickle in."""
        late = threading.Event()

        def cut() -> None:
            late.set()
            sock = self._connection.sock if self._connection is not None else None
            if sock is not None:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

        watch = threading.Timer(seconds, cut)
        watch.daemon = True
        watch.start()
        try:
            yield late
        finally:
            watch.cancel()


def _site(url: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port of a URL; None where it has none."""
    try:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return None
        return parts.scheme, parts.hostname, parts.port
    except ValueError:
        return None


def same_site(one: str, other: str) -> bool:
    """Whether two URLs lead to one server."""
    return _site(one) is not None and _site(one) == _site(other)


def _target(url: str) -> tuple[str, dict[str, str]]:
    """What stands in the request's first line, and the header for a name and password."""
    parts = urllib.parse.urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {}
    if parts.username is not None:
        pair = (
            f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        )
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    if parts.scheme == "http" and _proxy(parts.scheme, parts.hostname or ""):
        site = parts.netloc.rpartition("@")[2]
        return f"http://{site}{target}", {"Host": site, **headers}
    return target, headers


def _connection(
    scheme: str, host: str, port: int | None, timeout: float
) -> http.client.HTTPConnection:
    """Straight, or by the proxy of the environment."""
    proxy = _proxy(scheme, host)
    to = proxy or (host, port)
    if scheme == "http":
        return http.client.HTTPConnection(*to, timeout=timeout)
    secure = http.client.HTTPSConnection(*to, timeout=timeout, context=ssl.create_default_context())
    if proxy:
        secure.set_tunnel(host, port or 443)
    return secure


def _proxy(scheme: str, host: str) -> tuple[str, int | None] | None:
    if _is_here(host) or urllib.request.proxy_bypass(host):
        return None
    url = urllib.request.getproxies().get(scheme)
    if not url:
        return None
    parts = urllib.parse.urlsplit(url if "://" in url else f"http://{url}")
    return (parts.hostname, parts.port) if parts.hostname else None


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
