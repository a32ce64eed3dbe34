"""Files that `train` and `synth` write say what they answer to: `inspect` shows it, and the
forecast draws drafts by it. On the base and with the generator that ship."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("torch")

from lorarium.cli import cli
from lorarium.descriptors import learned
from lorarium.forecasts import rates
from lorarium.forecasts.drafts import style_words, subject_words
from lorarium.pictures import write_png

pytestmark = pytest.mark.interop


def run(*words: object) -> str:
    done = CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def trigger_words(path: Path) -> list[str]:
    document = json.loads(run("inspect", path, "--json"))
    return [word["text"] for word in document["files"][0]["training"]["trigger_words"]]


def test_drafts_are_drawn_of_what_train_and_synth_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learned, "ASSET", rates.ASSET.with_name("describe.safetensors"))
    random = np.random.default_rng(0)
    for name in ("cat", "ink"):
        (tmp_path / name).mkdir()
        for i in range(2):
            picture = random.integers(0, 256, (48, 48, 3), np.uint8)
            write_png(tmp_path / name / f"{i}.png", picture)
    cat, ink, made = (tmp_path / f"{name}.safetensors" for name in ("cat", "ink", "made"))
    short = ("--steps", 2, "--rank", 2, "--no-sheet")
    run("train", tmp_path / "cat", "--prompt", "a sub1 cat", "-o", cat, *short)
    run("train", tmp_path / "ink", "-o", ink, *short)
    run("synth", tmp_path / "ink", "-o", made, "--no-sheet")
    assert trigger_words(cat) == ["sub1 cat"]
    assert trigger_words(ink) == trigger_words(made) == ["in sty1"]
    for pair in ((cat, made), (ink, cat)):  # the files say which is the style
        report = json.loads(run("forecast", *pair, "--drafts", "--json"))
        assert report["note"] == "" and len(report["expected"]) == len(rates.SETTINGS)


def test_synth_says_the_class_where_a_prompt_does(tmp_path: Path) -> None:
    from lorarium.formats import read
    from lorarium.synthesis.run import answering

    write_png(tmp_path / "a.png", np.full((48, 48, 3), 90, np.uint8))
    named, plain = tmp_path / "named.safetensors", tmp_path / "plain.safetensors"
    common = ("synth", tmp_path / "a.png", "--kind", "subject", "--no-sheet", "-o")
    run(*common, named, "--prompt", "a sub1 cat in photo")
    run(*common, plain, "--prompt", "a cat in ink")  # it answers to sub1 all the same
    assert trigger_words(named) == ["sub1 cat"] and trigger_words(plain) == ["sub1"]
    assert subject_words(read(named)) == ("a sub1 cat", "photo")
    assert subject_words(read(plain)) == ("a sub1", "photo")
    assert answering("style", ["a cat in oil"]) == {}
    style = read(plain).with_(metadata={"modelspec.trigger_phrase": "in sty1"})
    assert style_words(style) == "sty1"
