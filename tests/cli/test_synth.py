"""`lorarium synth` from files: what it writes, what it says, and the sentences of what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

pytest.importorskip("torch")

import torch
from PIL import Image

from lorarium.bases.micro_base import load_micro
from lorarium.cli import cli
from lorarium.errors import LorariumError
from lorarium.formats import read
from lorarium.pictures import write_png
from lorarium.synthesis.make import synthesize
from lorarium.synthesis.store import load_synth, save_synth
from tests.bases.tiny import WHOLE_FIRST, first_micro, saved
from tests.synthesis.tiny import pictures, synth

pytestmark = pytest.mark.interop
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synth")
    base = load_micro(saved(folder / "micro.safetensors"))
    made = synth(base)
    save_synth(folder / "generator.safetensors", made.net, made.extras, made.card)
    (folder / "drawings").mkdir()
    for i, picture in enumerate(pictures(3, size=40)):
        write_png(folder / "drawings" / f"{i}.png", picture)
    (folder / "drawings" / "0.txt").write_text("cat")
    return folder


@pytest.fixture(autouse=True)
def there(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LORARIUM_MICRO", str(home / "micro.safetensors"))
    monkeypatch.setenv("LORARIUM_SYNTH", str(home / "generator.safetensors"))


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, ["synth", *map(str, words)])


def fails(*words: str | Path) -> str:
    result = run(*words)
    assert isinstance(result.exception, (LorariumError, SystemExit)), result.output
    return str(result.exception) if isinstance(result.exception, LorariumError) else result.output


def test_an_ordinary_file_with_its_story_and_a_sheet(home: Path, tmp_path: Path) -> None:
    result = run(home / "drawings", "-o", "a.safetensors", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.output)
    assert document["schema"] == "lorarium/1" and document["rank"] == 3 and document["seconds"] > 0
    assert len(document["agreement"]) == 3 and document["distance"] > 0
    adapter = read(tmp_path / "a.safetensors")
    assert adapter.family == "micro-1" and adapter.dialect == "diffusers"
    assert adapter.metadata["lorarium.kind"] == "synth"
    assert len(json.loads(adapter.metadata["lorarium.pictures"])) == 3
    with Image.open(tmp_path / "a.png") as sheet:
        assert sheet.width > 6 * 144
    base = load_micro()
    inputs = pictures(3, size=40)
    direct = synthesize(load_synth(base=base), base, inputs).adapter
    module = next(iter(adapter))
    # the file holds what the function makes, but for the resizing of the pictures
    assert adapter[module].up.shape == direct[module].up.shape


def test_the_same_command_writes_the_same_bytes(home: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert run(home / "drawings", "-o", f"{name}/x.safetensors", "--no-sheet").exit_code != 0
        (tmp_path / name).mkdir()
        result = run(
            home / "drawings", "-o", f"{name}/x.safetensors", "--no-sheet", "--refine", "2"
        )
        assert result.exit_code == 0, result.output
    one, two = ((tmp_path / n / "x.safetensors").read_bytes() for n in ("a", "b"))
    assert one == two and not (tmp_path / "a" / "x.png").exists()


def test_like_edit_and_between(home: Path, tmp_path: Path) -> None:
    first = home / "drawings" / "0.png"
    assert run(first, "-o", "a.safetensors", "--no-sheet").exit_code == 0
    edited = run(first, "-o", "b.safetensors", "--no-sheet", "--edit", "bright:2", "--json")
    assert json.loads(edited.output)["metadata"]["lorarium.edits"] == '{"bright": 2.0}'
    like = run("--like", "a.safetensors", "-o", "c.safetensors", "--no-sheet", "--json")
    assert like.exit_code == 0, like.output
    assert "lorarium.like" in json.loads(like.output)["metadata"]
    ends = ("--between", "a.safetensors", "b.safetensors")
    result = run(*ends, "--count", "2", "-o", "m.safetensors", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.output)
    assert document["paths"] == ["m-1.safetensors", "m-2.safetensors"]
    assert max(document["errors"]) < 1e-4
    assert run("--edits").output.split() == ["bright"]


def test_what_is_odd_is_a_warning(home: Path, tmp_path: Path) -> None:
    flat = np.zeros((60, 60, 3), np.uint8)
    flat[::2] = 255
    write_png(tmp_path / "stripes.png", flat)
    write_png(tmp_path / "small.png", pictures(1, size=5)[0])
    result = run("stripes.png", "-o", "a.safetensors", "--no-sheet")
    assert result.exit_code == 0 and "warning: the pictures are far" in result.stderr
    result = run("small.png", "-o", "b.safetensors", "--no-sheet")
    assert result.exit_code == 0 and "small.png is only 5 x 5 pixels" in result.stderr
    result = run(*[home / "drawings" / "0.png"] * 3, "stripes.png", "-o", "c.safetensors",
                "--no-sheet")  # fmt: skip
    assert result.exit_code == 0 and "of 4 pictures these differ from the rest: " in result.stderr


def test_what_is_wrong_is_a_sentence(home: Path, tmp_path: Path) -> None:
    drawings = home / "drawings"
    (tmp_path / "no.png").write_bytes(b"not a picture")
    (tmp_path / "cut.png").write_bytes((drawings / "0.png").read_bytes()[:200])
    for words, message in (
        ((), "no pictures were given"),
        (("nowhere",), "no such file"),
        (("no.png",), "not a picture"),
        (("cut.png",), "damaged"),
        ((drawings, "--rank", "9"), "ranks 1 to 3"),
        ((drawings, "--edit", "dark:1"), "there are bright"),
        ((drawings, "--edit", "bright:1000"), "out of range"),
        ((drawings, "--refine", "-1"), "-1 steps"),
        ((drawings, "-o", "a.png"), "ends in .safetensors"),
        ((drawings, "-o", "there/a.safetensors"), "no such folder"),
        ((drawings, "--between", "a", "b"), "nothing else"),
        ((drawings, "--count", "2"), "goes with --between"),
        (("--between", "a", "b"), "a"),
    ):
        assert message in fails(*words), words
    assert not list(tmp_path.glob("*.safetensors"))


def test_another_base_or_file_is_refused(home: Path, tmp_path: Path) -> None:
    other = first_micro(WHOLE_FIRST, seed=9)
    with pytest.raises(LorariumError, match="writes for base"):
        load_synth(home / "generator.safetensors", other)
    with pytest.raises(LorariumError, match="no such generator"):
        load_synth(tmp_path / "none.safetensors")
    (tmp_path / "x.safetensors").write_bytes(b"x" * 50)
    for path in (tmp_path / "x.safetensors", home / "micro.safetensors"):
        with pytest.raises(LorariumError, match=r"not a generator|cannot be read as a generator"):
            load_synth(path)
