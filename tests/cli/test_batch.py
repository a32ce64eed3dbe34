"""One command on a folder: every file in it, a bad one among them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from lorarium import formats
from lorarium.cli import cli
from lorarium.formats.container import load
from tests.library.zoo import ink, write


@pytest.fixture
def loras(tmp_path: Path) -> Path:
    """Two files in two folders, a PEFT folder, and a file that is none."""
    folder = tmp_path / "loras"
    write(folder, {"a": ink(1).with_(metadata={"old": "1", "keep": "x"})})
    write(folder / "deep", {"b": ink(2).with_(metadata={"keep": "y"})})
    formats.write(ink(3), folder / "peft", "peft")
    (folder / "bad.safetensors").write_bytes(b"oops")
    return folder


def run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli, [str(a) for a in arguments], standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done.return_value or 0, done.stdout, done.stderr


def ranks(path: Path) -> set[int]:
    return {delta.rank for _, delta in formats.read(path).items() if delta.rank is not None}


def test_resize(loras: Path, tmp_path: Path) -> None:
    code, out, err = run("resize", loras, tmp_path / "small", "--rank", 2)
    assert code == 2 and err.count("\n") == 1 and "bad.safetensors: " in err
    assert "deep/b.safetensors: " in out and out.splitlines()[-1] == "3 of 4 files"
    written = [tmp_path / "small" / n for n in ("a.safetensors", "deep/b.safetensors")]
    assert [ranks(path) for path in written] == [{2}, {2}] and ranks(loras / "a.safetensors") == {4}
    assert ranks(tmp_path / "small" / "peft.safetensors") == {2}


def test_resize_writes_over_nothing(loras: Path, tmp_path: Path) -> None:
    (loras / "bad.safetensors").unlink()
    assert run("resize", loras, tmp_path / "small", "--rank", 2, "--quiet") == (0, "", "")
    code, out, err = run("resize", loras, tmp_path / "small", "--rank", 3, "--json")
    document = json.loads(out)
    assert code == 2 and document["ok"] is False and err.count("is there already") == 3
    assert [file["ok"] for file in document["files"]] == [False] * 3
    assert ranks(tmp_path / "small" / "a.safetensors") == {2}
    code, out, _ = run("resize", loras, tmp_path / "small", "--rank", 3, "--json", "--force")
    files = json.loads(out)["files"]
    assert code == 0 and {file["rank"]["max"] for file in files} == {3}
    assert {Path(file["source"]).name for file in files} == {
        "a.safetensors",
        "b.safetensors",
        "peft",
    }


def test_metadata_is_set_everywhere(loras: Path) -> None:
    before = (loras / "a.safetensors").read_bytes()[load(loras / "a.safetensors").payload_start :]
    edit = ("metadata", loras, "--set", "modelspec.author=Ada", "--remove", "old")
    code, out, err = run(*edit)
    assert code == 2 and err.count("\n") == 1 and "bad.safetensors" in err
    assert out.count(": changed\n") == 3 and out.endswith("3 of 4 files\n")
    for path in ("a.safetensors", "deep/b.safetensors", "peft/adapter_model.safetensors"):
        metadata = load(loras / path).metadata
        assert metadata["modelspec.author"] == "Ada" and "old" not in metadata
    after = load(loras / "a.safetensors")
    assert after.metadata["keep"] == "x"
    assert (loras / "a.safetensors").read_bytes()[after.payload_start :] == before
    times = (loras / "a.safetensors").stat().st_mtime_ns
    code, out, _ = run(*edit, "--json")
    changed = [file.get("changed") for file in json.loads(out)["files"]]
    assert sorted(changed, key=str) == [False, False, False, None]
    assert (loras / "a.safetensors").stat().st_mtime_ns == times


def test_metadata_elsewhere_and_shown(loras: Path, tmp_path: Path) -> None:
    (loras / "bad.safetensors").unlink()
    code, _, err = run("metadata", loras, "--set", "n=1", "-o", tmp_path / "new")
    assert code == 2 and err.count("\n") == 1 and "PEFT folder" in err
    assert "n" not in load(loras / "a.safetensors").metadata
    assert load(tmp_path / "new" / "deep" / "b.safetensors").metadata["n"] == "1"
    code, out, _ = run("metadata", loras)
    assert code == 0 and out.endswith("3 of 3 files\n")
    assert "a.safetensors\n  format: pt\n  keep: x\n" in out
