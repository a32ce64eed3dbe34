"""The tab key: what docs/install.md promises of completion in the shell."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from click.shell_completion import ShellComplete

from lorarium.cli import cli


def complete(*words: str) -> list[str]:
    *before, last = words
    shell = ShellComplete(cli, {}, "lorarium", "_LORARIUM_COMPLETE")
    return [item.value for item in shell.get_completions(list(before), last)]


def test_commands_options_and_choices_complete() -> None:
    assert complete("du") == ["duplicates"]
    assert complete("merge", "--no") == ["--normalize"]
    assert complete("convert", "--for", "com") == ["comfyui"]
    assert complete("evaluate", "vote", "t") == ["tally"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_program_prints_what_a_shell_sources(shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lorarium"],
        env={**os.environ, "_LORARIUM_COMPLETE": f"{shell}_source"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0 and f"_LORARIUM_COMPLETE={shell}_complete" in done.stdout, done
