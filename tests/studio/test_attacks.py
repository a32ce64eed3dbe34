"""What the studio refuses, asked of the real server as an attacker would: one test for each way."""

from __future__ import annotations

import http.client
import io
import json
import pickle
import socket
import struct
import time
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from lorarium import formats
from lorarium.errors import LorariumError
from lorarium.formats.example import example
from lorarium.library import Library
from lorarium.library.tidy_plan import Plan
from lorarium.studio import guard, serving
from lorarium.studio.allowed import AllowedFolders
from tests.studio.served import HOSTILE_NAME, Served, fill, served

EVIL = "http://evil.example"
TOKEN = "a-token-of-enough-letters"


# DNS rebinding


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "localhost:1", "localhost", "", 
     "127.0.0.1.evil:{port}", "localhost:{port}.evil.example", "[::1]evil:{port}",
     "10.0.0.7:{port}"]
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/api/session", "/api/files", "/api/events"])
def test_another_host_name_is_refused(studio: Served, host: str, path: str) -> None:
    reply = studio.ask("GET", path, host=host.format(port=studio.port))
    assert reply.status == 421 and studio.change.encode() not in reply.body


def test_two_host_names_and_none_are_refused(studio: Served) -> None:
    good = f"host: localhost:{studio.port}\r\n"
    for heads in (good + "host: evil.example\r\n", ""):
        answer = raw(studio, f"GET /api/session HTTP/1.1\r\n{heads}\r\n")
        assert answer.split(b" ")[1] in (b"400", b"421")
        assert studio.change.encode() not in answer


def test_own_names_are_answered(studio: Served) -> None:
    for name in ("localhost", "127.0.0.1", "[::1]"):
        assert studio.ask("GET", "/api/session", host=f"{name}:{studio.port}").status == 200


# other sites


@pytest.mark.parametrize("origin", [EVIL, "null", "http://localhost:1", "http://localhost"])
def test_another_origin_is_refused(studio: Served, origin: str) -> None:
    body = b'{"note": "mine", "tags": []}'
    path = f"/api/files/{studio.key('cat')}/note"
    assert studio.ask("PUT", path, body, origin=origin).status == 403
    assert studio.ask("GET", "/api/session", origin=origin).status == 403
    assert studio.get(f"/api/files/{studio.key('cat')}")["note"]["note"] == ""


CHANGES = [
    ("POST", "/api/jobs/index"), ("POST", "/api/jobs/sample"), ("POST", "/api/jobs/tidy-plan"),
    ("POST", "/api/jobs/tidy-apply"), ("POST", "/api/jobs/tidy-undo"), ("POST", "/api/jobs/merge"),
    ("POST", "/api/jobs/render"), ("POST", "/api/jobs/synth"), ("POST", "/api/uploads"),
    ("POST", "/api/jobs/compare"), ("POST", "/api/jobs/convert"), ("POST", "/api/jobs/resize"),
    ("POST", "/api/jobs/metadata"), ("POST", "/api/search"), ("POST", "/api/forecast"),
    ("DELETE", "/api/jobs/x"),
    ("PUT", f"/api/files/{'0' * 32}/note"),
]  # fmt: skip


@pytest.mark.parametrize("method, path", CHANGES)
def test_a_change_without_the_token_is_refused(studio: Served, method: str, path: str) -> None:
    for mark in (None, "", "wrong", studio.change[:-1], studio.change + "x"):
        reply = studio.ask(method, path, b"{}", x_lorarium_change=mark)
        assert reply.status == 403, mark
    # as a form of another page would send it
    form = {"content_type": "application/x-www-form-urlencoded", "x_lorarium_change": None}
    assert studio.ask(method, path, b"a=b", **form).status == 403


def test_every_way_to_change_is_in_the_list(studio: Served) -> None:
    paths = studio.get("/openapi.json")["paths"]
    ways = {(m.upper(), p) for p, methods in paths.items() for m in methods if m != "get"}
    known = {
        (m, p.replace("0" * 32, "{key}").replace("/jobs/x", "/jobs/{name}")) for m, p in CHANGES
    }
    assert ways == known


