"""What the server says of a collection, and the jobs that it does, by real HTTP."""

from __future__ import annotations

import io
import json
import os
import re
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import lorarium as lo
from lorarium import formats
from lorarium.algebra import inner_by_module
from lorarium.formats.example import example
from lorarium.library import Library
from lorarium.library.schema import FACTS, SCHEMA
from lorarium.studio.shelf import Shelf, ShelfQuery
from lorarium.studio.state import forget_oldest
from tests.studio.served import HOSTILE_NAME, Served, fill, served

NAMES = ["both", "broken", "cat", "cat copy", "ink", HOSTILE_NAME]


def test_files_are_filtered_sorted_and_paged(studio: Served) -> None:
    assert sorted(row["name"] for row in studio.rows()) == sorted(NAMES)
    assert [row["name"] for row in studio.rows("folder=loras/styles")] == ["ink"]
    assert [row["name"] for row in studio.rows("health=cannot be read".replace(" ", "%20"))] == [
        "broken"
    ]
    by_name = [row["name"] for row in studio.rows()]
    assert [row["name"] for row in studio.rows("down=1")] == by_name[::-1]
    pages = [studio.get(f"/api/files?offset={i}&limit=2")["rows"] for i in (0, 2, 4)]
    assert [row["name"] for page in pages for row in page] == by_name
    sizes = [row["size"] for row in studio.rows("sort=size")]
    assert sizes == sorted(sizes)
    assert studio.rows("where=rank%20%3E%201000") == []
    assert studio.ask("GET", "/api/files?where=nonsense%20%3D%201").status == 400
    assert studio.ask("GET", "/api/files?sort=path").status == 400


def test_a_card_knows_what_inspect_knows(studio: Served) -> None:
    card = studio.get(f"/api/files/{studio.key('ink')}")
    facts = lo.inspect(studio.home / "styles" / "ink.safetensors").to_json()
    for name in ("family", "dialect", "rank", "norm", "energy", "health", "hashes", "parts"):
        assert card["facts"][name] == json.loads(json.dumps(facts[name])), name
    assert card["prompt"] == "inkwash, <lora:ink:0.8>"
    broken = studio.get(f"/api/files/{studio.key('broken')}")
    assert broken["row"]["error"] and not broken["facts"]["ok"]


def test_relatives_name_parents_and_copies(studio: Served) -> None:
    answer = studio.get(f"/api/files/{studio.key('both')}/relatives")
    parents = {
        answer["names"][p["path"]]["name"]: p["weight"]
        for p in answer["lineage"]["merge"]["parents"]
    }
    assert parents.keys() <= {"ink", "cat", "cat copy"} and len(parents) == 2
    assert parents["ink"] == pytest.approx(1.0, abs=1e-3)
    copies = studio.get(f"/api/files/{studio.key('cat')}/relatives")["lineage"]["copies"]
    assert [c["class"] for c in copies] == ["identical bytes"]


def test_previews_are_pixels_of_ours(studio: Served) -> None:
    beside = studio.ask("GET", f"/api/files/{studio.key('cat')}/preview")
    assert beside.headers["content-type"] == "image/webp"
    with Image.open(io.BytesIO(beside.body)) as picture:
        assert picture.convert("RGB").getpixel((5, 5))[0] > 150
    bars = studio.ask("GET", f"/api/files/{studio.key('ink')}/preview").body
    assert bars.startswith(b"<svg") and bars.count(b"<rect") > 3
    # copies look alike, others do not
    other = studio.ask("GET", f"/api/files/{studio.key('both')}/preview").body
    assert re.search(rb"hsl\(\d+", bars)[0] != re.search(rb"hsl\(\d+", other)[0]  # type: ignore[index]


