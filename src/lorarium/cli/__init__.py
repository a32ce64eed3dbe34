"""The command line: one thin file per command, loaded only when it is called."""

from __future__ import annotations

import importlib
import os
import re
import sys
import warnings
from functools import cache
from pathlib import Path
from typing import NoReturn

import click

from lorarium import __version__
from lorarium.cli.debug import with_debug
from lorarium.cli.suggest import Group, usage_message
from lorarium.errors import LorariumError, file_error, one_line, show_traceback

# how --help lists the commands; one that is not here comes last
ORDER = (
    "inspect", "metadata", "convert", "resize", "merge", "forecast", "extract", "bake",
    "index", "search", "duplicates", "tidy", "lineage", "cluster", "map", "studio",
    "train", "synth", "render", "mint", "adopt", "bases", "evaluate", "world", "tour", "examples",
)  # fmt: skip
_COMMAND = re.compile(r'^def command\(.*?"""(.+?)(?:\n\s*\n|"""|[.:;] )', re.DOTALL | re.MULTILINE)


@cache
def commands() -> dict[str, str]:
    """Name -> one line of help: of every file here that has a function `command`, its first
    sentence. Read, not imported: --help is to be quick."""
    lines = {}
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        match = _COMMAND.search(path.read_text("utf-8"))
        if match and "_" not in path.stem:  # evaluate_vote.py is a part of evaluate.py
            lines[path.stem] = " ".join(match[1].split()).rstrip(".") + "."
    place = {name: i for i, name in enumerate(ORDER)}
    return dict(sorted(lines.items(), key=lambda item: place.get(item[0], len(place))))


class LazyGroup(Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(commands())

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in ORDER and name not in commands():  # reading all files takes a moment
            return None
        return with_debug(importlib.import_module(f"lorarium.cli.{name}").command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(commands().items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """LoRA adapters of text-to-image models, treated as data."""


with_debug(cli)


def main() -> None:
    """Run the command line; an expected error is one line on stderr and its own exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that lacks a sign shows '?', not an error
            stream.reconfigure(errors="replace")
    # numbers of a file that are not finite are findings or errors, told in one line
    warnings.simplefilter("ignore", RuntimeWarning)
    try:
        result = cli(prog_name="lorarium", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        fail(usage_message(error))
    except LorariumError as error:
        show_traceback(error)
        fail(str(error), error.code)
    except BrokenPipeError:  # the reader of our output has gone: nobody is left to be told
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        click.echo("stopped", err=True)
        sys.exit(130)
    except Exception as error:  # nobody foresaw it, and still it is one line
        fail(str(file_error(error)))
    sys.exit(result if isinstance(result, int) else 0)


def fail(message: str, code: int = 2) -> NoReturn:
    click.echo(f"lorarium: {one_line(message)}", err=True)
    sys.exit(code)
