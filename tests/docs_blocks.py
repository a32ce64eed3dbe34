"""The blocks of a page, and how a test runs them: docs/develop.md, "Pages that run"."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from lorarium.cli import cli
from lorarium.recipes import STAGES

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
FENCE = re.compile(r"((?:^<!-- [^\n]* -->\n)*)^```(\w*)\n(.*?)^```$", re.M | re.S)
COMMENT = re.compile(r"<!-- (.*) -->")
ADDS = re.compile(r"the test adds to ([^:]+): (.+)")
FINDS = {"duplicates"}  # commands that exit with 1 when they found what they looked for
SHELL = {"cp", "mkdir"}


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, its line, and what the comments before it say."""

    page: str
    line: int
    language: str
    text: str
    why_not: str
    additions: tuple[tuple[str, str], ...]

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    def lines(self) -> Iterator[list[str]]:
        """A shell block's commands as words, comments left out."""
        for line in self.text.replace("\\\n", " ").splitlines():
            if words := shlex.split(line, comments=True):
                yield words


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page, in order."""
    text = page.read_text("utf-8")
    page_blocks = []
    for match in FENCE.finditer(text):
        comments = COMMENT.findall(match[1])
        why = [c.partition(":")[2].strip() for c in comments if c.startswith("not run:")]
        adds = tuple((a[1], a[2]) for c in comments if (a := ADDS.fullmatch(c)))
        line = text.count("\n", 0, match.start(2)) + 1
        page_blocks.append(Block(page.name, line, match[2], match[3], "; ".join(why), adds))
    return page_blocks


def run_shell(block: Block, patch: pytest.MonkeyPatch) -> None:
    """Each line of a shell block: commands of ours in process, a few of the system's."""
    for words in block.lines():
        if words[0] == "lorarium":
            words = words[1:]
            for prefix, more in block.additions:
                if f"lorarium {' '.join(words)} ".startswith(f"{prefix} "):
                    words = [*words, *shlex.split(more)]
            if words[0] == "index":
                words.append("--workers=0")
            try:
                code = cli(words, prog_name="lorarium", standalone_mode=False)
            except Exception as error:
                raise AssertionError(f"{block.place}: lorarium {words}: {error!r}") from error
            code = code if isinstance(code, int) else 0
            assert code == 0 or (code == 1 and words[0] in FINDS), (block.place, words, code)
        elif words[0] == "export":
            name, _, value = words[1].partition("=")
            patch.setenv(name, value)
        else:
            assert words[0] in SHELL, f"{block.place}: {words[0]} is not run by the test"
            subprocess.run(words, check=True)


def run_python(block: Block, names: dict[str, object]) -> None:
    """A Python block in the names of the page."""
    tree = ast.parse(block.text)
    for call in ast.walk(tree):
        if isinstance(call, ast.Call):
            for name, more in block.additions:
                if ast.unparse(call.func) == name:
                    extra = ast.parse(f"f({more})", mode="eval").body
                    assert isinstance(extra, ast.Call)
                    call.keywords += extra.keywords
    try:
        exec(compile(ast.fix_missing_locations(tree), block.place, "exec"), names)
    except Exception as error:
        raise AssertionError(f"{block.place}: {error!r}") from error


def check_only(block: Block) -> None:
    """A block that is not run still names commands, options, files, stages and functions that
    exist, with options that they have."""
    if block.language == "python":
        check_calls(block)
        return
    for words in block.lines():
        if words[0] == "lorarium":
            parse(words[1:], block.place)
        elif words[:3] == ["python", "-m", "lorarium.recipes"]:
            assert words[3] in STAGES, f"{block.place}: no stage {words[3]}"
        elif words[:2] == ["python", "-m"]:
            assert find_spec(words[2]), f"{block.place}: no module {words[2]}"
        elif words[0] == "python":
            assert (ROOT / words[1]).is_file(), f"{block.place}: no {words[1]}"
        else:
            assert words[0] in {*SHELL, "export"}, f"{block.place}: {words[0]}"


def check_calls(block: Block) -> None:
    """The imports of a Python block are done, and what it calls of ours takes those arguments."""
    tree = ast.parse(block.text, block.place)
    lines = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    ours: dict[str, object] = {}
    try:
        exec(compile(ast.Module(lines, []), block.place, "exec"), ours)
        for call in ast.walk(tree):
            name = ast.unparse(call.func) if isinstance(call, ast.Call) else ""
            if isinstance(call, ast.Call) and name.split(".")[0] in ours:
                function = eval(name, ours)
                if function.__module__.startswith("lorarium"):  # builtins have no signature
                    named = {keyword.arg: None for keyword in call.keywords if keyword.arg}
                    plain = [a for a in call.args if not isinstance(a, ast.Starred)]
                    inspect.signature(function).bind_partial(*plain, **named)
    except Exception as error:
        raise AssertionError(f"{block.place}: {error!r}") from error


def parse(words: list[str], place: str) -> None:
    """Whether a command line names what exists; it is not run, and may leave out what is needed."""
    command: click.Command = cli
    context = None
    try:
        while isinstance(command, click.Group):
            context = click.Context(command, parent=context)
            name, inner, words = command.resolve_command(context, words)
            assert inner is not None, f"{place}: no command {name}"
            command = inner
        command.make_context(command.name, list(words), parent=context)
    except (click.MissingParameter, click.exceptions.Exit):  # or one that answered at once
        pass
    except click.ClickException as error:
        raise AssertionError(f"{place}: {error.format_message()}") from error