def test_words_files_and_pictures_are_searched_for(studio: Served) -> None:
    answer = studio.send("/api/search", {"text": "inkwahs"}).json  # mistyped
    assert answer["rows"][0]["name"] == "ink" and "inkwash" in answer["note"]
    like = studio.send("/api/search", {"keys": [studio.key("cat")]}).json["rows"]
    assert [row["name"] for row in like[:2]] == ["cat copy", "both"] and like[1]["score"] > 0.2
    data = (studio.home / "styles" / "ink.safetensors").read_bytes()
    sent = studio.ask("POST", "/api/uploads?name=mine.safetensors", data).json
    assert sent["kind"] == "adapter"
    answer = studio.send("/api/search", {"uploads": [sent["id"]]}).json
    assert answer["rows"][0]["name"] == "ink"
    narrowed = {"text": "cat", "chosen": {"folder": ["loras/styles"]}}
    found = studio.send("/api/search", narrowed).json["rows"]
    assert {row["folder"] for row in found} <= {"loras/styles"}
    assert studio.send("/api/search", {}).status == 400
    assert studio.send("/api/search", {"text": "/etc/passwd"}).status == 200  # words, never a path


def test_notes_are_kept_by_content_and_exported(tmp_path: Path) -> None:
    fill(tmp_path / "loras")
    Library(tmp_path / "library").index([tmp_path / "loras"], workers=0)
    text = "at 0.7\n<b>not bold</b>"
    with served(tmp_path / "library", [tmp_path / "loras"]) as studio:
        note = {"note": text, "tags": ["mine", "mine", " two  words "]}
        reply = studio.send(f"/api/files/{studio.key('cat')}/note", note, "PUT")
        assert reply.json["tags"] == ["mine", "two words"]
    (tmp_path / "loras" / "cat.safetensors").rename(tmp_path / "loras" / "moved.safetensors")
    Library(tmp_path / "library").index([tmp_path / "loras"], workers=0)
    with served(tmp_path / "library", [tmp_path / "loras"]) as studio:
        assert studio.get(f"/api/files/{studio.key('moved')}")["note"]["note"] == text
        assert {r["name"] for r in studio.rows("own=mine")} == {"moved", "cat copy"}
        exported = studio.get("/api/notes")
        assert exported["schema"] == "lorarium/1" and len(exported["notes"]) == 1
        too_much = {"note": "x" * 20_001, "tags": []}
        assert studio.send(f"/api/files/{studio.key('moved')}/note", too_much, "PUT").status == 422


def test_a_forecast_in_words_and_numbers(studio: Served) -> None:
    inputs = [{"key": studio.key("ink"), "weight": 1}, {"key": studio.key("cat"), "weight": -0.5}]
    answer = studio.send("/api/forecast", {"inputs": inputs}).json
    assert len(answer["sentences"]) >= 2 and answer["outcomes"][0]["method"] == "sum"
    own = lo.forecast([lo.read(studio.home / "styles" / "ink.safetensors")] * 2)
    assert answer["norms"][0] == pytest.approx(own.norms[0])


def test_merge_is_a_job_that_writes_what_the_command_writes(tmp_path: Path) -> None:
    home = tmp_path / "loras"
    fill(home)
    Library(tmp_path / "library").index([home], workers=0)
    with served(tmp_path / "library", [home]) as studio:
        inputs = [
            {"key": studio.key("ink"), "weight": 0.5},
            {"key": studio.key("cat"), "weight": -1},
        ]
        mix = {"inputs": inputs, "name": "made", "dialect": "diffusers"}
        job = studio.done(studio.send("/api/jobs/merge", mix))
        assert job["state"] == "done" and job["result"]["verified"], job
        assert studio.send("/api/jobs/merge", mix).status == 400  # it is there already
        merged = lo.merge(
            [home / "styles" / "ink.safetensors", home / "cat.safetensors"], [0.5, -1]
        )
        made = lo.read(home / "made.safetensors")
        aa, ab, bb = (
            sum(inner_by_module(x, y).values())
            for x, y in ((merged, merged), (merged, made), (made, made))
        )
        assert aa + bb - 2 * ab <= 1e-5 * aa  # but for sixteen bits
        ends = time.monotonic() + 90
        while "made" not in {row["name"] for row in studio.rows()}:  # it is indexed by itself
            assert time.monotonic() < ends
            time.sleep(0.2)
        wrong = {**mix, "name": "other", "method": "no-such"}
        assert studio.send("/api/jobs/merge", wrong).status == 400
        bad = {**mix, "name": "other", "program": "sd-scripts"}  # does not load this base
        assert studio.done(studio.send("/api/jobs/merge", bad))["state"] == "failed"


