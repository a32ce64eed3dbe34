"""A real server on a real socket, for tests that ask it as a stranger would."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lorarium import formats
from lorarium.formats.example import example
from lorarium.library import Library
from lorarium.studio.serving import listen, make_server, rules_for

HOSTILE_NAME = "<img src=x onerror=alert(1)>"
SCRIPT = "</script><script>window.pwned=1</script><img src=x onerror='window.pwned=1'>"
METADATA = ("modelspec.title", "modelspec.author", "modelspec.trigger_phrase", "ss_output_name",
            "ss_base_model_version", "modelspec.license", "ss_training_comment",
            "modelspec.description", "modelspec.tags", "ss_tag_frequency")  # fmt: skip


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Served:
    port: int
    home: Path  # the folder that was chosen
    library: Path
    token: str = ""
    change: str = ""
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"http://localhost:{self.port}"

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str | None
    ) -> Reply:
        """As our page would, but for `headers`; None leaves one out."""
        own: dict[str, str | None] = {"host": f"localhost:{self.port}"}
        if method not in ("GET", "HEAD"):
            own |= {"x-lorarium-change": self.change, "content-type": "application/json"}
        own |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in own.items():
            if value is not None:
                connection.putheader(name, value)
        if body is not None and "content-length" not in own:
            connection.putheader("content-length", str(len(body)))
        connection.endheaders()
        if body is not None:
            connection.send(body)
        answer = connection.getresponse()
        reply = Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        connection.close()
        return reply

    def get(self, path: str) -> Any:
        reply = self.ask("GET", path)
        assert reply.status == 200, (reply.status, reply.body[:500])
        return reply.json

    def send(self, path: str, document: Any, method: str = "POST") -> Reply:
        return self.ask(method, path, json.dumps(document).encode())

    def done(self, reply: Reply, seconds: float = 120) -> dict[str, Any]:
        """The job that a reply speaks of, when it is over."""
        assert reply.status == 200, (reply.status, reply.body[:500])
        name = reply.json["id"]
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            jobs = {job["id"]: job for job in self.get("/api/jobs")["jobs"]}
            if jobs[name]["state"] not in ("waiting", "running"):
                return jobs[name]
            time.sleep(0.1)
        raise AssertionError(f"the job is not over: {jobs[name]}")

    def rows(self, query: str = "") -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.get(f"/api/files?limit=500&{query}")["rows"]
        return rows

    def key(self, name: str) -> str:
        return next(str(row["key"]) for row in self.rows() if row["name"] == name)


@contextmanager
def served(
    library: Path,
    folders: Sequence[Path],
    *,
    token: str | None = None,
    reading: str | None = None,
    bases: Mapping[str, str] | None = None,
    index: bool = False,
) -> Iterator[Served]:
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    rules = rules_for("127.0.0.1", port, token, reading)
    server = make_server(Library(library), folders, rules, bases=bases, index=index)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server ended at once"
        time.sleep(0.02)
    home = folders[0] if folders else library
    one = Served(port, home, library, token or "", rules.change)
    try:
        yield one
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
        assert not thread.is_alive(), "the server does not end"


def hostile_metadata() -> dict[str, str]:
    values = dict.fromkeys(METADATA, SCRIPT)
    values["ss_tag_frequency"] = json.dumps({SCRIPT: {SCRIPT: 3}})
    return values


def fill(folder: Path) -> None:
    """A small collection: two bases, a copy, a merge, a dead file, hostile text in names and
    headers, and a preview."""
    from PIL import Image

    from lorarium.mergers import merge

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "styles").mkdir(exist_ok=True)
    named = {"modelspec.title": "ink wash", "modelspec.trigger_phrase": "inkwash"}
    ink = example(family="micro-1", seed=1, metadata=named)
    cat = example(family="micro-1", seed=2, metadata={"modelspec.title": "a cat"})
    formats.write(ink, folder / "styles" / "ink.safetensors", "kohya")
    formats.write(cat, folder / "cat.safetensors", "kohya")
    (folder / "cat copy.safetensors").write_bytes((folder / "cat.safetensors").read_bytes())
    formats.write(merge([ink, cat], [1.0, 0.5]), folder / "both.safetensors", "kohya")
    hostile = example(family="micro-1", seed=3, metadata=hostile_metadata())
    formats.write(hostile, folder / f"{HOSTILE_NAME}.safetensors", "kohya")
    Image.new("RGB", (64, 64), (200, 60, 40)).save(folder / "cat.preview.png")
    (folder / "broken.safetensors").write_bytes(b"\x40" + bytes(30))
