"""The library's commands, as a person types them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lorarium import formats
from lorarium.algebra import add, recompress, scale
from lorarium.cli import cli
from lorarium.errors import LorariumError
from tests.library.zoo import ink, write

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("commands")
    tagged = {"modelspec.title": "Ink \x1b[31m <b>wash</b>", "modelspec.tags": "ink, rain"}
    write(folder / "loras", {str(i): ink(i) for i in range(24)})
    write(folder / "loras", {"tagged": ink(50).with_(metadata=tagged)})
    formats.write(ink(3), folder / "loras" / "copy.safetensors", "diffusers")
    formats.write(
        add([ink(1), ink(2)], [0.8, 0.5]), folder / "loras" / "merge.safetensors", "kohya"
    )
    (folder / "loras" / "bad.safetensors").write_bytes(b"oops")
    return folder


@pytest.fixture
def run(folder: Path) -> Run:
    def call(*arguments: object, code: int = 0) -> Result:
        words = [str(a) for a in arguments]
        environment = {"LORARIUM_LIBRARY": str(folder / "library")}
        # the same library for all, made by whoever comes first
        if not (folder / "library").exists() and words[0] != "index":
            CliRunner().invoke(
                cli, ["index", str(folder / "loras"), "--workers", "0"], env=environment
            )
        done = CliRunner().invoke(cli, words, env=environment, standalone_mode=False)
        if done.exception is not None:
            raise done.exception
        assert (done.return_value or 0) == code, done.output
        return done

    return call


def document(done: Result) -> dict[str, Any]:
    answer = json.loads(done.stdout)
    assert answer["schema"] == "lorarium/1"
    return answer


def test_index(run: Run, folder: Path) -> None:
    here = ("--workers", 0, "--library", folder / "2")
    first = document(run("index", folder / "loras", "--json", *here))
    assert first["new"] == 28 and first["families"] == {"micro-1": 27}
    assert [Path(bad["path"]).name for bad in first["bad"]] == ["bad.safetensors"]
    again = run("index", folder / "loras", *here)
    assert again.stdout.startswith("28 unchanged; 28 files")
    assert run("index", folder / "loras", "--quiet", *here).stdout == ""
    with pytest.raises(LorariumError, match="--watch"):
        run("index", folder / "loras", "--watch", "--json")


def test_search(run: Run, folder: Path) -> None:
    query = folder / "loras" / "3.safetensors"
    text = run("search", query, "-k", 3).stdout
    assert "copy.safetensors" in text.splitlines()[0] and "dialect kohya" in text
    answer = document(run("search", query, "--json"))
    assert answer["close"] is True and answer["queries"] == [
        {"kind": "adapter", "query": str(query)}
    ]
    assert len(answer["matches"]) == 10 and answer["matches"][0]["score"] > 0.99
    stranger = write(folder / "query", {"stranger": ink(999)})[0]
    assert run("search", stranger).stdout.startswith("nothing here is close")


def test_search_by_facts(run: Run) -> None:
    text = run("search", "--where", "tags = rain").stdout
    assert "tagged.safetensors" in text and "\x1b" not in text
    assert "<b>wash</b>" in text
    text = run("search", "--where", "error != ''").stdout
    assert "bad.safetensors" in text and "ends after" in text
    assert run("search", "--where", "family = micro-1").stdout.endswith("and 17 more: -k\n")
    assert run("search", "--where", "rank > 99").stdout == "nothing found\n"
    with pytest.raises(LorariumError, match="searched for"):
        run("search")


def test_search_by_words(run: Run, folder: Path) -> None:
    text = run("search", "rani").stdout
    assert "taken for 'rain'" in text and "tagged.safetensors" in text
    assert "by tag, typing: rani → rain" in text and "\x1b" not in text
    assert "rank 4; " in text and " KiB; " in text
    answer = document(run("search", "wash", "ink", "--json"))
    assert answer["queries"] == [{"kind": "words", "query": "wash ink"}]
    assert answer["matches"][0]["why"] == ["title", "tag"] and answer["close"] is True
    assert run("search", "xylophone").stdout == "nothing found\n"
    assert "nothing here is close to these words" in run("search", "xylophone ink").stdout
    assert run("search", "family:micro-1", "-k", 3).stdout.endswith("and 24 more: -k\n")
    assert "tagged" not in run("search", "rain -wash").stdout
    with pytest.raises(LorariumError, match="minus words alone"):
        run("search", "--", "-wash")


def test_search_forced(run: Run, folder: Path) -> None:
    text = run("search", "--text", folder / "loras" / "3.safetensors", "-k", 2).stdout
    assert "3.safetensors" in text
    answer = document(
        run("search", folder / "loras" / "3.safetensors", "--words", "ink tag:rain", "--json")
    )
    assert [Path(m["path"]).stem for m in answer["matches"]] == ["tagged"]
    assert answer["matches"][0]["why"] == ["title", "tag", "weights"]
    (folder / "shots").mkdir()
    with pytest.raises(LorariumError, match=r"by pictures needs an encoder.*LoRA file that draws"):
        run("search", "--pictures", folder / "shots")
    plain = folder / "no suffix"
    plain.write_bytes((folder / "loras" / "3.safetensors").read_bytes())
    assert "copy.safetensors" in run("search", "--lora", plain, "-k", 3).stdout


def test_duplicates(run: Run) -> None:
    text = run("duplicates", code=1).stdout
    assert re.search(r"^SAME WEIGHTS .*\n.*3\.safetensors: \w.*\n  .*copy\.safetensors: dial", text)
    assert re.search(r"^1 copy, 0\.\d MiB to win$", text.splitlines()[-1])
    answer = document(run("duplicates", "--json", code=1))
    (group,) = answer["groups"]
    assert answer["copies"] == 1 and answer["bytes_to_win"] == group["copies"][0]["size"]
    assert (group["class"], Path(group["keeper"]).name) == ("same weights", "3.safetensors")
    assert run("duplicates", "--where", "tags = rain").stdout == "no duplicates\n"


def test_what_is_no_copy_is_shown_and_not_counted(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "loras", {"a": ink(1), "b": scale(ink(1), 0.5)})
    place = ("--library", tmp_path / "library")
    run("index", tmp_path / "loras", "--workers", 0, *place)
    text = run("duplicates", *place, code=0).stdout
    assert "SCALED OR NEGATED (no copies" in text and "strength x 0.5" in text
    assert text.splitlines()[-1] == "no copies; 1 more that is no copy"
    answer = document(run("duplicates", "--json", *place, code=0))
    assert answer["copies"] == 0 == answer["bytes_to_win"] and len(answer["groups"]) == 1


def test_lineage(run: Run, folder: Path) -> None:
    text = run("lineage", folder / "loras" / "merge.safetensors").stdout
    assert "a merge of" in text and "+0.80 x" in text and "+0.50 x" in text
    answer = document(run("lineage", folder / "loras" / "merge.safetensors", "--json"))
    weights = {Path(p["path"]).stem: p["weight"] for p in answer["merge"]["parents"]}
    assert weights == {"1": pytest.approx(0.8, abs=0.01), "2": pytest.approx(0.5, abs=0.01)}
    text = run("lineage", folder / "loras" / "9.safetensors").stdout
    assert "nothing in the library is related" in text


def test_cluster_and_map(run: Run, folder: Path) -> None:
    assert "of 28 files" in run("cluster").stdout
    (family,) = document(run("cluster", "--json"))["clusters"]
    assert {Path(path).stem for path in family["paths"]} == {"merge", "1", "2"}
    out = folder / "map.html"
    assert document(run("map", "-o", out, "--json"))["points"] == 27
    assert (
        "27 adapters" in run("map", "-o", out, "--color", "rank", "--force").stdout and out.exists()
    )
    run("map", "-o", out, "--mark", folder / "loras" / "tagged.safetensors", "--quiet", "--force")
    assert re.search(r'"marked": \[\d+\]', out.read_text())


@pytest.mark.parametrize("name", ["search", "duplicates", "cluster", "map"])
def test_no_library(name: str, tmp_path: Path) -> None:
    words = [name, "--library", str(tmp_path / "none")]
    words += ["--where", "rank = 1"] if name == "search" else []
    done = CliRunner().invoke(cli, words, standalone_mode=False)
    assert isinstance(done.exception, LorariumError) and "no library here" in str(done.exception)


def test_tidy(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "loras", {"a": ink(1)})
    shutil.copy(tmp_path / "loras" / "a.safetensors", tmp_path / "loras" / "a (1).safetensors")
    write(tmp_path / "loras", {"cut": recompress(ink(1), rank=2)[0]})
    place = ("--library", tmp_path / "library")
    run("index", tmp_path / "loras", "--workers", 0, *place)
    run("tidy", "--plan", *place)
    text = run("tidy", "--plan", *place).stdout  # a new one replaces the last
    assert re.search(
        r"^IDENTICAL BYTES\n  \[x\] .*a \(1\).safetensors: of .*, 0\.\d MiB$", text, re.M
    )
    assert re.search(r"^CUT DOWN\n  \[ \] .*cut.safetensors", text, re.M)
    assert "1 file of 2 chosen, 0." in text and "tidy.json" in text
    with pytest.raises(LorariumError, match="nobody is here to be asked"):
        run("tidy", "--apply", *place)
    with pytest.raises(LorariumError, match="no item is 'foo'"):
        run("tidy", "--apply", "--yes", "--also", "foo", *place)
    assert "1 file moved (run " in run("tidy", "--apply", "--yes", *place).stdout
    done = document(run("tidy", "--apply", "--yes", "--also", "cut down", "--json", *place))
    assert [Path(p).name for p in done["moved"]] == ["cut.safetensors"]  # it goes on
    assert done["problems"] == []
    assert sorted(p.name for p in (tmp_path / "loras").iterdir()) == ["a.safetensors"]
    assert run("tidy", "--undo", *place).stdout.startswith("1 file put back (run ")
    assert run("tidy", "--undo", *place).stdout.startswith("1 file put back (run ")
    assert len(list((tmp_path / "loras").iterdir())) == 3
    with pytest.raises(LorariumError, match="say what to do"):
        run("tidy", *place)
