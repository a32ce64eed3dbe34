"""What the studio does to selections and by wishes: batches, comparisons, conversions, names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lorarium as lo
from lorarium import formats
from lorarium.formats.container import load_header
from lorarium.formats.example import example
from lorarium.library import Library
from lorarium.trained import asset
from tests.studio.served import Served, fill, served


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Served]:
    """A collection that a test may change."""
    home = tmp_path / "loras"
    fill(home)
    Library(tmp_path / "library").index([home], workers=0)
    with served(tmp_path / "library", [home]) as studio:
        yield studio


def keys(studio: Served, *names: str) -> list[str]:
    return [studio.key(name) for name in names]


def test_selected_files_are_converted_beside_the_old_ones(own: Served) -> None:
    asked = {"keys": keys(own, "ink", "broken", "cat"), "dialect": "diffusers", "ending": "-d"}
    (own.home / "cat-d.safetensors").write_bytes(b"mine")
    job = own.done(own.send("/api/jobs/convert", asked))
    assert job["state"] == "done", job
    assert (job["result"]["done"], job["result"]["of"]) == (1, 3)
    problems = {Path(p["path"]).name: p["problem"] for p in job["result"]["problems"]}
    assert "there already" in problems["cat.safetensors"] and problems["broken.safetensors"]
    assert (own.home / "cat-d.safetensors").read_bytes() == b"mine"
    assert formats.read_report(own.home / "styles" / "ink-d.safetensors")[1].dialect == "diffusers"
    for wrong in ({"dialect": ""}, {"program": "comfyui"}, {"ending": "/../x"}, {"ending": ""}):
        assert own.send("/api/jobs/convert", {**asked, **wrong}).status in (400, 422)


def test_selected_files_are_resized(own: Served) -> None:
    asked = {"keys": keys(own, "ink", "cat"), "rank": 2, "ending": "-r2", "dtype": "fp16"}
    job = own.done(own.send("/api/jobs/resize", asked))
    assert job["result"]["done"] == 2 and job["result"]["problems"] == []
    small = lo.inspect(own.home / "cat-r2.safetensors").to_json()
    assert small["rank"]["max"] == 2
    for wrong in ({"rank": None}, {"energy": 0.5}, {"rank": 0}):
        assert own.send("/api/jobs/resize", {**asked, **wrong}).status in (400, 422)


def test_the_metadata_of_selected_files_is_changed(own: Served) -> None:
    before = lo.read(own.home / "styles" / "ink.safetensors")
    asked = {"keys": keys(own, "ink", "cat"), "put": {"modelspec.author": "Ada\n<b>"},
             "remove": ["modelspec.title", "not there"]}  # fmt: skip
    job = own.done(own.send("/api/jobs/metadata", asked))
    assert job["result"] == {"done": 2, "of": 2, "problems": []}
    path = own.home / "styles" / "ink.safetensors"
    metadata = load_header(path).metadata
    assert metadata["modelspec.author"] == "Ada\n<b>" and "modelspec.title" not in metadata
    after = lo.read(path)
    assert all(np.array_equal(d.up, after[m].up) for m, d in before.items())  # type: ignore[union-attr]
    assert own.send("/api/jobs/metadata", {"keys": asked["keys"]}).status == 400


def test_a_plan_with_conversions_and_names(own: Served) -> None:
    formats.write(example(family="flux1", seed=5), own.home / "flux.safetensors", "kohya")
    before = sorted(p.name for p in own.home.rglob("*"))
    own.done(own.send("/api/jobs/index", {}))
    wishes = {"program": "comfyui", "pattern": "{title}"}
    assert own.done(own.send("/api/jobs/tidy-plan", wishes))["state"] == "done"
    plan = own.get("/api/tidy")["plan"]
    by_name = {item["file"]["name"]: item for item in plan["items"]}
    assert by_name["flux"]["why"] == "other dialect"
    assert by_name["ink"]["to"] == "ink wash.safetensors"
    choice = [by_name["flux"]["number"], by_name["ink"]["number"]]
    done = own.done(own.send("/api/jobs/tidy-apply", {"made": plan["made"], "chosen": choice}))
    assert done["result"]["problems"] == []
    assert {"ink wash", "flux"} <= {row["name"] for row in own.rows()}  # seen at once
    assert [row["dialect"] for row in own.rows() if row["name"] == "flux"] == ["comfy"]
    (run,) = own.get("/api/tidy")["runs"]
    assert run["files"] == 2
    own.done(own.send("/api/jobs/tidy-undo", {"run": run["run"]}))
    assert sorted(p.name for p in own.home.rglob("*")) == before
    assert {"ink", "flux"} <= {row["name"] for row in own.rows()}
    wrong = own.done(own.send("/api/jobs/tidy-plan", {"pattern": "{nothing}"}))
    assert wrong["state"] == "failed" and "no field" in wrong["error"]


def test_blocks_have_weights_of_their_own(tmp_path: Path) -> None:
    home = tmp_path / "loras"
    home.mkdir()
    for i in (1, 2):
        formats.write(example(family="sd1", seed=i), home / f"{i}.safetensors")
    Library(tmp_path / "library").index([home], workers=0)
    with served(tmp_path / "library", [home]) as studio:
        offered = studio.get("/api/methods")
        assert (
            offered["blocks"]["sd1"][0] == "BASE" and offered["presets"]["sd1"]["INS"]["OUT05"] == 0
        )
        blocks = {"OUT05": 0.0, "M00": -0.5}
        mix = {"inputs": [{"key": k} for k in keys(studio, "1", "2")], "blocks": blocks}
        job = studio.done(studio.send("/api/jobs/merge", {**mix, "name": "made"}))
        assert job["state"] == "done", job
        own = lo.merge([home / "1.safetensors", home / "2.safetensors"], blocks=blocks)
        made = lo.read(home / "made.safetensors")
        assert {m for m, _ in made.items()} == {m for m, _ in own.items()}
        norms = [np.linalg.norm(a[m].up) for a in (made, own) for m, _ in made.items()]  # type: ignore[union-attr]
        assert np.allclose(norms[: len(norms) // 2], norms[len(norms) // 2 :], rtol=1e-2)
        for wrong in ({"<b>": 1.0}, {"OUT05": 99.0}, {"OUT05": "x"}):
            bad = {**mix, "blocks": wrong, "name": "bad"}
            assert studio.send("/api/jobs/merge", bad).status == 422
        # nothing of sd1 can be drawn: no base is at hand
        drawn = {"keys": keys(studio, "1"), "prompt": "a cat"}
        reply = studio.send("/api/jobs/compare", drawn)
        assert reply.status == 400 and "--base sd1=" in reply.json["hint"]


@pytest.mark.slow
def test_files_are_drawn_side_by_side_on_a_base_that_was_named(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="drawing needs the extra torch")
    home = tmp_path / "loras"
    fill(home)
    Library(tmp_path / "library").index([home], workers=0)
    base = tmp_path / "base.safetensors"
    base.write_bytes(asset("micro-1").read_bytes())
    drawn = {"prompt": "a cat in sty1", "count": 1, "steps": 2, "seed": 3}
    pictures = []
    for bases in ({}, {"micro-1": str(base)}):
        with served(tmp_path / "library", [home], bases=bases) as studio:
            assert studio.get("/api/session")["bases"] == ["micro-1"]
            asked = {"keys": keys(studio, "ink", "cat"), **drawn}
            job = studio.done(studio.send("/api/jobs/compare", asked), 300)
            assert job["state"] == "done", job
            result = job["result"]
            assert result["names"] == ["ink", "cat", "The base alone"] and len(result["alike"]) == 1
            assert result["alike"][0] == pytest.approx(
                lo.algebra.cosine(
                    lo.read(home / "styles/ink.safetensors"), lo.read(home / "cat.safetensors")
                ),
                abs=1e-3,
            )
            pictures.append(
                [studio.ask("GET", f"/api/pictures/{n}").body for n in result["pictures"]]
            )
    assert pictures[0] == pictures[1] and len(set(pictures[0])) == 3
    with served(
        tmp_path / "library", [home], bases={"micro-1": str(tmp_path / "no.safetensors")}
    ) as studio:
        asked = {"keys": keys(studio, "ink"), **drawn}
        job = studio.done(studio.send("/api/jobs/compare", asked), 300)
        assert job["state"] == "failed" and "no.safetensors" in job["error"]


def test_a_search_looks_among_all_that_a_filter_lets_through(tmp_path: Path) -> None:
    """Not among the best of the whole library alone."""
    home = tmp_path / "loras"
    (home / "few").mkdir(parents=True)
    for i in range(30):
        formats.write(example(family="micro-1", seed=i), home / f"ink {i}.safetensors")
    about = {"modelspec.description": "an old ink"}
    formats.write(
        example(family="micro-1", seed=99, metadata=about), home / "few" / "z.safetensors"
    )
    Library(tmp_path / "library").index([home], workers=0)
    with served(tmp_path / "library", [home]) as studio:
        asked = {"text": "ink", "chosen": {"folder": ["loras/few"]}, "count": 5}
        assert [row["name"] for row in studio.send("/api/search", asked).json["rows"]] == ["z"]


def test_tags_of_a_broken_file_are_filtered_by(own: Served) -> None:
    note = {"note": "", "tags": ["mend"]}
    own.send(f"/api/files/{own.key('broken')}/note", note, "PUT")
    assert [row["name"] for row in own.rows("own=mend")] == ["broken"]


def test_a_copy_that_a_filter_hides_is_not_the_answer(own: Served) -> None:
    Image.new("RGB", (8, 8)).save(own.home / "styles" / "x.png")
    (own.home / "styles" / "zz.safetensors").write_bytes(
        (own.home / "cat.safetensors").read_bytes()
    )
    own.done(own.send("/api/jobs/index", {}))
    asked = {"keys": [own.key("ink")], "chosen": {"folder": ["loras/styles"]}}
    names = [row["name"] for row in own.send("/api/search", asked).json["rows"]]
    assert "zz" in names and "cat" not in names