def test_a_page_of_another_site_cannot_ask(studio: Served) -> None:
    for site in ("cross-site", "same-site"):
        assert studio.ask("GET", "/api/files", sec_fetch_site=site).status == 403
        assert studio.ask("GET", "/app.js", sec_fetch_site=site).status == 403
    assert studio.ask("GET", "/", sec_fetch_site="cross-site").status == 200  # a link to us is fine


def test_no_answer_opens_itself_to_others(studio: Served) -> None:
    for path in ("/", "/app.js", "/api/session", "/api/nothing", "/api/files"):
        headers = studio.ask("GET", path).headers
        assert not [name for name in headers if name.startswith("access-control")]
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src 'self'" in policy
        assert "unsafe" not in policy and "http" not in policy and "data:" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
    assert studio.ask("OPTIONS", "/api/search", origin=EVIL).status == 403


# the token for reading

READ = "a-token-for-reading-only"


def test_the_token_for_reading_changes_nothing(collection: tuple[Path, Path]) -> None:
    home, library = collection
    with served(library, [home], token=TOKEN, reading=READ) as studio:
        assert studio.ask("GET", "/api/files").status == 401
        bearer = {"authorization": f"Bearer {READ}", "x_lorarium_change": None}
        files = studio.ask("GET", "/api/files", **bearer)
        assert files.status == 200
        key = files.json["rows"][0]["key"]
        for path in (f"/api/files/{key}", "/api/notes", "/api/facets", "/openapi.json"):
            assert studio.ask("GET", path, **bearer).status == 200
        found = studio.ask("POST", "/api/search", b'{"text": "inkwash"}', **bearer)
        assert found.status == 200 and found.json["rows"][0]["name"] == "ink"
        for method, path in CHANGES:
            if path not in guard.READ_BY_POST:
                for mark in (None, studio.change):  # though it knew the page's own token
                    asked = {**bearer, "x_lorarium_change": mark}
                    assert studio.ask(method, path, b"{}", **asked).status == 403
        session = studio.ask("GET", "/api/session", **bearer)
        assert session.status == 403 and studio.change.encode() not in session.body
        wrong = {**bearer, "authorization": f"Bearer {READ}x"}
        assert studio.ask("GET", "/api/files", **wrong).status == 401
        assert studio.ask("GET", "/api/files", **bearer, origin=EVIL).status == 403


def test_tokens_that_are_the_same_or_short_are_refused() -> None:
    for token, reading in ((TOKEN, TOKEN), (None, "short")):
        with pytest.raises(LorariumError, match="token"):
            serving.rules_for("127.0.0.1", 1, token, reading)


# paths

STEPS = ["../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "/etc/passwd",
         "....//etc/passwd", "..\\..\\etc\\passwd", "%00", "a" * 5000]  # fmt: skip


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    "path", ["/api/files/{}", "/api/files/{}/preview", "/api/pictures/{}", "/{}"]
)
def test_no_step_leads_out(studio: Served, path: str, step: str) -> None:
    reply = raw(
        studio, f"GET {path.format(step)} HTTP/1.1\r\nhost: localhost:{studio.port}\r\n\r\n"
    )
    assert reply.split(b" ")[1] in (b"400", b"404", b"431")
    assert b"root:" not in reply


@pytest.mark.parametrize(
    "name", ["../out", "/etc/out", "..\\out", "a/b", "a\\b", ".hidden", "", " ", "a\x00b", "a\nb",
             "con:x", "x" * 130, "‮gnp", "~/out/", "..", "a/../b"]
)  # fmt: skip
def test_nothing_is_written_outside(studio: Served, name: str) -> None:
    before = sorted(studio.home.parent.rglob("*"))
    mix = {"inputs": [{"key": studio.key("cat")}], "name": name}
    assert studio.send("/api/jobs/merge", mix).status in (400, 403, 422)
    made = {"uploads": ["0" * 16], "name": name}
    assert studio.send("/api/jobs/synth", made).status in (400, 403, 422)
    assert [p for p in sorted(studio.home.parent.rglob("*")) if p not in before] == []


