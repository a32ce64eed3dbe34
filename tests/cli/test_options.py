"""Wrong words and numbers on the command line: one line that says what would be right, exit 2."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from lorarium.cli import ORDER, cli, commands
from lorarium.cli.common import LARGEST_SEED, SEED
from lorarium.cli.suggest import Choice, Group
from tests.cli.test_errors import lorarium, one_clean_line
from tests.test_house import BLOCK, EXTRAS


def answer(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """The one line of a call that is refused."""
    assert lorarium(monkeypatch, *arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and one_clean_line(err), (out, err)
    return err


@pytest.mark.parametrize("arguments", [[], ["evaluate"], ["world"]])
def test_called_alone_a_group_shows_its_help(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lorarium(monkeypatch, *arguments) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Usage: ") and "Commands:" in out and err == ""


def test_every_command_in_the_order_of_help_exists() -> None:
    assert set(ORDER) <= set(commands())  # they are taken for commands without a look


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["inspct", "x"], "inspect"),
        (["evaluate", "merg"], "merge"),
        (["world", "shet"], "sheet"),
        (["merge", "a", "b", "--metod", "sum", "-o", "c"], "--method"),
        (["merge", "a", "b", "--method", "tiess", "-o", "c"], "ties"),
        (["merge", "a", "b", "-o", "c", "--method", "ties", "--option", "densty=1"], "density"),
        (["convert", "a", "b", "--to", "kohia"], "kohya"),
        (["train", "a", "--no-mirrow"], "--no-mirror"),
        (["render", "--prompt", "a cat", "--device", "cuad"], "cuda"),
    ],
)
def test_what_was_meant_is_said(
    arguments: list[str],
    meant: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert f"did you mean {meant!r}?" in answer(arguments, monkeypatch, capsys)


def test_a_word_like_no_other_suggests_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "did you mean" not in answer(["zzzzzz"], monkeypatch, capsys)
    assert "did you mean" not in answer(["convert", "a", "b", "--to", "#"], monkeypatch, capsys)


def with_option(name: str) -> list[tuple[str, ...]]:
    """The commands that have an option, those inside groups too."""

    def below(group: click.Group, path: tuple[str, ...]) -> list[tuple[str, ...]]:
        context, paths = click.Context(group), []
        for word in group.list_commands(context):
            command = group.get_command(context, word)
            if isinstance(command, click.Group):
                paths += below(command, (*path, word))
            elif any(name in p.opts for p in getattr(command, "params", [])):
                paths.append((*path, word))
        return paths

    return below(cli, ())


@pytest.mark.parametrize("path", with_option("--seed"), ids=" ".join)
@pytest.mark.parametrize("seed", ["-1", str(LARGEST_SEED + 1), "9" * 400, "x", "1.5", "nan"])
def test_seeds_that_are_none(
    path: tuple[str, ...],
    seed: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "--seed" in answer([*path, "--seed", seed], monkeypatch, capsys)


def test_the_largest_seed_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    out = str(tmp_path / "a.png")
    call = ["render", "--prompt", "a cat in ink", "-n", "2", "--steps", "1", "-o", out]
    assert lorarium(monkeypatch, *call, "--seed", str(LARGEST_SEED)) == 0


@pytest.mark.parametrize("device", ["nonsense", "cuda", "cuda:7", "cuda:x", "", "meta", "cpu:x"])
def test_devices_that_are_none(
    device: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    torch = pytest.importorskip("torch")
    if device.startswith("cuda") and torch.cuda.is_available():
        pytest.skip("there is such a device here")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[[adapters]]\nname = "a"\npictures = "."\n')
    calls = {
        "render": ["--prompt", "a cat"],
        "mint": ["--recipe", str(recipe), "-o", str(tmp_path / "zoo")],
    }
    for command, arguments in calls.items():
        line = answer([command, *arguments, "--device", device], monkeypatch, capsys)
        assert "device" in line and "use cpu" in line
    assert not (tmp_path / "zoo").exists()


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["search", "ink.safetensors"], "library"),
        (["search", "words"], "library"),
        (["index", "loras"], "library"),
        (["lineage", "ink.safetensors"], "library"),
        (["map"], "library"),
        (["train", "drawings"], "torch"),
        (["world", "sheet"], "torch"),
        (["forecast", "a", "b", "--drafts"], "torch"),
        (["inspect", "a.pt"], "torch"),
    ],
)
def test_without_its_extra_a_command_names_it(
    arguments: list[str], extra: str, tmp_path: Path
) -> None:
    (tmp_path / "a.pt").write_bytes(b"\x80\x02}.")
    program = BLOCK.format(blocked=EXTRAS) + (
        "import sys; from lorarium.cli import main\n"
        "sys.argv = ['lorarium', *sys.argv[1:]]\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True, text=True, cwd=tmp_path, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2 and one_clean_line(done.stderr), done
    assert f"pip install 'lorarium[{extra}]'" in done.stderr
    assert f"pip install -e '.[{extra}]'" in done.stderr  # what works from a checkout


def every_command(group: click.Group = cli, path: str = "") -> list[tuple[str, click.Command]]:
    """Each command and group by its words."""
    context = click.Context(group)
    commands: list[tuple[str, click.Command]] = []
    for word in group.list_commands(context):
        command = group.get_command(context, word)
        assert command is not None
        commands.append((f"{path}{word}", command))
        if isinstance(command, click.Group):
            commands += every_command(command, f"{path}{word} ")
    return commands


def test_every_command_answers_mistakes_by_the_one_mechanism() -> None:
    """A new command that brings a click.Choice, a seed or a group of its own is told here."""
    assert len(every_command()) > 20
    for path, command in every_command():
        assert isinstance(command, Group) or not isinstance(command, click.Group), path
        for option in command.params:
            if isinstance(option.type, click.Choice):
                assert isinstance(option.type, Choice), (path, option.name)
            if option.name == "seed":
                assert option.type is SEED, path
            if option.name == "device":
                assert option.default == "cpu" and "mps" in str(getattr(option, "help", "")), path
