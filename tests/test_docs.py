"""Docs against code: every command, option, health code and dependency has its words."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from lorarium.cli import cli
from lorarium.cli import commands as help_lines
from lorarium.errors import missing_extra
from lorarium.formats.inspection.health import CODES
from lorarium.mergers import METHODS
from tests.docs_blocks import PAGES, ROOT, parse


def commands() -> dict[str, click.Command]:
    context = click.Context(cli)
    by_name = {name: cli.get_command(context, name) for name in cli.list_commands(context)}
    return {name: command for name, command in by_name.items() if command is not None}


@pytest.mark.parametrize("name", sorted(commands()))
def test_command_has_help_and_a_section(name: str) -> None:
    command = commands()[name]
    assert command.help and help_lines()[name]
    page = (ROOT / "docs" / "commands.md").read_text()
    section = re.search(rf"^## `lorarium {name}\b.*?(?=^## |\Z)", page, re.M | re.S)
    assert section, f"docs/commands.md has no section for {name}"
    for parameter in command.params:
        everywhere = {"--help", "--debug"} & set(parameter.opts)
        if isinstance(parameter, click.Option) and not everywhere:
            assert parameter.help, f"{name} {parameter.opts[0]} has no help"
            longest = max(parameter.opts, key=len)
            assert f"`{longest}" in section[0], f"{name} {longest} is not documented"


def test_every_health_code_is_documented() -> None:
    page = (ROOT / "docs" / "inspect.md").read_text()
    assert set(re.findall(r"^\| `([a-z-]+)` \|", page, re.M)) == set(CODES)


def test_every_dependency_has_its_sentence() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    wanted = [line for group in [project["dependencies"], *extras] for line in group]
    names = {re.split(r"[\[<>=! ]", line)[0] for line in wanted} - {"lorarium"}
    page = (ROOT / "docs" / "dependencies.md").read_text()
    assert {name for name in names if f"**{name}**" not in page} == set()


def test_constraints_pin_every_dependency() -> None:
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in pins if "==" in line}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    wanted = [line for group in [project["dependencies"], *extras] for line in group]
    names = {re.split(r"[\[<>=! ]", line)[0].lower().replace("_", "-") for line in wanted}
    assert names - {"lorarium"} - pinned == set()
    assert "torch==2.13.0" in pins


def anchors(page: Path) -> set[str]:
    """The fragments of a page's headings, as code hosts make them."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for name, _, anchor in re.findall(r"\]\(([^)#]*)(#([^)]+))?\)", page.read_text()):
        if "://" not in name:
            target = page.parent / name if name else page
            assert target.exists(), f"{page.name} links to {name}"
            assert not anchor or anchor in anchors(target), f"{page.name}: {name}#{anchor}"


def test_every_merge_method_has_its_formula() -> None:
    page = (ROOT / "docs" / "merge-methods.md").read_text()
    table = re.search(r"^\| method \| what it makes.*?\n\n", page, re.M | re.S)
    assert table
    firsts = [line.split("|")[1] for line in table[0].splitlines()[2:] if line]
    assert set(re.findall(r"`([a-z-]+)`", " ".join(firsts))) == set(METHODS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_inside_sentences_exist(page: Path) -> None:
    for line in re.findall(r"`lorarium ([a-z][^`]*)`", page.read_text()):
        if "..." not in line and not page.name == "commands.md":  # those are headings of usage
            parse(shlex.split(line), f"{page.name}: lorarium {line}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_inside_sentences_exist(page: Path) -> None:
    for name in re.findall(r"`((?:[a-z_0-9]+/)+[a-z_0-9]+\.(?:py|toml|json))", page.read_text()):
        homes = (ROOT, ROOT / "src" / "lorarium")
        ours = any((home / name.split("/")[0]).is_dir() for home in homes)
        assert not ours or any((home / name).is_file() for home in homes), f"{page.name}: {name}"


def test_one_place_says_how_to_install_an_extra() -> None:
    source = ROOT / "src" / "lorarium"
    named = [path.name for path in source.rglob("*.py") if "lorarium[" in path.read_text("utf-8")]
    assert named == ["errors.py"]
    hint = missing_extra("this needs torch", "torch").hint
    assert "pip install 'lorarium[torch]'" in hint and "pip install -e '.[torch]'" in hint


def test_every_extra_has_its_row() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    page = (ROOT / "docs" / "install.md").read_text()
    rows = {name for row in re.findall(r"^\| (`.*?) \|", page, re.M) for name in row.split(", ")}
    assert {f"`{name}`" for name in project["optional-dependencies"]} <= rows


def test_index_names_every_page() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    assert [page.name for page in PAGES if f"({page.name})" not in index] == [
        "README.md",
        "index.md",
    ]


def test_tour_runs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lorarium", "tour", "-o", str(tmp_path / "tour"), "--steps", "20"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert done.stdout.count("the same adapter") == 3
    assert (tmp_path / "tour" / "both.safetensors").exists()
    assert (tmp_path / "tour" / "before-after.png").exists()