def test_tidy_by_a_plan_and_back(tmp_path: Path) -> None:
    home = tmp_path / "loras"
    fill(home)
    before = {p: p.read_bytes() for p in home.rglob("*") if p.is_file()}
    Library(tmp_path / "library").index([home], workers=0)
    with served(tmp_path / "library", [home]) as studio:
        assert studio.get("/api/tidy") == {"plan": None, "runs": []}
        for _ in range(2):  # a plan may be made anew
            assert studio.done(studio.send("/api/jobs/tidy-plan", {}))["state"] == "done"
        plan = studio.get("/api/tidy")["plan"]
        copy = next(i for i in plan["items"] if i["file"]["name"] == "cat copy")
        stale = {"made": "1", "chosen": [copy["number"]]}
        assert studio.done(studio.send("/api/jobs/tidy-apply", stale))["state"] == "failed"
        choice = {"made": plan["made"], "chosen": [copy["number"]]}
        done = studio.done(studio.send("/api/jobs/tidy-apply", choice))
        assert done["result"]["problems"] == []
        assert not (home / "cat copy.safetensors").exists()
        assert "cat copy" not in {row["name"] for row in studio.rows()}
        run = studio.get("/api/tidy")["runs"][0]
        assert run["files"] == 1
        assert (
            studio.done(studio.send("/api/jobs/tidy-undo", {"run": run["run"]}))["state"] == "done"
        )
        assert "cat copy" in {row["name"] for row in studio.rows()}
    assert {p: p.read_bytes() for p in home.rglob("*") if p.is_file()} == before


def test_jobs_are_told_of_cancelled_and_kept(tmp_path: Path) -> None:
    home = tmp_path / "loras"
    fill(home)
    Library(tmp_path / "library").index([home], workers=0)
    with served(tmp_path / "library", [home]) as studio:
        heard: list[bytes] = []
        listener = threading.Thread(target=listen_to, args=(studio, heard), daemon=True)
        listener.start()
        first = studio.send("/api/jobs/index", {}).json
        again = studio.send("/api/jobs/index", {}).json
        assert again["id"] == first["id"]  # the same is not done twice
        waiting = studio.send("/api/jobs/tidy-plan", {}).json
        assert waiting["state"] == "waiting" and "args" not in waiting
        cancelled = studio.ask("DELETE", f"/api/jobs/{waiting['id']}").json
        assert cancelled["state"] == "cancelled"
        running = studio.ask("DELETE", f"/api/jobs/{first['id']}").json
        assert running["state"] == "cancelled"
        job = studio.done(studio.send("/api/jobs/index", {}))  # a new process does the next
        assert job["state"] == "done", job
        assert studio.ask("DELETE", "/api/jobs/none").status == 400
        ends = time.monotonic() + 20
        while job["id"].encode() not in b"".join(heard) and time.monotonic() < ends:
            time.sleep(0.1)
        assert b"event: job" in b"".join(heard) and str(home).encode() not in b"".join(heard)
        for i in range(120):  # so that it is not over at once
            one = example(family="micro-1", seed=100 + i)
            formats.write(one, home / f"more-{i}.safetensors", "kohya")
        studio.send("/api/jobs/index", {})
        studio.send("/api/jobs/tidy-plan", {})  # waits for the other
    with served(tmp_path / "library", [home]) as studio:  # it was closed over the last one
        jobs = studio.get("/api/jobs")["jobs"]
        assert jobs[0]["state"] == "cut short" and jobs[2]["state"] == "done"


