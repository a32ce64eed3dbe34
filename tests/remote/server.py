"""A small HTTP server of this machine that sends parts of files, and can be made to misbehave."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

Handler = Callable[["Answer"], bool]


class Answer(BaseHTTPRequestHandler):
    """One request; `server.before` may answer it first."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.requests.append((self.command, self.path, dict(self.headers)))
        if self.server.before is not None and self.server.before(self):
            return
        file = self.server.folder / unquote(self.path.partition("?")[0]).lstrip("/")
        if not file.is_file():
            self.simple(404)
            return
        self.send_file(file)

    def send_file(self, file: Path, *, cut: int = 0, etag: str | None = None) -> None:
        """As a good server does; `cut` bytes short of what it says."""
        size = file.stat().st_size
        state = file.stat()
        byte_range = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        start, stop = 0, size
        if byte_range:
            start, stop = int(byte_range[1]), min(size, int(byte_range[2]) + 1)
            if start >= size:
                self.simple(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(stop - start))
        self.send_header("ETag", etag or f'"{state.st_mtime_ns:x}-{size:x}"')
        self.end_headers()
        if self.command == "HEAD":
            return
        left = stop - start - cut
        with open(file, "rb") as source:
            source.seek(start)
            while left > 0:
                piece = source.read(min(left, 2**20))
                self.server.sent += len(piece)  # before it goes: who has it may ask at once
                self.wfile.write(piece)
                left -= len(piece)
        if cut:
            self.close_connection = True

    def simple(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: Path, before: Handler | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.folder, self.before = folder, before
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.sent = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a reader that has what it wanted may hang up


@contextmanager
def serving(folder: Path, before: Handler | None = None) -> Iterator[Server]:
    server = Server(folder, before)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def drip(answer: Answer) -> bool:
    """One byte now and then, for ever."""
    answer.send_response(206)
    answer.send_header("Content-Range", "bytes 0-65535/1000000")
    answer.send_header("Content-Length", "65536")
    answer.end_headers()
    try:
        while True:
            answer.wfile.write(b"x")
            time.sleep(0.05)
    except OSError:
        answer.close_connection = True
    return True


def hub(folder: Path, *, elsewhere: str = "") -> Handler:
    """The hub's answers for the repository owner/name, whose files lie in `folder`; with
    `elsewhere`, a file is redirected there as to the hub's storage."""

    def before(answer: Answer) -> bool:
        path = answer.path.partition("?")[0]
        if path.startswith("/api/models/owner/name/tree/main"):
            below = path.removeprefix("/api/models/owner/name/tree/main").strip("/")
            items = [
                {
                    "type": "file", "path": str(file.relative_to(folder)),
                    "size": file.stat().st_size, "oid": f"{file.stat().st_mtime_ns:x}",
                }
                for file in sorted((folder / below).rglob("*"))
                if file.is_file()
            ]  # fmt: skip
            body = json.dumps(items).encode()
            answer.simple(200, {"Content-Type": "application/json"}, body)
            return True
        if path.startswith("/owner/name/resolve/main/"):
            file = folder / path.removeprefix("/owner/name/resolve/main/")
            if not file.is_file():
                answer.simple(404, {"X-Error-Code": "EntryNotFound"})
            elif elsewhere:
                facts = {
                    "Location": f"{elsewhere}/{file.relative_to(folder)}?Signature=secret",
                    "X-Repo-Commit": "0" * 40,
                    "X-Linked-Size": str(file.stat().st_size),
                    "X-Linked-ETag": '"sha-of-the-content"',
                }
                answer.simple(302, facts)
            else:
                answer.send_file(file, etag=f'"{file.stat().st_mtime_ns:x}"')
            return True
        if path.startswith(("/owner/secret", "/api/models/owner/secret")):
            answer.simple(401, {"X-Error-Code": "RepoNotFound"})
            return True
        return False

    return before
