"""Files over HTTP: parts of them, and one line for whatever a server does instead."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lorarium.errors import LorariumError
from lorarium.remote import as_place, local_copy, open_remote
from lorarium.remote import http as reader
from tests.remote.server import Answer, Server, drip, serving

CONTENT = os.urandom(300_000)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "a b.bin").write_bytes(CONTENT)
    (tmp_path / "file.bin").write_bytes(CONTENT)
    with serving(tmp_path) as made:
        yield made


def read_all(url: str) -> bytes:
    file = open_remote(as_place(url))
    return file.read(0, file.size)


def test_parts_are_what_they_should_be(server: Server) -> None:
    file = open_remote(as_place(f"{server.url}/file.bin"))
    assert file.size == len(CONTENT) and file.version
    for start, count in ((0, 8), (10, 70_000), (65_000, 2_000), (200_000, 100_000), (5, 0)):
        assert file.read(start, count) == CONTENT[start : start + count]
    assert b"".join(file.chunks(0, file.size)) == CONTENT
    with pytest.raises(LorariumError):
        file.read(299_999, 2)


def test_what_came_over_the_wire_is_counted(server: Server) -> None:
    file = open_remote(as_place(f"{server.url}/file.bin"))
    file.read(100, 100)
    file.read(100_000, 1000)
    assert file.bytes_read == server.sent == reader.FIRST + 1000


def test_one_connection_serves_many_requests(server: Server) -> None:
    accepted = []
    accept = server.get_request

    def count_connection() -> tuple[socket.socket, object]:
        accepted.append(1)
        return accept()

    server.get_request = count_connection  # type: ignore[method-assign,assignment]
    file = open_remote(as_place(f"{server.url}/file.bin"))
    for start in range(100_000, 200_000, 10_000):
        file.read(start, 10)
    assert len(accepted) == 1


def test_names_in_addresses(server: Server) -> None:
    place = as_place(f"{server.url}/a%20b.bin?download=true")
    assert (place.name, place.suffix) == ("a b.bin", ".bin")
    with local_copy(place) as copy:
        assert copy.name == "a b.bin" and copy.read_bytes() == CONTENT
    assert not copy.exists()
    # `Path` makes one slash of two
    assert as_place(Path(f"{server.url}/file.bin")) == as_place(f"{server.url}/file.bin")


def changing(answer: Answer) -> bool:
    answer.send_file(answer.server.folder / "file.bin", etag=f'"{len(answer.server.requests)}"')
    return True


def cutting(answer: Answer) -> bool:
    answer.send_file(answer.server.folder / "file.bin", cut=100)
    return True


def another_part(answer: Answer) -> bool:
    answer.simple(206, {"Content-Range": "bytes 7-8/300000"}, b"xy")
    return True


def without_parts(answer: Answer) -> bool:
    del answer.headers["Range"]
    answer.send_file(answer.server.folder / "file.bin")
    return True


def around(answer: Answer) -> bool:
    answer.simple(302, {"Location": "/file.bin"})
    return True


def silent(answer: Answer) -> bool:
    answer.connection.settimeout(5)
    answer.rfile.read(1)  # until the other side hangs up
    answer.close_connection = True
    return True


def hanging_up(answer: Answer) -> bool:
    answer.close_connection = True
    return True


def packed(answer: Answer) -> bool:
    answer.simple(200, {"Content-Encoding": "gzip"}, b"\x1f\x8b")
    return True


@pytest.mark.parametrize(
    "before, words",
    [
        (lambda a: a.simple(404) or True, "there is no such file"),
        (lambda a: a.simple(401) or True, "access is refused (401)"),
        (lambda a: a.simple(403) or True, "access is refused (403)"),
        (lambda a: a.simple(429) or True, "too many requests"),
        (lambda a: a.simple(503) or True, "has a fault (503)"),
        (lambda a: a.simple(418) or True, "refuses the request (418)"),
        (lambda a: a.simple(416) or True, "the file is empty"),
        (changing, "it changed while it was read"),
        (cutting, "the answer was cut short: 65436 of 65536 bytes came"),
        (another_part, "sent another part"),
        (without_parts, "sends no parts of files"),
        (around, "without end"),
        (silent, "no answer within"),
        (drip, "no answer within"),
        (hanging_up, "the connection failed"),
        (packed, "packed"),
    ],
)
def test_every_fault_is_one_line(
    server: Server, before: object, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "SLOWEST", 2**20)
    server.before = before  # type: ignore[assignment]
    with pytest.raises(LorariumError) as caught:
        # a loaded machine may keep an answer for a second: only the endless are cut short
        timeout = 0.5 if words == "no answer within" else 60
        file = reader.HttpFile(f"{server.url}/file.bin", label="there", timeout=timeout)
        file.read(200_000, 10)
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert str(caught.value).startswith("there: ")


def test_nobody_answers_at_all() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(LorariumError, match="the connection failed"):
        read_all(f"http://127.0.0.1:{port}/x.safetensors")


def test_another_host_is_named_and_not_asked(server: Server, tmp_path: Path) -> None:
    with serving(tmp_path) as other:
        server.before = lambda a: a.simple(302, {"Location": f"{other.url}/file.bin"}) or True
        with pytest.raises(
            LorariumError, match=r"leads to another host, 127\.0\.0\.1, which is not"
        ):
            read_all(f"{server.url}/file.bin")
        assert other.requests == []


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://[::1", ""])
def test_redirections_to_what_is_no_server(server: Server, location: str) -> None:
    server.before = lambda a: a.simple(302, {"Location": location}) or True
    with pytest.raises(LorariumError):
        read_all(f"{server.url}/file.bin")


def test_a_file_that_moved_on_its_host_is_followed(server: Server) -> None:
    def moved(answer: Answer) -> bool:
        if answer.path == "/old.bin":
            answer.simple(301, {"Location": "/file.bin"})
            return True
        return False

    server.before = moved
    assert read_all(f"{server.url}/old.bin") == CONTENT


def test_a_small_file_needs_no_server_that_knows_parts(server: Server) -> None:
    (server.folder / "small.bin").write_bytes(b"12345")
    server.before = lambda a: without_parts(a) if a.path != "/small.bin" else drop_range(a)
    assert read_all(f"{server.url}/small.bin") == b"12345"


def drop_range(answer: Answer) -> bool:
    del answer.headers["Range"]
    return False


def test_passwords_are_sent_and_never_shown(server: Server) -> None:
    url = server.url.replace("http://", "http://me:pass%20word@") + "/none.bin?token=hidden"
    place = as_place(url)
    with pytest.raises(LorariumError) as caught:
        open_remote(place)
    for text in (str(place), repr(place), str(caught.value)):
        assert not any(secret in text for secret in ("pass", "me:", "hidden"))
    assert str(place) == f"{server.url}/none.bin?…"
    _, path, headers = server.requests[-1]
    assert path == "/none.bin?token=hidden"
    assert headers["Authorization"] == "Basic bWU6cGFzcyB3b3Jk"


@pytest.mark.parametrize(
    "text, safe_text",
    [
        ("https://a:b@host/x.safetensors?sig=1#top", "https://host/x.safetensors?…"),
        ("cannot open 'https://t@host/x?k=v', sorry", "cannot open 'https://host/x?…', sorry"),
        ("https:/a:b@host/x", "https:/host/x"),
        ("s3://key:secret@bucket/x", "s3://bucket/x"),
        ("folder/a@b.safetensors?", "folder/a@b.safetensors?"),
        ("C:/loras/x", "C:/loras/x"),
    ],
)
def test_no_error_ever_shows_a_secret(text: str, safe_text: str) -> None:
    assert str(LorariumError(text)) == safe_text
    assert str(LorariumError("x", where=text)) == f"{safe_text}: x"


@pytest.mark.parametrize(
    "text", ["hf://owner", "https://", "s3://", "hf://owner/../x", "http://a b/c"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(LorariumError):
        as_place(text)


@pytest.mark.parametrize("text", ["x.safetensors", "C:/x", "/a/b", "hf", "file:///x", "hfs://a/b"])
def test_everything_else_is_a_path(text: str) -> None:
    assert as_place(text) == Path(text)