def test_a_folder_that_was_not_chosen_cannot_be_named(studio: Served) -> None:
    for folder in (-1, 7, "/etc"):
        mix = {"inputs": [{"key": studio.key("cat")}], "name": "x", "folder": folder}
        assert studio.send("/api/jobs/merge", mix).status in (400, 422)


def test_a_file_that_became_a_link_is_not_opened(tmp_path: Path) -> None:
    home, secret = tmp_path / "loras", tmp_path / "secret.safetensors"
    fill(home)
    library = tmp_path / "library"
    Library(library).index([home], workers=0)
    formats.write(example(family="micro-1", seed=9, metadata={"modelspec.title": "SECRET"}), secret)
    with served(library, [home]) as studio:
        key = studio.key("cat")
        (home / "cat.safetensors").unlink()
        (home / "cat.safetensors").symlink_to(secret)
        card = studio.get(f"/api/files/{key}")
        assert not card["facts"]["ok"] and "outside" in card["facts"]["error"]
        assert b"SECRET" not in json.dumps(card).encode()
        assert studio.ask("GET", f"/api/files/{key}/preview").status == 403
        assert studio.ask("GET", f"/api/files/{key}/relatives").status == 403
        mix = {"inputs": [{"key": key}], "name": "stolen"}
        assert studio.send("/api/jobs/merge", mix).status == 403
        assert studio.send("/api/forecast", {"inputs": [{"key": key}]}).status == 403
        assert studio.send("/api/search", {"keys": [key]}).status == 403


def test_a_preview_that_is_a_link_is_not_shown(tmp_path: Path) -> None:
    home = tmp_path / "loras"
    fill(home)
    Image.new("RGB", (8, 8), (1, 2, 3)).save(tmp_path / "secret.png")
    (home / "cat.preview.png").unlink()
    (home / "cat.preview.png").symlink_to(tmp_path / "secret.png")
    Library(tmp_path / "library").index([home], workers=0)
    with served(tmp_path / "library", [home]) as studio:
        reply = studio.ask("GET", f"/api/files/{studio.key('cat')}/preview")
        assert reply.headers["content-type"] == "image/svg+xml"  # its energies instead


def test_a_chosen_folder_that_holds_a_link_out_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / "x.safetensors").symlink_to(tmp_path / "out" / "x.safetensors")
    allowed = AllowedFolders.of([tmp_path / "in"])
    with pytest.raises(LorariumError, match="outside"):
        allowed.new("x.safetensors")
    with pytest.raises(LorariumError, match="outside"):
        allowed.inside(tmp_path / "in" / ".." / "out")
    assert not allowed.has(f"{tmp_path}/in-other/x")


