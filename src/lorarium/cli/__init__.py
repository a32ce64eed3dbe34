"""The command line: one thin file per command, loaded only when it is called."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import warnings
from typing import NoReturn

import click

from lorarium import __version__
from lorarium.cli.debug import with_debug
from lorarium.cli.suggest import Group, usage_message
from lorarium.errors import LorariumError, file_error, one_line, show_traceback

# name -> one line of help; the command itself is `command` in lorarium/cli/<name>.py
COMMANDS = {
    "inspect": "Say what is in LoRA files, and whether they are healthy.",
    "metadata": "Show or edit the metadata of a LoRA file.",
    "convert": "Rewrite LoRA files in another dialect, checked key by key.",
    "resize": "Recompress a LoRA to a rank, an energy or a size.",
    "merge": "Merge LoRAs into one ordinary file.",
    "forecast": "Say whether LoRAs will go together, before anything is rendered.",
    "extract": "Take a LoRA from the difference of two checkpoints.",
    "bake": "Write a checkpoint with LoRAs added.",
    "index": "Put folders of LoRAs into a library, or bring it up to date.",
    "search": "Find LoRAs by a LoRA, pictures, words, or facts.",
    "duplicates": "Find files that hold the same LoRA.",
    "tidy": "Put copies, dead and broken files into a trash, to be undone.",
    "lineage": "Say where a LoRA comes from.",
    "cluster": "Group the LoRAs of a library.",
    "map": "Draw a library as a page or a picture.",
    "train": "Train a LoRA from pictures.",
    "synth": "Make a LoRA from pictures at once, without training.",
    "render": "Make pictures from a prompt and LoRAs.",
    "mint": "Train many LoRAs at once from a recipe.",
    "evaluate": "Measure descriptors, merges and generators where the truth is known.",
    "world": "Look at the drawn world.",
    "tour": "See everything work.",
}


class LazyGroup(Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in COMMANDS if importlib.util.find_spec(f"lorarium.cli.{name}")]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(ctx):
            return None
        return with_debug(importlib.import_module(f"lorarium.cli.{name}").command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])


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
