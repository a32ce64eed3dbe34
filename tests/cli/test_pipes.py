"""Named pipes in the place of files: refused by every command, none waits for somebody to write."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from lorarium import cli, formats
from lorarium.formats.example import example

# {pipe}.png and so on are pipes, {home} is the folder they are in
CORE = {
    "inspect": ["inspect", "{pipe}.safetensors"],
    "inspect a torch file": ["inspect", "{pipe}.pt"],
    "metadata": ["metadata", "{pipe}.safetensors"],
    "convert": ["convert", "{pipe}.safetensors", "{out}"],
    "resize": ["resize", "{pipe}.safetensors", "{out}", "--rank", "1"],
    "merge": ["merge", "{lora}", "{pipe}.safetensors", "-o", "{out}"],
    "merge --blocks": ["merge", "{lora}", "-o", "{out}", "--blocks", "{pipe}.toml"],
    "forecast": ["forecast", "{lora}", "{pipe}.safetensors"],
    "extract": ["extract", "{pipe}.safetensors", "{lora}", "-o", "{out}", "--rank", "1"],
    "bake": ["bake", "{pipe}.safetensors", "{lora}", "-o", "{out}"],
}
NETWORKS = {
    "train": ["train", "{pipe}.png", "-o", "{out}", "--steps", "1"],
    "train on a folder": ["train", "{home}", "-o", "{out}", "--steps", "1"],
    "train --base": ["train", "{png}", "-o", "{out}", "--base", "{pipe}.safetensors"],
    "train --resume": ["train", "{png}", "-o", "{pipe}.safetensors", "--resume", "--steps", "1"],
    "synth": ["synth", "{pipe}.png", "-o", "{out}"],
    "synth --like": ["synth", "--like", "{pipe}.safetensors", "-o", "{out}"],
    "mint": ["mint", "--recipe", "{pipe}.toml", "-o", "{out}"],
    "render --schedule": ["render", "--prompt", "a cat", "--schedule", "{pipe}.json"],
    "render --lora": ["render", "--prompt", "a cat", "--lora", "{pipe}.safetensors"],
    "render --base": ["render", "--prompt", "a cat", "--base", "{pipe}.safetensors"],
    "render --base, a folder": ["render", "--prompt", "a cat", "--base", "{home}"],
    "evaluate --refs": ["evaluate", "describe", "--refs", "{home}", "-o", "{out}"],
    "evaluate --generator": [
        "evaluate",
        "synth",
        "--generator",
        "{pipe}.safetensors",
        "-o",
        "{out}",
    ],
}
LIBRARY = {
    "lineage": ["lineage", "{pipe}.safetensors", "--library", "{library}"],
    "search": ["search", "{pipe}.safetensors", "--library", "{library}"],
}
SUFFIXES = ("", ".png", ".toml", ".json", ".safetensors", ".pt", ".safetensors.checkpoint")


class Waited(AssertionError):
    """A command waits for the other end of a pipe."""


@pytest.fixture
def impatient() -> Iterator[None]:
    def give_up(signum: int, frame: FrameType | None) -> None:
        raise Waited

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(100)
    yield
    signal.alarm(0)


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    home = tmp_path / "home"
    home.mkdir()
    for suffix in SUFFIXES:
        os.mkfifo(home / f"pipe{suffix}")
    for name in ("manifest.json", "model_index.json"):
        os.mkfifo(home / name)
    formats.write(example(seed=1), tmp_path / "lora.safetensors", "kohya")
    named = {"pipe": home / "pipe", "home": home, "lora": tmp_path / "lora.safetensors"}
    named |= {"out": tmp_path / "out.safetensors", "library": tmp_path / "library"}
    return {name: str(path) for name, path in named.items()}


def refused(arguments: list[str], places: dict[str, str], patch: pytest.MonkeyPatch) -> None:
    filled = [part.format(**places) for part in arguments]
    patch.setattr(sys, "argv", ["lorarium", *filled])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2


@pytest.mark.parametrize("case", CORE)
def test_core_commands(
    case: str,
    places: dict[str, str],
    impatient: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    refused(CORE[case], places, monkeypatch)
    error = capsys.readouterr().err
    assert "not an ordinary file" in error and error.count("\n") == 1


@pytest.mark.parametrize("case", NETWORKS)
def test_commands_with_networks(
    case: str,
    places: dict[str, str],
    tmp_path: Path,
    impatient: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("torch")
    if "{home}" in NETWORKS[case] and "--base" in NETWORKS[case]:
        if importlib.util.find_spec("diffusers") is None:
            pytest.skip("needs diffusers")
    image.new("RGB", (48, 48)).save(tmp_path / "x.png")
    refused(NETWORKS[case], places | {"png": str(tmp_path / "x.png")}, monkeypatch)
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    messages = ("not an ordinary file", "no ordinary file", "no pictures in this folder")
    assert any(words in error for words in messages)


@pytest.mark.parametrize("case", LIBRARY)
def test_questions_to_a_library(
    case: str,
    places: dict[str, str],
    impatient: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("lancedb")
    from lorarium.library import Library

    loras = Path(places["lora"]).parent
    assert Library(places["library"]).index([loras], workers=0).new == 1  # pipes are no files
    refused(LIBRARY[case], places, monkeypatch)
    assert "ordinary file" in capsys.readouterr().err