def test_only_files_of_the_chosen_folders_are_listed(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "one-more"
    fill(one)
    fill(two)
    Library(tmp_path / "library").index([one, two], workers=0)
    with served(tmp_path / "library", [one]) as studio:
        everything = Library(tmp_path / "library").to_pandas()
        assert len(studio.rows()) == len(everything) // 2
        other = everything[everything.path.str.startswith(f"{two}/")].key.iloc[0]
        assert studio.ask("GET", f"/api/files/{other}").status == 400


def test_a_plan_that_was_tampered_with_moves_nothing_outside(tmp_path: Path) -> None:
    home, outside = tmp_path / "loras", tmp_path / "precious.safetensors"
    fill(home)
    library = tmp_path / "library"
    place = Library(library)
    place.index([home], workers=0)
    formats.write(example(family="micro-1", seed=5), outside)
    plan = place.tidy_plan()
    plan.save(library / "tidy.json")
    document = json.loads((library / "tidy.json").read_text())
    state = outside.stat()
    document["items"][0] |= {"path": str(outside), "why": "dead",
                             "state": [state.st_size, state.st_mtime_ns, state.st_ino]}  # fmt: skip
    (library / "tidy.json").write_text(json.dumps(document))
    assert len(Plan.load(library / "tidy.json").items) == len(plan.items)
    with served(library, [home]) as studio:
        shown = studio.get("/api/tidy")["plan"]
        assert 0 not in {item["number"] for item in shown["items"]}
        choice = {"made": shown["made"], "chosen": [0]}
        job = studio.done(studio.send("/api/jobs/tidy-apply", choice))
        assert job["state"] == "failed" and "outside" in job["error"]
    assert outside.exists()


def test_what_was_tidied_elsewhere_is_not_put_back_from_here(tmp_path: Path) -> None:
    """A run of the command on other folders of the library is not the page's to take back."""
    home, other = tmp_path / "loras", tmp_path / "loras-more"
    fill(home)
    fill(other)
    library = tmp_path / "library"
    place = Library(library)
    place.index([home, other], workers=0)
    done = place.tidy(place.tidy_plan())
    assert any(path.startswith(f"{other}/") for path in done.moved)
    with served(library, [home]) as studio:
        assert studio.get("/api/tidy")["runs"] == []
        for run in (done.run, ""):
            job = studio.done(studio.send("/api/jobs/tidy-undo", {"run": run}))
            assert job["state"] == "failed" and "outside" in job["error"]


def test_the_map_shows_nothing_of_other_folders(tmp_path: Path) -> None:
    """Neither of one whose name begins alike, nor copies there of what is shown."""
    home, other = tmp_path / "loras", tmp_path / "loras-more"
    fill(home)
    fill(other)
    formats.write(example(family="micro-1", seed=77), other / "aa.safetensors")
    Library(tmp_path / "library").index([home, other], workers=0)
    with served(tmp_path / "library", [home]) as studio:
        job = studio.ask("GET", "/api/map")
        assert job.status == 202
        ends = time.monotonic() + 120
        while (reply := studio.ask("GET", "/api/map")).status == 202:
            assert time.monotonic() < ends
            time.sleep(0.2)
        keys = {row["key"] for row in studio.rows()}
        assert set(reply.json["key"]) <= keys and len(reply.json["key"]) >= 4
        assert "aa" not in reply.json["name"]


# text of strangers


def test_script_in_names_and_headers_stays_text(studio: Served) -> None:
    key = studio.key(HOSTILE_NAME)
    for path in (f"/api/files/{key}", "/api/files", f"/api/files/{key}/relatives", "/api/facets"):
        reply = studio.ask("GET", path)
        assert reply.headers["content-type"] == "application/json"
        assert reply.json
    card = studio.get(f"/api/files/{key}")
    assert "window.pwned" in card["facts"]["metadata"]["modelspec.title"]  # as it is, as text
    picture = studio.ask("GET", f"/api/files/{key}/preview")
    assert b"script" not in picture.body and b"onerror" not in picture.body
    page = studio.ask("GET", "/").body
    assert page.count(b"<script") == 1 and b'src="/app.js"' in page  # nothing inline
    assert (
        b"style=" not in page and b"<style" not in page and b" on" not in page.split(b"<body>")[1]
    )


def test_an_error_shows_no_markup_or_control_characters(studio: Served) -> None:
    reply = studio.send("/api/search", {"text": "x", "where": "<script>\x1b[2J = 1"})
    assert reply.status == 400 and reply.headers["content-type"] == "application/json"
    assert "\x1b" not in reply.json["error"]


# uploads


def test_too_large_is_refused_before_it_is_read(studio: Served) -> None:
    for path, most in (("/api/uploads", guard.MOST_UPLOAD), ("/api/search", guard.MOST_BODY)):
        reply = studio.ask("POST", path, b"", content_length=str(most + 1))
        assert reply.status == 413
        assert studio.ask("POST", path, b"", content_length="9" * 40).status in (400, 413)
        assert studio.ask("POST", path, b"", content_length="-1").status in (400, 413)


def test_a_body_that_lies_about_its_length_is_cut_off(studio: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", studio.port, timeout=60)
    connection.putrequest("POST", "/api/search", skip_host=True)
    for name, value in (("host", f"localhost:{studio.port}"), ("transfer-encoding", "chunked"),
                        ("x-lorarium-change", studio.change)):  # fmt: skip
        connection.putheader(name, value)
    connection.endheaders()
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    sent = 0
    try:
        for _ in range(400):  # 25 MiB
            connection.send(chunk)
            sent += 65536
    except (BrokenPipeError, ConnectionResetError):
        pass
    try:
        assert connection.getresponse().status == 413
    except (ConnectionError, http.client.HTTPException):
        assert sent < 20 * guard.MOST_BODY
    connection.close()


def eps() -> bytes:
    return b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(x) run\n"


def torch_zip() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps({"x": 1}))
    return held.getvalue()


def bomb() -> bytes:
    """A picture of a few kilobytes that would be 40,000 x 40,000."""
    import zlib

    def part(kind: bytes, data: bytes) -> bytes:
        sum_ = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + sum_

    head = part(b"IHDR", struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + head
        + part(b"IDAT", zlib.compress(b"\0" * 1000))
        + part(b"IEND", b"")
    )


LIES = {
    "a pickle": ("x.safetensors", pickle.dumps({"a": 1})),
    "a torch file": ("x.png", torch_zip()),
    "an EPS": ("x.png", eps()),
    "an EPS behind spaces": ("x.jpg", b"\r\n" + eps()),
    "an SVG": ("x.png", b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>'),
    "a page": ("x.gif", b"<!doctype html><script>1</script>"),
    "a header that claims a terabyte": ("x.safetensors", struct.pack("<Q", 1 << 40) + b"{}"),
    "a header of other things": ("x.safetensors", struct.pack("<Q", 2) + b"{]"),
    "a bomb": ("x.png", bomb()),
    "half a picture": ("x.png", b"\x89PNG\r\n\x1a\n" + bytes(40)),
    "a PDF": ("x.png", b"%PDF-1.4\n"),
    "nothing": ("x.png", b""),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_upload_that_is_not_what_it_says_is_refused(studio: Served, lie: str) -> None:
    name, data = LIES[lie]
    reply = studio.ask("POST", f"/api/uploads?name={name}", data)
    assert reply.status == 400, reply.body
    assert [p.name for p in (studio.library / "studio" / "uploads").glob("*.part")] == []


def test_a_name_of_an_upload_is_never_a_path(studio: Served) -> None:
    held = io.BytesIO()
    Image.new("RGB", (16, 16)).save(held, "PNG")
    before = {p for p in studio.home.parent.rglob("*") if "uploads" not in str(p)}
    name = "..%2f..%2f..%2fevil.png"
    reply = studio.ask("POST", f"/api/uploads?name={name}", held.getvalue())
    assert reply.status == 200 and "/" not in reply.json["id"]
    assert {p for p in studio.home.parent.rglob("*") if "uploads" not in str(p)} == before
    for wrong in ("../" + reply.json["id"], reply.json["id"].upper() + "/", "0" * 16):
        assert studio.send("/api/search", {"uploads": [wrong]}).status in (400, 422)


# slow clients


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch, collection: tuple[Path, Path]):  # type: ignore[no-untyped-def]
    monkeypatch.setattr(serving, "HEAD_SECONDS", 0.6)
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.6)
    home, library = collection
    with served(library, [home]) as one:
        yield one


def test_a_head_that_never_ends_is_cut_off(hasty: Served) -> None:
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", hasty.port), timeout=20) as line:
        line.sendall(b"GET / HTTP/1.1\r\n")
        with pytest.raises((ConnectionError, BrokenPipeError)):
            for _ in range(100):  # a byte now and then keeps nothing open
                line.sendall(b"x")
                time.sleep(0.1)
    assert time.monotonic() - began < 8


def test_a_silent_connection_is_cut_off(hasty: Served) -> None:
    with socket.create_connection(("127.0.0.1", hasty.port), timeout=8) as line:
        assert closed(line)


def test_a_second_head_that_never_ends_is_cut_off(hasty: Served) -> None:
    with socket.create_connection(("127.0.0.1", hasty.port), timeout=8) as line:
        line.sendall(f"GET /icon.svg HTTP/1.1\r\nhost: localhost:{hasty.port}\r\n\r\n".encode())
        time.sleep(0.3)
        assert b"200" in line.recv(65536)
        line.sendall(b"GET /icon.svg HTTP/1.1\r\nx: ")
        assert closed(line)


def test_a_body_that_never_ends_is_cut_off(hasty: Served) -> None:
    with socket.create_connection(("127.0.0.1", hasty.port), timeout=15) as line:
        head = f"POST /api/search HTTP/1.1\r\nhost: localhost:{hasty.port}\r\n"
        head += f"x-lorarium-change: {hasty.change}\r\ncontent-length: 1000\r\n\r\n{{"
        line.sendall(head.encode())
        assert line.recv(100).startswith(b"HTTP/1.1 408")


def test_others_are_served_meanwhile(hasty: Served) -> None:
    lines = [socket.create_connection(("127.0.0.1", hasty.port)) for _ in range(50)]
    for line in lines:
        line.sendall(b"GET / HTTP/1.1\r\n")
    began = time.monotonic()
    assert hasty.ask("GET", "/icon.svg").status == 200
    assert time.monotonic() - began < 3
    for line in lines:
        line.close()


# the access token


def test_others_than_this_machine_need_a_token() -> None:
    assert serving.rules_for("127.0.0.1", 1, None).token == ""
    assert serving.rules_for("::1", 1, None).token == ""
    for host in ("0.0.0.0", "192.168.1.5", "::", "studio.lan"):
        assert len(serving.rules_for(host, 1, None).token) >= 20
    with pytest.raises(LorariumError, match="too short"):
        serving.rules_for("0.0.0.0", 1, "short")


def test_without_the_token_nothing_of_the_library_is_told(
    collection: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    home, library = collection
    with served(library, [home], token=TOKEN) as studio:
        for path in ("/api/session", "/api/files", "/api/map", "/api/events", "/openapi.json"):
            assert studio.ask("GET", path).status == 401
            assert studio.ask("GET", f"{path}?token={TOKEN}").status == 401  # never in an address
            assert studio.ask("GET", path, authorization="Bearer wrong").status == 401
        assert studio.ask("POST", "/api/search", b"{}").status == 401
        good = f"Bearer {TOKEN}"
        assert studio.ask("GET", "/api/session", authorization=good).status == 200
        assert studio.ask("POST", "/api/login", b"wrong").status == 401
        reply = studio.ask("POST", "/api/login", TOKEN.encode())
        cookie = reply.headers["set-cookie"]
        assert "HttpOnly" in cookie and "samesite=strict" in cookie.lower() and TOKEN not in cookie
        assert studio.ask("GET", "/api/session", cookie=cookie.split(";")[0]).status == 200
        crossed = {"cookie": cookie.split(";")[0], "origin": EVIL}
        assert studio.ask("POST", "/api/search", b"{}", **crossed).status == 403
    printed = capfd.readouterr()
    assert TOKEN not in printed.out + printed.err and "/api" not in printed.out + printed.err


def test_with_a_token_names_of_others_are_still_refused(collection: tuple[Path, Path]) -> None:
    home, library = collection
    with served(library, [home], token=TOKEN) as studio:
        good = f"Bearer {TOKEN}"
        host = f"evil.example:{studio.port}"
        assert studio.ask("GET", "/api/session", host=host, authorization=good).status == 421


def raw(studio: Served, request: str) -> bytes:
    with socket.create_connection(("127.0.0.1", studio.port), timeout=20) as line:
        line.sendall(request.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n").encode("latin-1"))
        answer = b""
        while part := line.recv(65536):
            answer += part
    return answer


def closed(line: socket.socket) -> bool:
    try:
        return line.recv(100) == b""
    except ConnectionError:
        return True