def listen_to(studio: Served, heard: list[bytes]) -> None:
    import http.client

    line = http.client.HTTPConnection("127.0.0.1", studio.port, timeout=60)
    line.request("GET", "/api/events", headers={"host": f"localhost:{studio.port}"})
    answer = line.getresponse()
    try:
        while part := answer.read1(65536):
            heard.append(part)
    except OSError:
        pass
    finally:
        line.close()


def test_a_library_without_files_is_no_error(tmp_path: Path) -> None:
    with served(tmp_path / "library", []) as studio:
        assert studio.get("/api/session")["files"] == 0
        assert studio.get("/api/files")["total"] == 0
        assert studio.get("/api/tidy")["plan"] is None
        for path in ("/api/map", f"/api/files/{'0' * 32}"):
            assert studio.ask("GET", path).status == 400
        assert (
            studio.send("/api/jobs/merge", {"inputs": [{"key": "0" * 32}], "name": "x"}).status
            == 400
        )


def test_what_can_be_made_again_is_forgotten_in_order(tmp_path: Path) -> None:
    for i in range(5):
        (tmp_path / f"{i}.png").write_bytes(b"x")
        os.utime(tmp_path / f"{i}.png", (1000 - i, 1000 - i))
    forget_oldest(tmp_path, 3)
    assert {path.name for path in tmp_path.iterdir()} == {"0.png", "1.png", "2.png"}


def many(count: int) -> pa.Table:
    rng = np.random.default_rng(0)
    columns = {name: [None] * count for name in FACTS}
    columns |= {
        "key": [f"{i:032x}" for i in range(count)],
        "path": [
            f"/many/{i % 300:03}/file {i * 7919 % count:06}.safetensors" for i in range(count)
        ],
        "id": [f"{i:064x}" for i in range(count)],
        "size": rng.integers(10**6, 10**9, count).tolist(),
        "rank": rng.choice([4, 8, 16, 32, 64, 128], count).astype(float).tolist(),
        "family": rng.choice(["sdxl", "sd1", "flux1"], count).tolist(),
    }
    lists = [name for name in FACTS if pa.types.is_list(SCHEMA.field(name).type)]
    columns |= {name: [["one", "two"]] * count for name in lists}
    texts = ("kind", "error", "title", "base", "author", "dialect", "dtype", "fingerprint")
    columns |= {name: [""] * count for name in texts}
    schema = pa.schema([SCHEMA.field(name) for name in FACTS])
    return pa.table(columns, schema=schema)


def test_a_page_of_seventy_thousand_comes_at_once() -> None:
    table = many(70_000)
    shelf = Shelf(table, ["/many"])
    began = time.process_time()
    page = shelf.page(ShelfQuery(sort="size", down=True, chosen={"family": ["sdxl"]}), 20_000, 100)
    spent = time.process_time() - began
    sizes = [row["size"] for row in page["rows"]]
    assert len(sizes) == 100 and sizes == sorted(sizes, reverse=True)
    assert {row["family"] for row in page["rows"]} == {"sdxl"}
    assert spent < 1.0, spent
    small = Shelf.__new__(Shelf)
    began = time.process_time()
    small.__init__(many(10_000), ["/many"])  # type: ignore[misc]
    assert len(small.page(ShelfQuery(), 0, 100)["rows"]) == 100
    assert len(small.facets(ShelfQuery())["folder"]) == 60
    assert time.process_time() - began < 1.5


def test_the_page_is_that_of_its_sources() -> None:
    """The bundle names the sources that it was built of."""
    import hashlib

    root = Path(__file__).parents[2]
    if not (root / "studio" / "src").is_dir():
        pytest.skip("not a checkout")
    digest = hashlib.sha256()
    for path in sorted((root / "studio" / "src").iterdir(), key=lambda p: p.name):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    for name in ("app.js", "app.css"):
        head = (root / "src" / "lorarium" / "studio" / "page" / name).read_bytes()[:300]
        assert digest.hexdigest().encode() in head, f"{name} is old: cd studio && npm run build"
