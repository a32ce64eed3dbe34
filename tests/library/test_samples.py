"""The sample library: what its card says is there, and what ships fits what else ships."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from safetensors import safe_open

from lorarium import formats
from lorarium.cli import cli
from lorarium.errors import LorariumError
from lorarium.library import Library, sample, samples
from tests.library.zoo import ink, write

BASE = samples.FOLDER.parent / "micro-1.safetensors"


def packed(folder: Path, **changes: object) -> Path:
    rows = []
    for i, of in enumerate((["neon", 0], ["neon", 1], ["cat", 0])):
        (path,) = write(folder, {f"a{i}": ink(i)})
        kind = "subject" if of[0] == "cat" else "style"
        rows.append({"file": path.name, "kind": kind, "of": of, "recipe": "R0", "pictures": [i]})
    card = {"format": samples.FORMAT, "base_hash": "abc", "adapters": rows} | changes
    (folder / samples.CARD).write_text(json.dumps(card))
    return folder


def test_what_is_in_it(tmp_path: Path) -> None:
    held = sample(packed(tmp_path / "s"))
    assert held.base_hash == "abc" and len(held.adapters) == 3
    assert [one.of for one in held.of("style")] == [("neon", 0), ("neon", 1)]
    (one,) = held.of("style", ("neon", 1))
    assert one.pictures == (1,) and formats.read(one.path).family == "micro-1"


@pytest.mark.parametrize(
    ("card", "words"),
    [
        (None, "there is no sample library here"),
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"format": "other"}', "another format"),
        ({"adapters": [{"file": "../x", "of": ["a", 1]}]}, "no file of this folder"),
        ({"adapters": [{"file": "x", "kind": "style", "of": ["a", 1], "recipe": "R0",
                        "pictures": []}]}, "a file is missing"),
    ],
)  # fmt: skip
def test_damage_is_one_line(tmp_path: Path, card: object, words: str) -> None:
    if isinstance(card, dict):
        packed(tmp_path, **card)
    elif isinstance(card, str):
        (tmp_path / samples.CARD).write_text(card)
    with pytest.raises(LorariumError, match=words) as error:
        sample(tmp_path)
    assert "\n" not in str(error.value) and "recipes sample" in str(error.value)


def test_index_takes_it_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = ["index", "--library", str(tmp_path / "l"), "--workers", "0", "--quiet"]
    run = CliRunner()
    with pytest.raises(LorariumError, match="which folder"):
        run.invoke(cli, here, standalone_mode=False, catch_exceptions=False)
    monkeypatch.setattr(samples, "FOLDER", packed(tmp_path / "s"))
    run.invoke(cli, [*here, "--sample"], standalone_mode=False, catch_exceptions=False)
    assert len(Library(tmp_path / "l")) == 3


@pytest.mark.skipif(not samples.FOLDER.exists(), reason="no sample library is packed yet")
def test_what_ships_stands_on_the_shipped_base() -> None:
    held = sample()
    with safe_open(BASE, "np") as file:
        assert held.base_hash == file.metadata()["lorarium.hash"]
    assert len(held.adapters) <= 60
    assert sum(one.path.stat().st_size for one in held.adapters) <= 13 * 2**20
    assert formats.read(held.adapters[0].path).metadata["lorarium.base_hash"] == held.base_hash
