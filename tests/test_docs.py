"""Docs against code: every command, option, health code and dependency has its words."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

import lorarium
from lorarium import formats
from lorarium.cli import cli
from lorarium.cli import commands as help_lines
from lorarium.formats.example import example
from lorarium.formats.inspection.health import CODES

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_index_names_every_page() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    assert [page.name for page in PAGES if f"({page.name})" not in index] == [
        "README.md",
        "index.md",
    ]


def test_python_examples_compile() -> None:
    for page in PAGES:
        for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S):
            compile(block, page.name, "exec")


def readme_commands() -> list[str]:
    block = re.search(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    assert block
    return [line for line in block[1].splitlines() if line.startswith("lorarium ")]


def test_readme_commands_run(tmp_path: Path) -> None:
    formats.write(example(seed=1), tmp_path / "ink.safetensors", "kohya")
    formats.write(example(seed=2, rank=8), tmp_path / "rain.safetensors", "diffusers")
    assert len(readme_commands()) == 7
    source = str(Path(lorarium.__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": source, "LORARIUM_LIBRARY": str(tmp_path / "l")}
    for line in readme_commands():
        program = [sys.executable, "-m", *shlex.split(line)]
        done = subprocess.run(
            program, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0 and done.stdout and not done.stderr, (line, done)


def test_tour_runs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lorarium", "tour", "-o", str(tmp_path / "tour")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert done.stdout.count("the same adapter") == 3
    assert (tmp_path / "tour" / "both.safetensors").exists()
    assert (tmp_path / "tour" / "before-after.png").exists()
