"""train, render, mint and world from the command line, and their one-line errors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from lorarium.cli import cli
from lorarium.cli.common import split_weight
from lorarium.errors import LorariumError
from lorarium.pictures import write_png
from tests.bases.tiny import saved

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    saved(folder / "base.safetensors")
    (folder / "pictures").mkdir()
    write_png(folder / "pictures" / "a.png", np.full((50, 40, 3), 120, np.uint8))
    done = run(
        "train", folder / "pictures", "-o", folder / "a.safetensors", "--base",
        folder / "base.safetensors", "--steps", 2, "--rank", 2, "--batch", 1, "--json",
    )  # fmt: skip
    facts = json.loads(done.stdout)
    assert facts["family"] == "micro-1" and facts["modules"] == 60
    assert json.loads(facts["metadata"]["lorarium.recipe"])["alpha"] == 2.0
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(a) for a in arguments], catch_exceptions=False)


def test_render_with_a_lora_a_schedule_and_a_grid(home: Path) -> None:
    (home / "s.json").write_text('[{"weight": 0, "start": 0.5}]')
    out = home / "r.png"
    done = run(
        "render", "--prompt", "a cat in sty1", "--prompt", "a house in ink", "-n", 2, "--grid",
        "--lora", f"{home / 'a.safetensors'}:0.5", "--schedule", home / "s.json", "--steps", 2,
        "--base", home / "base.safetensors", "--scale", 2, "-o", out, "--json",
    )  # fmt: skip
    assert json.loads(done.stdout)["paths"] == [str(out)]
    with Image.open(out) as picture:
        story = json.loads(picture.text["lorarium"])  # type: ignore[attr-defined]
        assert picture.height == 2 * (96 + 4) + 4
    assert story["loras"][0]["weight"] == 0.5 and story["prompts"][1] == "a house in ink"


def test_several_pictures_are_numbered_and_repeatable(home: Path) -> None:
    def drawn(name: str) -> list[bytes]:
        run("render", "--prompt", "a cat", "-n", 2, "--steps", 2, "-o", home / name,
            "--base", home / "base.safetensors", "--quiet")  # fmt: skip
        return [(home / name.replace(".", f"-{i}.")).read_bytes() for i in (1, 2)]

    first = drawn("n.png")
    assert first == drawn("m.png") and first[0] != first[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--prompt", "a catt"], "did you mean cat"),
        (["--prompt", "a cat", "-n", "0"], "ask for 1"),
        (["--prompt", "a cat", "--steps", "0"], "sampling steps"),
        (["--prompt", "a cat", "--guidance", "1e9"], "out of range"),
        (["--prompt", "a cat", "--lora", "LORA:1e9"], "out of range"),
        (["--prompt", "a cat", "--size", "99"], "not 99"),
        (["--prompt", "a cat", "--steps", "1", "-o", "x.jpg"], r"ends in .png is needed"),
        (["--prompt", "a cat", "--schedule", "gone.json"], r"cannot read a schedule|no such file"),
    ],
)
def test_render_mistakes_are_sentences(home: Path, arguments: list[str], words: str) -> None:
    arguments = [a.replace("LORA", str(home / "a.safetensors")) for a in arguments]
    with pytest.raises(LorariumError, match=words) as error:
        run("render", "--base", home / "base.safetensors", "--quiet", *arguments)
    assert "\n" not in str(error.value)


def test_mint(home: Path) -> None:
    (home / "zoo.toml").write_text(
        '[recipes.R0]\nsteps = 1\nrank = 2\n[[adapters]]\nname = "m"\npictures = "pictures"\n'
    )
    arguments = ("mint", "--recipe", home / "zoo.toml", "-o", home / "zoo")
    done = run(*arguments, "--base", home / "base.safetensors", "--json")
    assert json.loads(done.stdout)["made"] == 1
    assert {p.name for p in (home / "zoo").iterdir()} == {"m.safetensors", "manifest.json"}
    again = run(*arguments, "--base", home / "base.safetensors", "--resume")
    assert "made 0 adapters" in again.stdout


def test_world(tmp_path: Path) -> None:
    done = run("world", "sheet", "--subjects", "cat,fish", "--styles", 2, "--size", 24,
               "-o", tmp_path / "w.png", "--json")  # fmt: skip
    assert json.loads(done.stdout)["subjects"] == ["cat", "fish"]
    assert "cat" in json.loads(run("world", "words", "--json").stdout)["words"]["subjects"]
    assert "free names: sub1" in run("world", "words").stdout


def test_weights_after_the_last_colon() -> None:
    assert split_weight("a.safetensors:0.5") == ("a.safetensors", 0.5)
    assert split_weight("c:/a.safetensors") == ("c:/a.safetensors", 1.0)
    assert split_weight("a:b:-1") == ("a:b", -1.0)
