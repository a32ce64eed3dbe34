"""Every command that writes refuses what is there, keeps its inputs, and writes what is asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from lorarium import formats
from lorarium.adapter import Adapter, Dense, LowRank, Module
from lorarium.cli import cli, commands
from lorarium.errors import LorariumError, UnverifiedError
from tests.formats.test_target import tree

BLOCK = "down_blocks.0.attentions.0.transformer_blocks.0"


def lora(seed: int, size: float = 1.0) -> Adapter:
    rng = np.random.default_rng(seed)
    deltas = {
        Module("denoiser", f"{BLOCK}.attn1.{name}"): LowRank(
            np.float32(size) * rng.standard_normal((320, 4), np.float32),
            rng.standard_normal((4, 320), np.float32),
        )
        for name in ("to_q", "to_v")
    }
    return Adapter(deltas, "sd1", dialect="kohya")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LORARIUM_LIBRARY", str(tmp_path / "library"))
    formats.write(lora(0), "a.safetensors")
    formats.write(lora(1), "b.safetensors")


def run(*words: str) -> int:
    result = CliRunner().invoke(cli, words, standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.return_value or 0


# command -> what it is given, and the file or folder that it would write over
OVER = {
    "examples": ("examples .", "prompts.txt"),
    "merge": ("merge a.safetensors b.safetensors -o there.safetensors", "there.safetensors"),
    "merge schedule": (
        "merge a.safetensors b.safetensors -o new.safetensors --method k-lora "
        "--option schedule=there.json",
        "there.json",
    ),
    "resize": ("resize a.safetensors there.safetensors --rank 1", "there.safetensors"),
    "convert": ("convert a.safetensors there.safetensors", "there.safetensors"),
    "convert to a folder": ("convert a.safetensors there --to peft", "there/"),
    "extract": (
        "extract a.safetensors b.safetensors --rank 1 -o there.safetensors",
        "there.safetensors",
    ),
    "bake": ("bake a.safetensors b.safetensors -o there.safetensors", "there.safetensors"),
    "metadata": ("metadata a.safetensors --set k=v -o there.safetensors", "there.safetensors"),
    "map html": ("map -o there.html", "there.html"),
    "map png": ("map -o there.png", "there.png"),
    "train": ("train picture.png -o there.safetensors", "there.safetensors"),
    "train sheet": ("train picture.png -o there.safetensors", "there.png"),
    "synth": ("synth picture.png -o there.safetensors", "there.safetensors"),
    "synth sheet": ("synth picture.png -o there.safetensors", "there.png"),
    "synth between": (
        "synth --between a.safetensors b.safetensors -o there.safetensors",
        "there.safetensors",
    ),
    "synth one between": (
        "synth --between a.safetensors b.safetensors -o there.safetensors --count 3",
        "there-2.safetensors",
    ),
    "render": ("render --prompt x -o there.png", "there.png"),
    "render many": ("render --prompt x -n 3 -o there.png", "there-3.png"),
    "world": ("world sheet --subjects cat --styles ink -o there.png", "there.png"),
    "tour": ("tour -o there", "there/"),
    "evaluate files": (
        "evaluate files a.safetensors b.safetensors --prompts p.txt -o there",
        "there/files.json",
    ),
    "evaluate vote page": ("evaluate vote page sheets -o there.html", "there.html"),
    "evaluate vote tally": (
        "evaluate vote tally s a.json --key k.json -o there.json",
        "there.json",
    ),
    "evaluate describe": ("evaluate describe --refs zoo -o there", "there/describe.json"),
    "evaluate merge": ("evaluate merge zoo -o there", "there/merge.png"),
    "evaluate synth": ("evaluate synth -o there", "there/synth.html"),
}
TORCH = ("train", "synth", "render", "world", "evaluate")


def needs(case: str) -> None:
    if case.startswith(TORCH):
        pytest.importorskip("torch")
    if case.startswith(("map", "evaluate describe")):
        pytest.importorskip("lancedb")
        pytest.importorskip("sklearn")


@pytest.mark.parametrize("case", OVER)
def test_what_is_there_is_refused_before_any_work(case: str, tmp_path: Path) -> None:
    needs(case)
    words, name = OVER[case]
    file = tmp_path / (f"{name}mine.txt" if name.endswith("/") else name)
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"mine")
    (tmp_path / "picture.png").write_bytes(b"no picture yet")
    before = tree(tmp_path)
    result = CliRunner().invoke(cli, words.split(), standalone_mode=False)
    if case.startswith("convert"):  # goes on after a bad file, so the error is a line of its report
        assert result.return_value == 2 and "is there already" in result.stderr
    else:
        assert isinstance(result.exception, LorariumError), result.exception
        assert "is there already" in str(result.exception) and result.exception.code == 2
    assert {k: v for k, v in tree(tmp_path).items() if not k.startswith("library/")} == before


# a command that writes nothing a person names, or refuses by a rule of its own
SILENT = {
    "inspect", "forecast", "index", "search", "duplicates", "lineage", "cluster",
    "studio",  # what its page writes is asked for there: tests/studio/test_answers.py
    "tidy",  # moves files to its trash, and back, by a journal: tests/library/test_tidy.py
    "adopt",  # goes on with its folder
    "bases",  # writes nothing, and deletes only with --force: tests/recipes/test_adoption_whole.py
    "mint",  # its folder is new, or gone on with by --resume: tests/training/test_mint.py
}  # fmt: skip


def test_no_command_is_left_out() -> None:
    assert {case.split()[0] for case in OVER} | SILENT == set(commands())


@pytest.mark.parametrize("case", OVER)
def test_the_flag_is_where_it_is_needed(case: str) -> None:
    words = case.split()[0]
    depth = 3 if "vote" in case else 2 if words in ("world", "evaluate") else 1
    group = OVER[case][0].split()[:depth]
    help_text = CliRunner().invoke(cli, [*group, "--help"]).output
    assert "--force" in help_text and "NAME.bak" in help_text


SELF = {
    "merge": "merge a.safetensors b.safetensors -o a.safetensors",
    "merge the second": "merge b.safetensors a.safetensors -o a.safetensors",
    "resize": "resize a.safetensors a.safetensors --rank 1",
    "convert": "convert a.safetensors a.safetensors --to diffusers",
    "metadata": "metadata a.safetensors --set k=v -o a.safetensors",
}


@pytest.mark.parametrize("case", SELF)
def test_an_input_is_kept_as_bak(case: str, tmp_path: Path) -> None:
    before = tree(tmp_path)
    if case == "convert":  # goes on after a bad file, so the error is a line of its report
        result = CliRunner().invoke(cli, SELF[case].split(), standalone_mode=False)
        assert result.return_value == 2 and "one of the inputs" in result.stderr
    else:
        with pytest.raises(LorariumError, match=r"one of the inputs.*a\.safetensors\.bak"):
            run(*SELF[case].split())
    assert tree(tmp_path) == before
    assert run(*SELF[case].split(), "--force") == 0
    after = tree(tmp_path)
    assert after["a.safetensors.bak"] == before["a.safetensors"] != after["a.safetensors"]
    assert set(after) == {*before, "a.safetensors.bak"}
    formats.read("a.safetensors")


def test_metadata_in_place_needs_no_force(tmp_path: Path) -> None:
    assert run("metadata", "a.safetensors", "--set", "k=v") == 0
    assert sorted(tree(tmp_path)) == ["a.safetensors", "b.safetensors"]
    assert formats.read("a.safetensors").metadata["k"] == "v"


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".bin", ".pth", "", ".gguf"])
@pytest.mark.parametrize(
    "words",
    [
        "merge a.safetensors b.safetensors -o",
        "resize a.safetensors --rank 1",
        "convert a.safetensors",
        "metadata a.safetensors --set k=v -o",
        "extract a.safetensors b.safetensors --rank 1 -o",
        "bake a.safetensors b.safetensors -o",
    ],
)
def test_only_formats_that_are_written(words: str, suffix: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lorarium", *words.split(), f"x{suffix}", "--force"]
    if words.startswith(("merge", "convert")):  # one of each as a person meets it
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
        assert ".safetensors is needed" in done.stderr
    else:
        with pytest.raises(LorariumError, match=r"\.safetensors is needed"):
            run(*command[3:])
    assert sorted(tree(tmp_path)) == ["a.safetensors", "b.safetensors"]


def test_schedules_are_json(tmp_path: Path) -> None:
    words = "merge a.safetensors b.safetensors -o new.safetensors --method k-lora --option".split()
    with pytest.raises(LorariumError, match=r"\.json is needed"):
        run(*words, "schedule=b.safetensors", "--force")
    (tmp_path / "s.json").write_text("mine")
    assert run(*words, "schedule=s.json", "--force") == 0
    assert json.loads((tmp_path / "s.json").read_text())


@pytest.mark.parametrize("size", [1e6, 1e-9])
@pytest.mark.parametrize(
    "words",
    [
        "merge loud.safetensors:1 b.safetensors:0 -o x.safetensors --dtype fp16",
        "merge loud.safetensors loud.safetensors -o x.safetensors --dtype fp16",
        "resize loud.safetensors x.safetensors --rank 4 --dtype fp16",
        "convert loud.safetensors x.safetensors --dtype fp16",
    ],
)
def test_what_a_number_type_destroys_is_not_written(
    words: str, size: float, tmp_path: Path
) -> None:
    formats.write(lora(2, size), "loud.safetensors")
    done = subprocess.run(
        [sys.executable, "-m", "lorarium", *words.split()], capture_output=True, text=True
    )
    assert done.returncode == 1 and f"{BLOCK}.attn1.to_q" in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1 and not (tmp_path / "x.safetensors").exists()


def test_a_merge_that_loses_modules_says_so(tmp_path: Path) -> None:
    both = lora(0)
    full = {Module("denoiser", f"{BLOCK}.attn1.to_k"): Dense(np.ones((320, 320), np.float32))}
    formats.write(both.with_(deltas={**both.deltas, **full}), "full.safetensors")
    words = ["merge", "full.safetensors", "b.safetensors", "-o", "x.safetensors", "--to", "peft"]
    result = CliRunner().invoke(cli, words, standalone_mode=False)
    assert result.return_value == 1, result
    assert "1 of 3 modules" in result.stderr and "to_k" in result.stderr


def test_the_error_of_force_is_the_same_in_python(tmp_path: Path) -> None:
    with pytest.raises(UnverifiedError):
        formats.write(lora(0, 1e6), "x.safetensors", dtype="fp16")
    assert not formats.write(lora(0, 1e6), "x.safetensors", dtype="fp16", force=True).verified
